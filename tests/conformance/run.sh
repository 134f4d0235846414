#!/usr/bin/env bash
# Runs the official MCP conformance suite through the guard, with a key: on the example server with
# the suite's fixtures, and on the product's own server what needs no fixtures.
# Needs node with npm, and a package registry the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/conformance/common.sh

use_node
npm_tool conformance "$SUITE_PACKAGE"
suite="$tools/conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js"
cargo build $([ -t 2 ] || echo --quiet) --package mcp-server --example conformance --bin mcp-server

# The suite's own exit code says nothing that the report doesn't: it is red where a fixture is
# missing, and the product has none.
run() { # SERVER RUN SUITE-ARGUMENTS…
  local folder="$work/results/$1/$2"
  shift 2
  node "$suite" server --url "$url" --output-dir "$folder" "$@" >"$work/suite.log" 2>&1 || true
}
versions() { # SERVER
  for version in 2025-03-26 2025-06-18 2025-11-25 2026-07-28; do
    run "$1" "$version" --suite all --spec-version "$version"
  done
}
# The suite proves nothing about the guard unless it is in force.
needs_a_key() {
  [ "$(node -e 'fetch(process.argv[1], { method: "POST" }).then((r) => console.log(r.status))' "$url")" = 401 ] \
    || die "$url lets in callers without a key"
}
secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

export MCP_CLIENT_KEY
MCP_CLIENT_KEY="$(secret)"
CONFORMANCE_KEY="$MCP_CLIENT_KEY" start fixtures "$target/examples/conformance"
needs_a_key
start proxy node tests/conformance/with_key.mjs "$url"
versions fixtures
run fixtures requirements-2026-07-28 --requirements 2026-07-28

# One identity makes all the suite's requests, and opens all its sessions.
MCP_CLIENT_KEY="$("$target/mcp-server" keys add suite --role user --per-minute 60000 --burst 5000 --file "$work/keys.toml" 2>/dev/null)"
port="$(free_port)"
export MCP_SERVER__PORT="$port" MCP_SERVER__ALLOWED_ORIGINS="http://127.0.0.1:$port"
export MCP_SERVER__MAX_SESSIONS_PER_IDENTITY=1000
export MCP_AUTH__ANONYMOUS=false MCP_AUTH__KEYS_FILE="$work/keys.toml" MCP_LLM__PROVIDER=tutor
start product "$target/mcp-server" --transport sse
needs_a_key
start proxy node tests/conformance/with_key.mjs "$url"
versions product

node tests/conformance/report.mjs "$work/results"
