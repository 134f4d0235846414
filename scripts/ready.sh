#!/usr/bin/env bash
# Whether this machine is ready for a step of the learning path: says what is missing, and exactly
# what to do about it. Nothing is installed or changed.
#   scripts/ready.sh 0|1|2|3|4
# Exit codes: 0 ready (notes may remain), 1 something is missing, 2 wrong usage.
set -uo pipefail
cd "$(dirname "$0")/.."

step="${1:-}"
case "$step" in
  0 | 1 | 2 | 3 | 4) ;;
  *)
    echo "usage: scripts/ready.sh 0|1|2|3|4" >&2
    exit 2
    ;;
esac
missing=0

ok() { printf 'ok       %s\n' "$*"; }
note() {
  printf 'note     %s\n' "$1"
  shift
  printf '         %s\n' "$@"
}
lack() {
  printf 'missing  %s\n' "$1"
  printf '      do %s\n' "$2"
  [ "$#" -lt 3 ] || printf '      or %s\n' "${@:3}"
  missing=1
}

# Runs a command, but not for longer than so many seconds; macOS has no `timeout`.
within() {
  local seconds="$1" pid watch code
  shift
  "$@" &
  pid=$!
  (sleep "$seconds" && kill "$pid") > /dev/null 2>&1 &
  watch=$!
  wait "$pid" 2> /dev/null
  code=$?
  kill "$watch" 2> /dev/null
  wait "$watch" 2> /dev/null
  return "$code"
}

# Whether something answers at this host and port, and what it says to a GET. Bash alone, because a
# fresh machine may have no curl.
opens() {
  within 3 bash -c 'exec 3<> "/dev/tcp/$1/$2"' bash "$1" "$2" 2> /dev/null
}
get() {
  # shellcheck disable=SC2016
  within 5 bash -c 'exec 3<> "/dev/tcp/$1/$2" && printf "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" "$3" "$1:$2" >&3 && cat <&3' \
    bash "$1" "$2" "$3" 2> /dev/null
}

rust() {
  local needed found
  needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
  if ! command -v cargo > /dev/null; then
    lack "Rust" "install it from https://rustup.rs, then open a new terminal"
    return
  fi
  found=$(cargo --version 2> /dev/null | sed -n 's/^cargo \([0-9][0-9.]*\).*/\1/p')
  if [ -z "$found" ]; then
    lack "cargo is there, but doesn't run" "rustup default stable"
  elif ! awk -v a="$found" -v b="$needed" 'BEGIN {
      split(a, x, "."); split(b, y, "."); exit !(x[1] > y[1] || (x[1] == y[1] && x[2] >= y[2])) }'; then
    lack "Rust $needed or newer; this is $found" "rustup update stable" \
      "where Rust came with the system: install it from https://rustup.rs instead"
  else
    ok "Rust $found"
  fi
  if command -v cc > /dev/null; then
    ok "a C compiler, which Rust links with"
  else
    lack "a C compiler (cc), which Rust links with" \
      "Debian, Ubuntu: sudo apt-get install build-essential" \
      "Fedora: sudo dnf install gcc · macOS: xcode-select --install"
  fi
}

# What the program is built from: on this machine already, or to be fetched once.
sources() {
  command -v cargo > /dev/null || return 0
  if cargo metadata --offline --locked --format-version 1 > /dev/null 2>&1; then
    ok "the sources are on this machine; no network is needed"
  elif within "${READY_FETCH_SECONDS:-300}" cargo fetch --locked > /dev/null 2>&1; then
    ok "the sources were fetched; from now on no network is needed"
  else
    lack "network: the sources have to be fetched once, and can't be" \
      "connect this machine, or set https_proxy if it sits behind a proxy, then: cargo fetch --locked"
  fi
}

# A step whose first command builds silently for minutes looks as if it hung.
built() {
  [ -x "${CARGO_TARGET_DIR:-target}/debug/mcp-server" ] ||
    note "nothing is built yet, which takes 2 to 5 minutes and 1.3 GB" \
      "build where you can watch it: cargo build --workspace --bins"
}

