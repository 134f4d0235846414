#!/usr/bin/env bash
# Judges the fake Ollama by Ollama's own clients, unchanged: npm `ollama` and PyPI `ollama`.
# Every mode that Ollama itself can get into, and of the others those that end by themselves: a drip and
# a line of 100 MB hang both clients, and what they make of numbers in strings is their own affair.
# A fake that they can't tell from the real thing is a fake that this project's tests can rely on.
# Needs node with npm, python3 with venv, and a package registry the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly NPM_CLIENT="ollama@0.6.4"
readonly PYPI_CLIENT="ollama==0.6.3"
tools="${TOOLS_DIR:-.tools}/oracles"
mkdir -p "$tools"
tools="$(cd "$tools" && pwd)"

for needed in node npm python3 cargo; do
  command -v "$needed" >/dev/null || { echo "oracles: $needed is missing; install it and run this again" >&2; exit 2; }
done

# A stamp names the version that was installed: another one here installs again.
if [ "$(cat "$tools/npm.stamp" 2>/dev/null)" != "$NPM_CLIENT" ]; then
  npm install --prefix "$tools" --no-audit --no-fund --silent "$NPM_CLIENT"
  echo "$NPM_CLIENT" >"$tools/npm.stamp"
fi
if [ "$(cat "$tools/pypi.stamp" 2>/dev/null)" != "$PYPI_CLIENT" ]; then
  python3 -m venv "$tools/venv"
  "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "$PYPI_CLIENT"
  echo "$PYPI_CLIENT" >"$tools/pypi.stamp"
fi

cargo build $([ -t 2 ] || echo --quiet) --package mcp-llm --example fake-ollama
target="${CARGO_TARGET_DIR:-target}"
log="$(mktemp)"
fake=""
stop() {
  if [ -n "$fake" ]; then kill "$fake" 2>/dev/null || true; wait "$fake" 2>/dev/null || true; fi
  rm -f "$log"
}
trap stop EXIT

passed=0
failed=0
judge() { # NAME COMMAND…: a fresh fake for each, since a client pulls and deletes models
  local name="$1" url="" report
  shift
  "$target/debug/examples/fake-ollama" --port 0 --pace-ms 0 --delay-ms 200 >"$log" &
  fake=$!
  for _ in $(seq 100); do
    url="$(sed -n 's/^LISTENING //p' "$log")"
    [ -n "$url" ] && break
    sleep 0.05
  done
  [ -n "$url" ] || { echo "oracles: the fake didn't start" >&2; exit 2; }
  report="$(OLLAMA_HOST="$url" timeout 120 "$@" 2>&1)" || true
  kill "$fake" 2>/dev/null || true
  wait "$fake" 2>/dev/null || true
  fake=""
  echo "$report" | sed "s/^/$name: /"
  local ok bad
  ok="$(grep -c '^ok ' <<<"$report" || true)"
  bad="$(grep -c '^FAIL ' <<<"$report" || true)"
  # A client that stops half-way has failed too, whatever it said before.
  grep -q '^finished$' <<<"$report" || bad=$((bad + 1))
  passed=$((passed + ok))
  failed=$((failed + bad))
}

judge npm env NODE_PATH="$tools/node_modules" node tests/oracles/ollama.cjs
judge pypi "$tools/venv/bin/python" tests/oracles/ollama_client.py
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
