#!/usr/bin/env bash
# Records the screen that README.md shows: the real program in a terminal of 80×24, asked to echo
# something, with the real server and its tutor. Needs tmux and `cargo build --workspace --bins`.
#   tests/tmux/record-screen.sh            prints the screen
#   tests/tmux/record-screen.sh --check    says whether README.md and chat.svg show exactly that
#   tests/tmux/record-screen.sh --picture  goes on to the answer and the wire, and draws 3-client/chat.svg
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v tmux > /dev/null || { echo "record-screen: tmux is missing; install it (on Debian: apt install tmux)" >&2; exit 2; }
target="${CARGO_TARGET_DIR:-target}/debug"
work=$(mktemp -d)
server=""
tmux() { command tmux -L "learn-mcp-screen-$$" -f /dev/null "$@"; }
cleanup() {
  tmux kill-server 2> /dev/null || true
  [ -z "$server" ] || kill "$server" 2> /dev/null || true
  rm -rf "$work" 2> /dev/null || { sleep 0.5; rm -rf "$work"; } # the chat may be saving still
}
trap cleanup EXIT

# Waits, with an end: until a command prints something.
until_said() { # seconds command...
  local end=$((SECONDS + $1)) said
  while [ $SECONDS -lt $end ]; do
    said=$("${@:2}" || true)
    [ -z "$said" ] || { echo "$said"; return; }
    sleep 0.05
  done
  echo "record-screen: nothing came of: ${*:2}" >&2
  tmux capture-pane -t main -p >&2 || cat "$work/log" >&2
  exit 1
}
on_screen() { tmux capture-pane -t main -p | grep -F -- "$1"; }

: > "$work/log"
OLLAMA_HOST=127.0.0.1:9 MCP_SERVER__PORT=0 "$target/mcp-server" --transport sse 2> "$work/log" &
server=$!
url=$(until_said 20 sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' "$work/log")
tmux new-session -d -s main -x 80 -y 24 \
  "env -u MCP_CLIENT_KEY XDG_STATE_HOME=$work MCP_SERVER_URL=$url $target/mcp-client"
until_said 20 on_screen "tutor (no language model)" > /dev/null
tmux send-keys -t main -l "echo good morning"
tmux send-keys -t main Enter
until_said 20 on_screen "waiting for you" > /dev/null
# As it is printed in the README: no spaces at the end of a line, no empty lines in a row.
screen=$(tmux capture-pane -t main -p | sed 's/ *$//' | cat -s)

if [ "${1:-}" = --picture ]; then
  keep() { tmux capture-pane -t main -p -e > "$work/$1"; }
  keep ask
  sleep 1 # what is typed the moment a question appears was meant for the message
  tmux send-keys -t main -l y
  sleep 0.3
  on_screen "Approve?" > /dev/null && tmux send-keys -t main Enter
  until_said 20 on_screen "answered:" > /dev/null
  sleep 0.5 # the answer's last frame
  keep answer
  tmux send-keys -t main F2
  until_said 20 on_screen "§" > /dev/null
  sleep 0.5 # the last messages of the connection
  for _ in $(seq 12); do
    on_screen "server/tools#calling-tools" > /dev/null && break
    tmux send-keys -t main Up
    sleep 0.1
  done
  keep wire
  python3 tests/tmux/picture.py "$work/ask" "$work/answer" "$work/wire" > 3-client/chat.svg
  echo "3-client/chat.svg is drawn"
elif [ "${1:-}" != --check ]; then
  echo "$screen"
elif [[ "$(cat 3-client/README.md)" == *"$screen"* ]]; then
  echo "ok    3-client/README.md shows the screen that the program draws"
  # The picture's first screen is the same one: its words, without what places and colours them.
  drawn=$(sed -n '/<g class="screen">/,/<\/g>/p' 3-client/chat.svg | sed 's/<[^>]*>//g; s/&quot;/"/g; s/&gt;/>/g; s/\xc2\xa0//g' | tr -d ' \n')
  if [ "$drawn" = "$(tr -d ' \n' <<< "$screen")" ]; then
    echo "ok    3-client/chat.svg begins with it"
  else
    echo "FAILED 3-client/chat.svg begins with another screen; make picture draws it again"
    exit 1
  fi
else
  printf 'FAILED 3-client/README.md shows another screen than this:\n%s\n' "$screen"
  exit 1
fi
