#!/usr/bin/env bash
# Starts a server of the attack lab on a free port of this machine, attacks it, and stops it in any case.
#   scripts/attack.sh                          every attack, against the guarded server
#   ONLY=row,row scripts/attack.sh             only these attacks
#   DEFENCE=name ONLY=row scripts/attack.sh    against a server that misses this defence
# The attacks of scripts/scenes need more than messages (an edit of a file, a full disk), so each is
# a short script of its own: ONLY=name plays it with the control, DEFENCE=name without.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lab-server.sh

defence="${DEFENCE:-none}"
if [ -r "scripts/scenes/$defence.sh" ]; then
  exec bash "scripts/scenes/$defence.sh" off
elif [ -n "${ONLY:-}" ] && [ -r "scripts/scenes/$ONLY.sh" ]; then
  exec bash "scripts/scenes/$ONLY.sh" on
fi

features=mcp-server/lab build mcp-client mcp-server-lab

# Two keys for this run only: one that may do everything, one that may do little.
MCP_CLIENT_KEY="$(random)" MCP_CLIENT_SECOND_KEY="$(random)"
export MCP_CLIENT_KEY MCP_CLIENT_SECOND_KEY
record=.run/lab.jsonl
mkdir -p .run
: > "$record"
start .run/lab.log "$target/mcp-server-lab" --defences-off "$defence" --listen 127.0.0.1:0 --audit-log "$record"

code=0
"$target/mcp-client" attack --url "$url" --audit-log "$record" ${ONLY:+--only "$ONLY"} ${ARGS:-} || code=$?
# On a server that is weak on purpose an attack that succeeds is what was to be seen.
case "$defence,$code" in
  none,* | *,[2-9]*) exit "$code" ;;
  *,1) ;;
  *)
    echo "no attack succeeded: without this defence, try one of these with ONLY: $("$target/mcp-server-lab" --list | grep -A1 "^$defence " | sed -n 's/.*red: //p')" >&2
    exit 1
    ;;
esac
