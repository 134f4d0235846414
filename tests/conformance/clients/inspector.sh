#!/usr/bin/env bash
# One case of the Inspector's command line against a server; the arguments are those of python.py.
#   INSPECTOR=… MCP_CLIENT_KEY=… inspector.sh TRANSPORT ERA HEADER EXPECT URL
# (ERA legacy, auto or modern; a URL that ends in /sse takes the old transport)
set -uo pipefail
transport=$1 era=$2 header=$3 expect=$4 url=$5
home="$(mktemp -d)"
trap 'rm -rf "$home"' EXIT
case $header in
  bearer) key=(--header "Authorization: Bearer $MCP_CLIENT_KEY") ;;
  x-api-key) key=(--header "X-API-Key: $MCP_CLIENT_KEY") ;;
  *) key=() ;;
esac
# What it stores of one case must not reach the next.
ask() {
  HOME="$home" timeout 60 "$INSPECTOR" --cli "$url" ${key[@]+"${key[@]}"} --protocol-era "$era" \
    --stored-auth-only --format json --quiet "$@" 2>&1
}
problem=""
works() {
  local said
  # Strict: the schemas of the tools are checked too.
  said="$(ask --method tools/list --strict)" && grep -q '"echo"' <<<"$said" || { problem="list: $said"; return 1; }
  said="$(ask --method tools/call --tool-name echo --tool-args-json '{"message":"grüß dich"}')" \
    && grep -q 'grüß dich' <<<"$said" || { problem="call: $said"; return 1; }
  said="$(ask --method resources/read --uri config://server)" && grep -q 'mode' <<<"$said" \
    || { problem="read: $said"; return 1; }
}
good=no
if works; then
  problem="it works"
  [ "$expect" = works ] && good=yes
elif [ "$expect" = 401 ] && grep -qE '401|auth_required' <<<"$problem"; then
  good=yes
elif [ "$expect" = 403 ] && grep -q 'resources:config:read' <<<"$problem"; then
  good=yes
fi
[ $good = yes ] && verdict=ok || verdict=FAIL
echo "$verdict inspector $transport $era $header $expect: $(tr -s '[:space:]' ' ' <<<"$problem" | cut -c1-200)"
