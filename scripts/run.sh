#!/usr/bin/env bash
# Runs the server and the chat client together in one terminal: the server's log goes to a file,
# the client is in front, and both are gone at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}/debug"
log=.run/server.log
mkdir -p .run
# Emptied here and not by the server's own redirection, which happens a moment later: what the last
# server said must not be taken for this server's address.
: > "$log"

"$target/mcp-server" --config "${CONFIG:-config/server.toml}" --transport sse 2> "$log" &
server=$!
stop() {
  kill "$server" 2> /dev/null || true
  wait "$server" 2> /dev/null || true
}
trap stop EXIT
trap 'exit 129' HUP TERM

# The server says when it listens, or why it doesn't.
url=""
for _ in $(seq 100); do
  url=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' "$log" | head -n 1)
  [ -z "$url" ] || break
  kill -0 "$server" 2> /dev/null || break
  sleep 0.1
done
if [ -z "$url" ]; then
  tail -n 1 "$log" >&2
  exit 1
fi

# The terminal's Ctrl-C reaches the whole group; the client decides what it means.
trap '' INT
MCP_SERVER_URL="$url" "$target/mcp-client" || code=$?
trap - INT
stop
trap - EXIT
echo "the server's log, with its audit log, is in $log"
exit "${code:-0}"
