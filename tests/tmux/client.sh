#!/usr/bin/env bash
# Drives the chat in a real terminal (tmux) against the scripted server: approve, refuse, cancel,
# throttle, restart of the server, two chats, a clean terminal at the end and after a panic.
#   tests/tmux/client.sh            (needs tmux; builds what it runs)
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build $([ -t 2 ] || echo --quiet) -p mcp-client --bins --examples
bin=${CARGO_TARGET_DIR:-target}/debug
session="mcp-client-$$"
state=$(mktemp -d)
port=$((20000 + RANDOM % 20000))
server=

finish() {
  tmux kill-session -t "$session" 2>/dev/null || true
  [ -n "$server" ] && kill "$server" 2>/dev/null || true
  rm -rf "$state"
}
trap finish EXIT

start_server() {
  "$bin/examples/scripted-server" "$port" >"$state/server.log" 2>&1 &
  server=$!
}

screen() { tmux capture-pane -pt "$session"; }

# Waits until the screen shows a text; time is bounded, nothing is slept for its own sake.
see() {
  for _ in $(seq 1 200); do
    if screen | grep -qF -- "$1"; then echo "ok   $1"; return; fi
    sleep 0.05
  done
  echo "MISS $1"; screen; exit 1
}

not_see() {
  if screen | grep -qF -- "$1"; then echo "MISS (should be gone) $1"; screen; exit 1; fi
  echo "ok   gone: $1"
}

keys() { tmux send-keys -t "$session" "$@"; }

start_server
tmux new-session -d -s "$session" -x 100 -y 30 \
  "env MCP_SERVER_URL=http://127.0.0.1:$port/mcp XDG_STATE_HOME=$state $bin/mcp-client; echo left with \$?; stty -a | tr ' ;' '\n\n' | grep -x -e icanon -e -icanon; exec sleep 600"

# Sent while it still connects, a message waits for the connection.
see "Enter sends"
keys "echo good morning" Enter
see "Approve?"
# The guard against answering while typing: wait until it is over.
sleep 0.6
keys y Enter
see "The tool said: good morning"

keys "echo secret" Enter
see "Approve?"
sleep 0.6
keys n Enter
see "refused by you"

keys "endless" Enter
see "more more"
keys Escape
see "cut here: stopped by you"
see "Enter sends"

keys "throttle" Enter
see "Wait 4 s and send it again."

# A second chat knows nothing of the first; Tab goes back.
keys C-n
see "(2/2)"
not_see "Wait 4 s"
keys "hello two" Enter
see "You said: hello two"
keys Tab
see "(1/2)"
not_see "hello two"

# The server restarts: it is found again, and nothing is repeated.
kill "$server"; wait "$server" 2>/dev/null || true
keys "are you there" Enter
see "can't reach the server"
see "away"
start_server
see "no key"
keys "are you back" Enter
see "You said: are you back"

keys F2
see "Wire"
see "tools/call"
keys Escape

keys C-d
see "left with 0"
see "icanon"
tmux kill-session -t "$session"

# Ctrl-Z gives the terminal back to the shell, and fg comes back to the same screen and the same keys.
tmux new-session -d -s "$session" -x 100 -y 30 \
  "env PS1='shell> ' MCP_SERVER_URL=http://127.0.0.1:$port/mcp XDG_STATE_HOME=$state bash --norc --noprofile -i"
see "shell>"
keys "$bin/mcp-client" Enter
see "Enter sends"
keys "hello" Enter
see "You said: hello"
keys "half a line"
see "half a line"
keys C-z
see "Stopped"
not_see "You said: hello"
keys "stty -a | grep -o ' icanon'" Enter
see " icanon"
keys "fg" Enter
see "You said: hello"
see "half a line"
keys C-u
# Stopped by somebody else, it comes back as well.
kill -TSTP "$(pgrep -P "$(tmux display-message -p -t "$session" '#{pane_pid}')")"
see "Stopped"
keys "fg" Enter
see "Enter sends"
keys "still here" Enter
see "You said: still here"
keys C-d
see "shell>"
tmux kill-session -t "$session"

tmux new-session -d -s "$session" -x 80 -y 24 \
  "$bin/examples/terminal-panic 2>&1; echo left; stty -a | tr ' ;' '\n\n' | grep -x -e icanon -e -icanon; exec sleep 600"
see "on purpose"
see "left"
see "icanon"
not_see "-icanon"
echo "all good"
