#!/usr/bin/env bash
# Fill the disk first, then act unseen.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/scenes/common.sh

key="$(add_key ada --scope tools:util:echo)"
# Enough calls to fill it, which the rate limit would otherwise stop.
export MCP_LIMITS__BURST=1000
# The disk: no file of this server may grow beyond 8 KiB (in a shell, ulimit counts in KiB).
around=(bash -c 'trap "" XFSZ; ulimit -f 8; exec "$@"' bash)
if [ "$1" = off ]; then
  # In the modes local and dev a record that can't be kept is counted, and calls go on.
  serve MCP_SERVER__MODE=local
else
  serve
fi

refused=""
for _ in $(seq 40); do
  answer="$(call "$key" echo '{"message":"hello"}')"
  [ "$answer" = hello ] || { refused="$answer"; break; }
done
echo "ada calls echo until the disk is full, and goes on"
if [ -z "$refused" ]; then
  tell "40 calls:" "all were served, and the record ends somewhere among them"
else
  tell "the first call that can't be recorded:" "$refused"
fi
