#!/usr/bin/env bash
# A key that was meant for one use is used for more.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/scenes/common.sh

key="$(add_key monitor --scope tools:util:echo)"
if [ "$1" = on ]; then
  rule='{ scope = "tools:util:echo", where = { message = { one_of = ["ping"] } } }'
  sed "s/\"tools:util:echo\"/$rule/" "$keys" > "$folder/new" && cat "$folder/new" > "$keys"
fi
echo "the grant: $(grep '^scopes' "$keys")"
serve

tell "the monitor calls echo with ping:" "$(call "$key" echo '{"message":"ping"}')"
tell "whoever took its key sends more:" "$(call "$key" echo '{"message":"all that I know"}')"
[ "$1" = off ] || recorded --outcome FORBIDDEN
tell "or leaves the argument out:" "$(call "$key" echo '{}')"
