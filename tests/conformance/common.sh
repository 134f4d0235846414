# What run.sh and interop.sh share: tools that are installed once, and servers that are started and
# stopped. Sourced by bash, from the root of the repository.
# shellcheck shell=bash

readonly SUITE_PACKAGE="@modelcontextprotocol/conformance@0.2.0-alpha.12"
readonly NODE_PACKAGE="node@24.21.0"
readonly TYPESCRIPT_PACKAGE="@modelcontextprotocol/client@2.4.0"
readonly INSPECTOR_PACKAGE="@modelcontextprotocol/inspector@2.12.0"
readonly PYTHON_PACKAGE="mcp==2.3.0"

me="$(basename "$0" .sh)"
die() { echo "$me: $*" >&2; exit 2; }
for needed in node npm cargo; do
  command -v "$needed" >/dev/null || die "$needed is missing; install it and run this again"
done

tools="${TOOLS_DIR:-.tools}/mcp"
mkdir -p "$tools"
tools="$(cd "$tools" && pwd)"
# For the logs, the keys and the results of this run.
work="$(mktemp -d)"

pids=()
clean_up() {
  for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

# A stamp names the version that was installed: another one here installs again.
installed() { [ "$(cat "$tools/$1/stamp" 2>/dev/null)" = "$2" ]; }

npm_tool() { # FOLDER PACKAGE@VERSION
  installed "$1" "$2" && return
  mkdir -p "$tools/$1"
  echo '{ "private": true }' >"$tools/$1/package.json"
  npm install --prefix "$tools/$1" --no-audit --no-fund --silent "$2" || die "npm can't install $2"
  echo "$2" >"$tools/$1/stamp"
}

pypi_tool() { # FOLDER PACKAGE==VERSION
  installed "$1" "$2" && return
  command -v python3 >/dev/null || die "python3 is missing; install it with its venv module and run this again"
  python3 -m venv "$tools/$1" || die "python3 can't make a virtual environment: install python3-venv"
  "$tools/$1/bin/pip" install --quiet --disable-pip-version-check "$2" || die "pip can't install $2"
  echo "$2" >"$tools/$1/stamp"
}

# The suite and the Inspector need Node 22; where there is an older one, npm brings a newer.
use_node() {
  local major
  major="$(node -p 'process.versions.node.split(".")[0]')"
  if [ "$major" -lt 22 ]; then
    npm_tool node "$NODE_PACKAGE"
    PATH="$tools/node/node_modules/node/bin:$PATH"
  fi
}

free_port() {
  node -e 'const s = require("net").createServer(); s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# Starts a server in the background and waits until it says where it listens; the address is in $url.
url=""
start() { # NAME COMMAND…
  local log="$work/$1.log"
  shift
  : >"$log"
  "$@" >"$log" 2>&1 &
  pids+=($!)
  url=""
  for _ in $(seq 200); do
    url="$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' "$log" | head -n 1)"
    [ -n "$url" ] && return
    kill -0 $! 2>/dev/null || break
    sleep 0.05
  done
  cat "$log" >&2
  die "$1 didn't start; its words are above"
}

target="${CARGO_TARGET_DIR:-target}/debug"
