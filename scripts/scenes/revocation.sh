#!/usr/bin/env bash
# A stolen key goes on working after it was taken back.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/scenes/common.sh

key="$(add_key ada --scope tools:util:echo)"
if [ "$1" = off ]; then
  # The mistake: the keys are copied when the server is started (into an image, into its memory),
  # and it never looks at the operator's file again.
  cp "$keys" "$folder/copy.toml" && chmod 600 "$folder/copy.toml"
  serve MCP_AUTH__KEYS_FILE="$folder/copy.toml"
else
  serve
fi

tell "ada calls echo:" "$(call "$key" echo '{"message":"hello"}')"
"$target/mcp-server" keys revoke ada --file "$keys" 2> /dev/null
echo "the operator revokes ada's key, and three seconds pass"
sleep 3
tell "the thief calls echo with it:" "$(call "$key" echo '{"message":"still here"}')"
[ "$1" = off ] || recorded --outcome UNAUTHORIZED
