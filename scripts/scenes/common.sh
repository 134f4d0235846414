# shellcheck shell=bash
# What the scenes share: programs, a folder that is gone at the end, and a server over HTTP.
. scripts/lab-server.sh

build mcp-client mcp-server

folder="$(mktemp -d)"
trap 'stop_all; rm -rf "$folder"' EXIT
keys="$folder/keys.toml"
record="$folder/audit.jsonl"
# Whatever this shell has set for a server of its own stays out.
for name in $(compgen -e MCP_); do unset "$name"; done
export NO_COLOR=1

# The product, on a free port, with everything in that folder. Settings may be put on top.
serve() {
  start "$folder/log" "${around[@]}" env MCP_SERVER__MODE=prod MCP_SERVER__PORT=0 MCP_LLM__PROVIDER=tutor \
    MCP_AUTH__KEYS_FILE="$keys" MCP_AUDIT__STDERR=false MCP_AUDIT__FILE="$record" "$@" \
    "$target/mcp-server" --transport sse
}
# What the server is started by, where a scene needs that.
around=(env)

# A new key; it is shown once, and that is to this script.
add_key() {
  "$target/mcp-server" keys add "$@" --file "$keys" 2> /dev/null
}

# A call with a key, and its answer, whatever comes of it.
call() {
  local key="$1"
  shift
  MCP_CLIENT_KEY="$key" "$target/mcp-client" --server "$url" call "$@" 2>&1 || true
}

# One step of the story: what is done, and what came of it.
tell() {
  echo "$1"
  fold -s -w 76 <<< "$2" | sed 's/^/    /; s/ *$//'
}

# The last line of the record that `audit query` finds with these filters, as soon as it is there.
recorded() {
  local line=""
  for _ in $(seq 40); do
    line=$("$target/mcp-server" audit query "$record" "$@" 2> /dev/null | tail -n 1)
    [ -z "$line" ] || break
    sleep 0.05
  done
  # How long it took is left out: that is another number each time.
  tell "the record:" "$(sed -E 's/ +[0-9.]+ ms//; s/ +/ /g' <<< "$line")"
}
