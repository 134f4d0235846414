#!/usr/bin/env bash
# The exercises: shows how far the learner is, or proves that they work.
#
#   scripts/exercises.sh          lists them, and shows what the next one says
#                                 STEP=2 only that step, EX=b3 that one, HINT=1 with a hint (2 and 3
#                                 say more), WATCH=1 again whenever an exercise is saved
#   scripts/exercises.sh prove    each fails while it is open, with words that teach, and each passes
#                                 with its solution; anything else is an error
#
# The list ends with 0 whether or not everything is solved, and with 1 only when it can't be made:
# an open exercise is no error.
set -euo pipefail
cd "$(dirname "$0")/.."

mode="${1:-list}"
cargo="${CARGO:-cargo}"
patience="${PATIENCE:-60}" # seconds for one exercise
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bold="" green="" blue="" dim="" plain=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' green=$'\e[32m' blue=$'\e[36m' dim=$'\e[2m' plain=$'\e[0m'
fi

# What each step is called, and the package that its exercises belong to.
steps="1-llm:mcp-llm:the language model
2-server:mcp-server:the server
3-client:mcp-client:the client"

# The exercises' files, in order; with a step's folder, only that step's.
files() {
  local folder
  for folder in ${1:-1-llm 2-server 3-client}; do
    ls "$folder"/exercises/[a-z][0-9]_*.rs
  done
}

name() { # 1-llm/exercises/a1_line_in_pieces.rs → a1
  basename "$1" | sed 's/_.*//'
}

title() {
  sed -n '1s|^//! # [a-z][0-9]* · ||p' "$1"
}

# One hint of an exercise. There are three: where to look, what to do, and with which words.
#   hint FILE 1|2|3
hint() {
  awk -v key="$(name "$1").$2 " '
    index($0, key) == 1 { found = 1; print substr($0, length(key) + 1); next }
    found && /^ / { print; next }
    { found = 0 }
  ' "$(dirname "$1")/hints.txt"
}

# Runs a program, but not for longer than so many seconds; macOS has no `timeout`.
within() {
  local seconds="$1" pid code=0 since=$SECONDS
  shift
  "$@" &
  pid=$!
  while kill -0 "$pid" 2> /dev/null; do
    [ $((SECONDS - since)) -le "$seconds" ] || kill "$pid" 2> /dev/null || true
    sleep 0.01
  done
  wait "$pid" 2> /dev/null || code=$?
  return "$code"
}

# A sign of life while cargo builds, for a person.
progress() {
  if [ -t 2 ]; then
    sed -n '/^ *Compiling/{s/^ *//; s/ (.*//; p;}' >&2
  else
    cat > /dev/null
  fi
}

# Builds a package's exercises, or one of them, and runs each. Leaves for each a file with its state
# (ok, FAILED, or broken when it doesn't compile) and one with what it said.
#   run PACKAGE [NAME]
run() {
  local target program state
  "$cargo" test --package "$1" --test "${2:-?[0-9]}" --no-run --no-fail-fast \
    --message-format json-render-diagnostics 2>&1 > "$work/built" | tee "$work/err" | progress || true
  if grep -q '^warning: `.*(test "' "$work/err"; then
    cat "$work/err" >&2
    warned=1
  fi
  for target in $(sed -n 's/^error: could not compile .* (test "\([a-z][0-9]\)").*/\1/p' "$work/err"); do
    echo broken > "$work/$target.state"
  done
  sed -n 's/.*"name":"\([a-z][0-9]\)".*"executable":"\([^"]*\)".*/\1 \2/p' "$work/built" > "$work/programs"
  while read -r target program; do
    state=ok
    RUST_BACKTRACE=0 within "$patience" "$program" > "$work/$target.words" 2>&1 || state=FAILED
    echo "$state" > "$work/$target.state"
  done < "$work/programs"
  if ! ls "$work"/*.state > /dev/null 2>&1; then
    cat "$work/err" >&2
    echo >&2
    echo "The exercises can't be built: fix what the compiler says above, then try again." >&2
    return 1
  fi
}

state() {
  cat "$work/$(name "$1").state" 2> /dev/null || echo none
}

# What the test said, without where and how.
words() {
  local said="$work/$(name "$1").words"
  if grep -q 'panicked at' "$said" 2> /dev/null; then
    sed -n '/panicked at/,/^note: run with/p' "$said" | sed '1d; /^note: run with/d; /^$/d' |
      sed 's/^assertion `left [=!]= right` failed: //'
  else
    echo "it didn't end within $patience seconds: is there a loop, or a wait, that never ends?"
  fi
}

# One labelled paragraph, wrapped.
paragraph() {
  local label="$1" line
  fold -s -w 84 | while IFS= read -r line || [ -n "$line" ]; do
    printf '  %s%-9s%s %s\n' "$dim" "$label" "$plain" "${line% }"
    label=""
  done
}

# Everything about one exercise.
show() {
  local file="$1" said grade="${HINT:-0}"
  echo "$bold$(name "$file") · $(title "$file")$plain"
  if [ "$(state "$file")" = ok ]; then
    echo "solved: compare yours with $(dirname "$file")/solutions/$(basename "$file")" | paragraph "done"
    return
  fi
  echo "$file" | paragraph "open"
  if [ "$(state "$file")" = broken ]; then
    echo "it doesn't compile yet; the compiler says:" | paragraph "it says"
    "$cargo" test --quiet --package "$(package_of "$file")" --test "$(name "$file")" --no-run 2>&1 |
      sed '/^error: could not compile/,$d' | sed 's/^/            /' || true
  else
    said=$(words "$file")
    echo "$said" | grep -v '^ *\(left\|right\): ' | paragraph "it says" || true
    # After "left != right" both are the same, and tell nothing.
    if ! grep -q 'left != right' "$work/$(name "$file").words"; then
      echo "$said" | sed -n 's/^ *left: //p' | cut -c 1-400 | paragraph "came"
      echo "$said" | sed -n 's/^ *right: //p' | cut -c 1-400 | paragraph "wanted"
    fi
  fi
  case "$grade" in [0-3]) ;; *) grade=3 ;; esac
  [ "$grade" = 0 ] || hint "$file" "$grade" | tr '\n' ' ' | tr -s ' ' | paragraph "hint $grade"
  if [ "$grade" = 3 ]; then
    echo "$(dirname "$file")/solutions/$(basename "$file")" | paragraph "solution"
  else
    echo "make exercises EX=$(name "$file") HINT=$((grade + 1))" | paragraph "hint"
  fi
}

package_of() {
  echo "$steps" | sed -n "s/^${1%%/*}:\([^:]*\):.*/\1/p"
}

list() {
  local folder package what file next="" solved=0 all=0 only="" mark
  if [ -n "${EX:-}" ]; then
    file=$(files | grep "/${EX%%_*}_" || true)
    [ -n "$file" ] || { echo "there is no exercise ${EX}: make exercises lists them" >&2; return 1; }
  elif [ -n "${STEP:-}" ]; then
    only=$(echo "$steps" | sed -n "s/^\(${STEP%%-*}-[a-z]*\):.*/\1/p")
    [ -n "$only" ] || { echo "there is no step ${STEP} with exercises: 1, 2 or 3" >&2; return 1; }
  fi
  [ ! -t 2 ] || echo "${dim}building and running; the first time takes up to a minute for each step$plain" >&2
  rm -f "$work"/*.state
  if [ -n "${EX:-}" ]; then
    run "$(package_of "$file")" "$(name "$file")" || return 1
    show "$file"
    return
  fi
  # Step by step also where all are asked for: building them at once would unite the features of the
  # three packages, and build everything once more for whoever asks for one of them afterwards.
  for package in $(echo "$steps" | sed -n "s/^${only:-[^:]*}:\([^:]*\):.*/\1/p"); do
    run "$package" || return 1
  done
  while IFS=: read -r folder package what; do
    [ -z "$only" ] || [ "$only" = "$folder" ] || continue
    echo "${bold}Step ${folder%%-*}: $what$plain"
    for file in $(files "$folder"); do
      all=$((all + 1))
      mark=""
      [ "$(state "$file")" != broken ] || mark="  ${dim}(doesn't compile yet)$plain"
      if [ "$(state "$file")" = ok ]; then
        solved=$((solved + 1))
        echo "  $green✓$plain $(name "$file")  $(title "$file")"
      elif [ -z "$next" ]; then
        next="$file"
        echo "  $blue▶$plain $(name "$file")  $bold$(title "$file")$plain$mark"
      else
        echo "  $dim·$plain $(name "$file")  $(title "$file")$mark"
      fi
    done
    echo
  done <<< "$steps"
  echo "$solved of $all solved: ✓ done, ▶ next, · open"
  echo
  if [ -n "$next" ]; then
    show "$next"
  else
    echo "All of these are solved. Compare yours with the files in solutions/."
  fi
}

# The list again, whenever an exercise is saved.
watch() {
  while :; do
    touch "$work/since"
    [ ! -t 1 ] || printf '\e[H\e[2J\e[3J'
    list || true
    echo
    echo "${dim}waiting for the next save; Ctrl-C ends this$plain"
    until [ -n "$(find ./*/exercises -name '*.rs' -newer "$work/since" 2> /dev/null)" ]; do sleep 0.3; done
  done
}

# Whether somebody works on this file here: solved or not, it is theirs then. Never so in CI.
is_changed() {
  local code=0
  [ -z "${CI:-}" ] || return 1
  git diff --quiet HEAD -- "$1" 2> /dev/null || code=$?
  [ "$code" = 1 ]
}

wrong=0 warned=0
fault() {
  echo "$1: $2" >&2
  wrong=1
}

prove() {
  local file folder package grade name said count=0 mine=0
  for package in $(echo "$steps" | cut -d : -f 2); do
    run "$package"
  done
  for file in $(files); do
    count=$((count + 1))
    folder=$(dirname "$file") name=$(basename "$file" .rs)
    [ -n "$(title "$file")" ] || fault "$file" "the first line is no title"
    for grade in 1 2 3; do
      [ -n "$(hint "$file" "$grade")" ] || fault "$file" "hints.txt has no $(name "$file").$grade"
    done
    grep -q "\"$name.rs\"" "$folder/solutions/main.rs" && grep -q "\"../$name.rs\"" "$folder/solutions/main.rs" ||
      fault "$file" "solutions/main.rs doesn't test its solution"
    grep -q "$name.rs" "$folder/README.md" || fault "$file" "the README doesn't list it"
    if is_changed "$file"; then
      mine=$((mine + 1))
      continue
    fi
    if [ "$(state "$file")" != FAILED ]; then
      fault "$file" "it should fail while it is open, and its state is: $(state "$file")"
      continue
    fi
    grep -q "panicked at $file:" "$work/$(name "$file").words" || fault "$file" "it fails outside of its own test"
    said=$(words "$file" | head -n 1)
    if [ "$(echo "$said" | wc -w)" -lt 8 ] ||
      echo "$said" | grep -q 'called `\|not yet implemented\|not implemented\|attempt to\|out of bounds'; then
      fault "$file" "it should fail with words that teach, and says: $said"
    fi
  done
  for package in $(echo "$steps" | cut -d : -f 2); do
    RUST_BACKTRACE=0 "$cargo" test --quiet --package "$package" --test solutions --no-fail-fast \
      > "$work/out" 2> "$work/err" || fault "$package" "not every solution passes: $(cat "$work/err" "$work/out")"
    ! grep -q '^warning: `.*(test "' "$work/err" || { cat "$work/err" >&2; warned=1; }
  done
  [ "$warned" = 0 ] || fault "the compiler" "it warns of the exercises, see above; a learner would see that first"
  [ "$wrong" = 0 ] || return 1
  echo "$count exercises: each fails while it is open, with words of its own, and passes with its solution"
  [ "$mine" = 0 ] || echo "$mine of them are changed here and were not asked to fail"
}

case "$mode" in
  list) if [ -n "${WATCH:-}" ]; then watch; else list; fi ;;
  prove) prove ;;
  *) echo "usage: scripts/exercises.sh [prove]" >&2; exit 2 ;;
esac
