#!/usr/bin/env bash
# The whole conversation as a person has it: `make run` in a real terminal of 80×24, driven key by
# key. First with the tutor, then with a fake Ollama, then with a server that is stopped, started and
# limited in between. Prints what holds and what doesn't.
set -uo pipefail
cd "$(dirname "$0")/../.."

command -v tmux > /dev/null || { echo "e2e: tmux is missing; install it (on Debian: apt install tmux)" >&2; exit 2; }
target="${CARGO_TARGET_DIR:-target}/debug"
work=$(mktemp -d)
passed=0 failed=0 round=0 fake="" server=""
tmux() { command tmux -L "learn-mcp-$$-$round" -f /dev/null "$@"; }
cleanup() {
  tmux kill-server 2> /dev/null
  for child in $fake $server; do kill "$child" 2> /dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT

ok() { passed=$((passed + 1)); echo "ok    $1"; }
bad() {
  failed=$((failed + 1))
  echo "FAILED $1"
  screen | grep . | sed 's/^/    | /'
}
screen() { tmux capture-pane -t main -p 2> /dev/null; }
sees() { # what within-seconds
  local end=$((SECONDS + ${2:-15}))
  until screen | grep -qF -- "$1"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}
expect() { if sees "$2" "${3:-15}"; then ok "$1"; else bad "$1 (no \"$2\" on the screen)"; fi; }
holds() { if "${@:2}"; then ok "$1"; else bad "$1"; fi; }
# A letter chooses and Enter carries out; for a moment after the last key of a message, neither does,
# so that what somebody was typing can't approve a call. A person reads first; so does this.
decide() { sleep 1; tmux send-keys -t main "$1" Enter; }
# The bottom line says when nothing runs any more.
idle() { sees "Enter sends"; }
type_in() { tmux send-keys -t main -l "$1"; tmux send-keys -t main Enter; }
port_is_free() { ! (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }
# By the file that runs: another checkout's programs are called the same.
running() {
  [ -e /proc/self/exe ] || { pgrep -f "$target/mcp-(server|client)( |\$)" > /dev/null; return; }
  for pid in $(pgrep -f 'mcp-(server|client)'); do
    case "$(readlink "/proc/$pid/exe")" in
      "$(realpath "$target")"/mcp-server* | "$(realpath "$target")"/mcp-client*) return 0 ;;
    esac
  done
  return 1
}
nothing_runs() {
  local end=$((SECONDS + 10))
  while running; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start() { # environment...
  # A name of its own for each server: one that is still ending can't be in the way.
  tmux kill-server 2> /dev/null
  round=$((round + 1))
  port=$(free_port)
  terminal "env -u MCP_SERVER_URL -u MCP_CLIENT_KEY MCP_SERVER__PORT=$port $* make --no-print-directory run"
}
terminal() { # command
  tmux new-session -d -s main -x 80 -y 24 "export XDG_STATE_HOME=$work/state XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data; $1; echo \"the end: \$?\"; stty -a | grep -o ' icanon'; exec sleep 60"
}
fake_ollama() { # options...
  "$target/examples/fake-ollama" --port 0 "$@" > "$work/fake" 2> "$work/fake.err" &
  fake=$!
  for _ in $(seq 50); do grep -q LISTENING "$work/fake" && break; sleep 0.1; done
  url=$(sed -n 's/^LISTENING //p' "$work/fake")
}
# The server alone, always at the same port, so that it can come back.
serve() { # environment...
  env "$@" OLLAMA_HOST="$url" MCP_SERVER__PORT="$port" "$target/mcp-server" --config config/server.toml --transport sse > "$work/server.out" 2> "$work/server.log" &
  server=$!
  for _ in $(seq 100); do grep -q "listening on" "$work/server.log" && break; sleep 0.1; done
}
stop_serving() { kill "$server"; wait "$server" 2> /dev/null; server=""; }
# Told to stop, a server lets answers end. This one is just gone.
crash() { kill -9 "$server"; wait "$server" 2> /dev/null; server=""; }
recorded() { # outcome within-seconds
  local end=$((SECONDS + ${2:-5}))
  until grep -q "\"target\":\"ollama-chat\".*\"outcome\":\"$1\"" "$work/server.log"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}
hides() { ! screen | grep -qF -- "$1"; }
calls() { grep -c '"method":"tools/call","target":"ollama-chat"' "$work/server.log"; }

echo "— with the tutor"
start OLLAMA_HOST=127.0.0.1:9
expect "the client connects and says who speaks" "tutor (no language model)" 60
type_in "What is a tool?"
expect "the tutor answers and cites its source" ".md, “Tool”"
type_in "what's the weather in Oslo?"
expect "a tool call is shown and asked for" "Approve?"
expect "with its full arguments" '"city": "Oslo"'
decide y
expect "the result, or the service's failure, is shown" "weather-get\` answered"
type_in "echo hello"
expect "another call is asked for" "Approve?"
decide n
expect "a call that is refused doesn't happen" "refused by you"
idle
tmux send-keys -t main C-c
expect "Ctrl-C ends it in order" "the end: 0"
expect "the terminal is as it was" " icanon"
holds "no process is left" nothing_runs
holds "the port is free again" port_is_free "$port"
records=$(grep -c '"outcome":"' .run/server.log)
holds "the record has a closing line for each request ($records)" test "$records" -ge 8

echo "— with a fake Ollama"
fake_ollama --mode normal
start OLLAMA_HOST="$url"
expect "the client says that Ollama speaks" "ollama" 60
type_in "Why is the sky blue?"
expect "the answer arrives with its closing line" "tok/s"
type_in "what's the weather in Oslo?"
expect "the model's tool call is asked for" "Approve?"
decide y
idle
expect "and its result goes back to the model" "weather-get"
tmux send-keys -t main C-c
expect "Ctrl-C ends it in order" "the end: 0"
holds "no process is left" nothing_runs

kill "$fake" 2> /dev/null

echo "— with a server that comes and goes"
fake_ollama --mode normal --pace-ms 200
tmux kill-server 2> /dev/null
round=$((round + 1))
port=$(free_port)
serve
terminal "MCP_SERVER_URL=http://127.0.0.1:$port/mcp $target/mcp-client"
expect "the client connects" "Enter sends" 60
tmux send-keys -t main -l "$(printf 'word %.0s' $(seq 600))to the end"
expect "a long text that comes at once is there to its end" "to the end"
tmux send-keys -t main C-u
type_in "Why is the sky blue?"
expect "a slow answer begins" "answering"
tmux send-keys -t main Escape
expect "Esc cuts it here" "cut here: stopped by you"
holds "and at the server, which records that it was cancelled" recorded CANCELLED

type_in "what's the weather in Oslo?"
expect "a call is asked for" "Approve?"
decide a
idle
tmux send-keys -t main C-n
expect "a second chat begins" "(2/2)"
holds "and shows nothing of the first" hides "weather-get"
type_in "what's the weather in Oslo?"
expect "what was always allowed in one chat is asked for in the other" "Approve?"
decide n
expect "and can be refused there" "refused by you"
idle

tmux send-keys -t main F2
sees "tools/call"
tmux send-keys -t main Up Up Up
expect "the wire shows the server's own record of a call" "server's record: SUCCESS"
tmux send-keys -t main Escape

type_in "Why is the sky blue?"
expect "another slow answer begins" "answering"
crash
expect "a server that goes away in the middle is said so, and the answer is cut" "cut here"
expect "and the header says it" "away"
serve MCP_LIMITS__BURST=8 MCP_LIMITS__PER_MINUTE=6
expect "the client finds it again by itself" "no key" 30
holds "and repeats no call" test "$(calls)" -eq 0
type_in "Why is the sky blue?"
expect "what is asked now is answered" "answering"
tmux send-keys -t main Escape
sees "Enter sends"
for _ in 1 2 3; do
  type_in "again"
  sees "throttled" 2 && break
  tmux send-keys -t main Escape
done
expect "a throttle counts down" "throttled: send again in"
holds "and is in the server's record" recorded THROTTLED
tmux send-keys -t main C-d
expect "Ctrl-D ends it in order" "the end: 0"
stop_serving
holds "no process is left" nothing_runs

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
