# shellcheck shell=bash
# For the scripts that start a server: `start LOG COMMAND…` waits until it listens, puts its address
# into $url, and has it stopped when the script ends, however it ends.
target="${CARGO_TARGET_DIR:-target}/debug"
server=""
url=""
started=()

# Builds programs: `build mcp-client mcp-server`. A person sees the build, because the first one takes
# minutes. By --bin and not by --package, so that the features, and with
# them all that is shared, are those of `make run`.
build() {
  local program how=(--features "${features:-}")
  for program in "$@"; do how+=(--bin "$program"); done
  [ -t 2 ] || how+=(--quiet)
  cargo build "${how[@]}"
}

random() {
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

stop_all() {
  [ "${#started[@]}" = 0 ] || kill "${started[@]}" 2> /dev/null || true
  wait 2> /dev/null || true
  started=()
}
trap stop_all EXIT
trap 'exit 129' HUP INT TERM

start() {
  local log="$1"
  shift
  : > "$log"
  "$@" 2> "$log" < /dev/null &
  server=$!
  started+=("$server")
  url=""
  # The server says when it listens, or why it doesn't.
  for _ in $(seq 150); do
    url=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' "$log" | head -n 1)
    [ -z "$url" ] || return 0
    kill -0 "$server" 2> /dev/null || break
    sleep 0.1
  done
  tail -n 1 "$log" >&2
  return 1
}