look_for_ollama() {
  local host="${OLLAMA_HOST:-127.0.0.1:11434}" port said
  case "$host" in
    https://*)
      note "Ollama at $host isn't looked at here" "cargo run -q --bin mcp-llm -- doctor"
      return
      ;;
  esac
  host="${host#http://}"
  host="${host%%/*}"
  port="${host##*:}"
  [ "$port" != "$host" ] || port=11434
  host="${host%:*}"
  # An address to listen on isn't one to call.
  case "$host" in "" | 0.0.0.0) host=127.0.0.1 ;; esac
  if ! opens "$host" "$port"; then
    if command -v ollama > /dev/null; then
      note "Ollama is installed but isn't answering at $host:$port; the built-in tutor answers instead" \
        "to have it: ollama serve"
    else
      note "no Ollama at $host:$port; the built-in tutor answers instead" \
        "to have a real model: install it from https://ollama.com/download, then: ollama serve"
    fi
    return
  fi
  said=$(get "$host" "$port" /api/tags)
  case "$said" in
    *'"name"'*) ok "Ollama at $host:$port, with a model" ;;
    *'"models"'*)
      note "Ollama answers at $host:$port and has no model" \
        "fetch one that can call tools (2 GB): cargo run -q --bin mcp-llm -- pull llama3.2" \
        "or use the tutor: export MCP_LLM__PROVIDER=tutor"
      ;;
    *)
      note "something that isn't Ollama answers at $host:$port" \
        "set OLLAMA_HOST to where Ollama is, or use the tutor: export MCP_LLM__PROVIDER=tutor"
      ;;
  esac
}

# The server's port: free, or one of our servers is there already.
port() {
  local port="${MCP_SERVER__PORT:-}"
  [ -n "$port" ] || port=$(sed -n 's/^port = \([0-9]*\).*/\1/p' "${CONFIG:-config/server.toml}" 2> /dev/null | head -n 1)
  port="${port:-8080}"
  if [ "$port" = 0 ] || ! opens 127.0.0.1 "$port"; then
    ok "port $port is free for the server"
  elif get 127.0.0.1 "$port" /healthz | head -n 1 | grep -q ' 200'; then
    note "a server is running on port $port already" "use it: make run-client" \
      "or stop it first, or take another port: export MCP_SERVER__PORT=$((port + 1))"
  else
    lack "port $port, which something else has taken" "take another: export MCP_SERVER__PORT=$((port + 1))" \
      "see what it is, and stop it: lsof -i :$port"
  fi
}

tool() {
  if command -v "$1" > /dev/null; then ok "$2"; else note "no $1: $2 can't be run here" "$3"; fi
}

terminal() {
  if [ "${TERM:-dumb}" = dumb ]; then
    note "this terminal can't show the chat's screen" "chat line by line: cargo run -q --bin mcp-client -- --plain"
  else
    ok "a terminal that can show the chat's screen"
  fi
}

rust
sources
[ "$step" = 0 ] || built
case "$step" in
  1) look_for_ollama ;;
  2)
    port
    if command -v curl > /dev/null; then
      ok "curl, which sends this step's first requests"
    else
      lack "curl, which sends this step's first requests" \
        "Debian, Ubuntu: sudo apt-get install curl" "Fedora: sudo dnf install curl · macOS has it"
    fi
    ;;
  0 | 3)
    port
    terminal
    look_for_ollama
    ;;
  4)
    tool tmux "the conversation in a real terminal (make e2e)" "install tmux; all other tests run without it"
    tool node "the comparisons with other implementations (make conformance, interop, oracles)" \
      "install Node.js 20 or newer; all other tests run without it"
    ;;
esac

if [ "$missing" = 0 ]; then
  echo "Ready for step $step."
else
  echo "Not ready for step $step: do what the lines marked \"do\" say, then run make ready-$step again" >&2
fi
exit "$missing"
