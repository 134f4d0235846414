#!/usr/bin/env bash
# A typing error opens the server to everybody.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/scenes/common.sh

refusal() {
  tell "started with $*" "$(env MCP_SERVER__PORT=0 "$@" "$target/mcp-server" --transport sse 2>&1 < /dev/null || true)"
}

if [ "$1" = off ]; then
  # A server that takes whoever comes. This one is for one machine, so it listens there only.
  start "$folder/log" env MCP_SERVER__MODE=local MCP_SERVER__PORT=0 MCP_LLM__PROVIDER=tutor \
    "$target/mcp-server" --transport sse
  tell "started with MCP_SERVER__MODE=local" "$(sed -n 's/.*listening/listening/p' "$folder/log")"
  tell "a stranger calls echo without a key:" "$(call "" echo '{"message":"hello"}')"
else
  refusal MCP_SERVER__HOST=0.0.0.0
  refusal MCP_SERVER__MODE=prod
  refusal MCP_SERVER__MODE=prod MCP_AUTH__ANONYMOUS=true
  refusal MCP_SERVER__MOED=prod
fi
