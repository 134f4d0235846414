#!/usr/bin/env bash
# Real clients against the product's own server: the Python SDK, the TypeScript SDK and the
# Inspector, over stdio, Streamable HTTP and HTTP+SSE; both lifecycles; each header; with the right
# key, one that may too little, a wrong one and none.
# Needs node with npm, python3 with venv, and the package registries the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/conformance/common.sh

use_node
npm_tool typescript "$TYPESCRIPT_PACKAGE"
npm_tool inspector "$INSPECTOR_PACKAGE"
pypi_tool python "$PYTHON_PACKAGE"
cargo build $([ -t 2 ] || echo --quiet) --package mcp-server

product="$(cd "$target" && pwd)/mcp-server"
key() { "$product" keys add "$@" --file "$work/keys.toml" 2>/dev/null; }
right="$(key ada --role user)"
low="$(key bob --scope tools:util:echo)"
wrong="mcp_0000000000000000000000000000000000000000000000000000000000000000"

export MCP_AUTH__ANONYMOUS=false MCP_AUTH__KEYS_FILE="$work/keys.toml" MCP_LLM__PROVIDER=tutor
# Many of the cases below sign in wrongly, all from this machine.
export MCP_AUTH__FAILURES_PER_MINUTE=1000 MCP_SERVER__PORT=0
start product "$product" --transport sse
origin="${url%/mcp}"

passed=0
failed=0
judge() { # KEY CLIENT CASE…
  local said
  said="$(MCP_CLIENT_KEY="$1" "${@:2}" 2>"$work/client.log" | tail -n 1)" || true
  echo "${said:-FAIL ${*:2} said nothing: $(tail -n 3 "$work/client.log" | tr '\n' ' ')}"
  if [[ "$said" = ok\ * ]]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}
python() { "$tools/python/bin/python" tests/conformance/clients/python.py "$@"; }
typescript() { SDK_FOLDER="$tools/typescript" node tests/conformance/clients/typescript.mjs "$@"; }
inspector() { INSPECTOR="$tools/inspector/node_modules/.bin/mcp-inspector" tests/conformance/clients/inspector.sh "$@"; }

each() { # CLIENT TRANSPORT URL MODES…
  local client="$1" transport="$2" address="$3" mode header
  shift 3
  for mode in "$@"; do
    for header in bearer x-api-key; do
      judge "$right" "$client" "$transport" "$mode" "$header" works "$address"
    done
    judge "$low" "$client" "$transport" "$mode" bearer 403 "$address"
    judge "$wrong" "$client" "$transport" "$mode" bearer 401 "$address"
    judge "$wrong" "$client" "$transport" "$mode" x-api-key 401 "$address"
    judge "" "$client" "$transport" "$mode" none 401 "$address"
  done
}
each python http "$origin/mcp" auto legacy 2026-07-28
each typescript http "$origin/mcp" auto legacy 2026-07-28
each inspector http "$origin/mcp" legacy modern
each python sse "$origin/sse" legacy
each typescript sse "$origin/sse" legacy
each inspector sse "$origin/sse" legacy

for mode in auto legacy 2026-07-28; do
  judge "$right" python stdio "$mode" none works "$product"
  judge "$low" python stdio "$mode" none 403 "$product"
  judge "$wrong" python stdio "$mode" none 401 "$product"
  judge "" python stdio "$mode" none 401 "$product"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
