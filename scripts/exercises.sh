#!/usr/bin/env bash
# The exercises: shows how far the learner is, or proves that they work.
#
#   scripts/exercises.sh          lists them, and tells what the next one says
#                                 STEP=2 only that step, EX=b3 that one, HINT=1 with its hint
#   scripts/exercises.sh prove    each fails while it is open, with words that teach, and each passes
#                                 with its solution; anything else is an error
#
# The list ends with 0 whether or not everything is solved, and with 1 only when it can't be made:
# an open exercise is no error.
set -euo pipefail
cd "$(dirname "$0")/.."

mode="${1:-list}"
cargo="${CARGO:-cargo}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bold="" green="" blue="" dim="" plain=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' green=$'\e[32m' blue=$'\e[36m' dim=$'\e[2m' plain=$'\e[0m'
fi

# What each step is called, and the package that its exercises are.
steps="1-llm:exercises-llm:the language model
2-server:exercises-server:the server
3-client:exercises-client:the client"

# The exercises' files, in order; with a step's folder, only that step's.
files() {
  local folder
  for folder in ${1:-1-llm 2-server 3-client}; do
    ls "$folder"/exercises/[a-z][0-9]*_*.rs
  done
}

name() { # 1-llm/exercises/a1_line_in_pieces.rs → a1
  basename "$1" | sed 's/_.*//'
}

title() {
  sed -n '1s|^//! # [a-z][0-9]* · ||p' "$1"
}

hint() {
  sed -n '/^\/\/ Hint: /,$p' "$1" | sed 's|^// Hint: ||; s|^// *||'
}

# Runs the tests and leaves, for each exercise, a file with its state and one with its words.
#   run exercises|solutions [package]
run() {
  local which=--workspace
  [ -z "${2:-}" ] || which="--package $2"
  # shellcheck disable=SC2086 # the two words of --package NAME
  RUST_BACKTRACE=0 "$cargo" test --quiet $which --test exercises --features "$1" --no-fail-fast \
    -- --format pretty > "$work/out" 2> "$work/err" || true
  if ! grep -q '^test result:' "$work/out"; then
    cat "$work/err" >&2
    echo >&2
    echo "The exercises can't be built: mend what the compiler says above, then try again." >&2
    return 1
  fi
  if grep -q '^warning: `exercises-' "$work/err"; then
    cat "$work/err" >&2
    warned=1
  fi
  awk -v work="$work" '
    /^test [a-z][0-9]+_[a-z0-9_]*::.* \.\.\. (ok|FAILED)$/ {
      split($2, path, "::"); state = work "/" path[1] ".state"
      # One test that fails, and the exercise is open.
      if ($NF == "FAILED" || !(path[1] in seen)) { print $NF > state; close(state) }
      seen[path[1]] = 1
    }
    /^---- .* stdout ----$/ { split($2, path, "::"); words = work "/" path[1] ".words"; next }
    /^(failures:|test result:)/ { words = "" }
    words != "" && /^note: run with/ { close(words); words = ""; next }
    words != "" { print > words }
  ' "$work/out"
}

state() {
  cat "$work/$(basename "$1" .rs).state" 2> /dev/null || echo none
}

# What the test said, without where and how.
words() {
  sed -n '/panicked at/,$p' "$work/$(basename "$1" .rs).words" 2> /dev/null | sed '1d; /^$/d' |
    sed 's/^assertion `left [=!]= right` failed: //'
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
  local file="$1" said
  echo "$bold$(name "$file") · $(title "$file")$plain"
  if [ "$(state "$file")" = ok ]; then
    echo "solved: compare yours with $(dirname "$file")/solutions/$(basename "$file")" | paragraph "done"
    return
  else
    echo "$file" | paragraph "open"
    said=$(words "$file")
    echo "$said" | grep -v '^ *\(left\|right\): ' | paragraph "it says" || true
    # After "left != right" both are the same, and tell nothing.
    if ! grep -q 'left != right' "$work/$(basename "$file" .rs).words"; then
      echo "$said" | sed -n 's/^ *left: //p' | cut -c 1-400 | paragraph "came"
      echo "$said" | sed -n 's/^ *right: //p' | cut -c 1-400 | paragraph "wanted"
    fi
  fi
  if [ -n "${HINT:-}" ]; then
    hint "$file" | tr '\n' ' ' | paragraph "hint"
    echo "$(dirname "$file")/solutions/$(basename "$file")" | paragraph "solution"
  else
    echo "make exercises EX=$(name "$file") HINT=1" | paragraph "hint"
  fi
}

list() {
  local folder package what file next="" solved=0 all=0 only=""
  if [ -n "${EX:-}" ]; then
    file=$(files | grep "/${EX%%_*}_" || true)
    [ -n "$file" ] || { echo "there is no exercise ${EX}: make exercises lists them" >&2; return 1; }
    only=$(echo "$file" | cut -d / -f 1)
  elif [ -n "${STEP:-}" ]; then
    only=$(echo "$steps" | sed -n "s/^\(${STEP%%-*}-[a-z]*\):.*/\1/p")
    [ -n "$only" ] || { echo "there is no step ${STEP} with exercises: 1, 2 or 3" >&2; return 1; }
  fi
  [ ! -t 2 ] || echo "${dim}building and running; the first time takes a while$plain" >&2
  # Step by step also where all are asked for: `--workspace` unites the features of the three, which
  # would build everything once more for whoever asks for one of them afterwards.
  for package in $(echo "$steps" | sed -n "s/^${only:-[^:]*}:\([^:]*\):.*/\1/p"); do
    run exercises "$package"
  done
  if [ -n "${EX:-}" ]; then
    show "$file"
    return
  fi
  while IFS=: read -r folder package what; do
    [ -z "$only" ] || [ "$only" = "$folder" ] || continue
    echo "${bold}Step ${folder%%-*}: $what$plain"
    for file in $(files "$folder"); do
      all=$((all + 1))
      if [ "$(state "$file")" = ok ]; then
        solved=$((solved + 1))
        echo "  $green✓$plain $(name "$file")  $(title "$file")"
      elif [ -z "$next" ]; then
        next="$file"
        echo "  $blue▶$plain $(name "$file")  $bold$(title "$file")$plain"
      else
        echo "  $dim·$plain $(name "$file")  $(title "$file")"
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
  local file folder name said count=0 mine=0
  run exercises
  for file in $(files); do
    count=$((count + 1))
    folder=$(dirname "$file") name=$(basename "$file" .rs)
    [ -n "$(title "$file")" ] || fault "$file" "the first line is no title"
    [ "$(grep -c '^// Hint: ' "$file")" = 1 ] || fault "$file" "there must be one hint, at its end"
    [ -f "$folder/solutions/$name.rs" ] || fault "$file" "it has no solution"
    grep -q "$name.rs" "$folder/README.md" || fault "$file" "the README doesn't list it"
    if is_changed "$file"; then
      mine=$((mine + 1))
      continue
    fi
    if [ "$(state "$file")" != FAILED ]; then
      fault "$file" "it should fail while it is open, and the test says: $(state "$file")"
      continue
    fi
    grep -q "panicked at $file:" "$work/$name.words" || fault "$file" "it fails outside of its own test"
    said=$(words "$file" | head -n 1)
    if [ "$(echo "$said" | wc -w)" -lt 8 ] ||
      echo "$said" | grep -q 'called `\|not yet implemented\|not implemented\|attempt to\|out of bounds'; then
      fault "$file" "it should fail with words that teach, and says: $said"
    fi
  done
  for file in */exercises/solutions/*.rs; do
    [ -f "${file/solutions\//}" ] || fault "$file" "it is the solution of nothing"
  done
  rm -f "$work"/*.state "$work"/*.words
  run solutions
  for file in $(files); do
    [ "$(state "$file")" = ok ] ||
      fault "${file/exercises\//exercises/solutions/}" "it should pass, and the test says: $(words "$file" | head -n 3)"
  done
  [ "$warned" = 0 ] || fault "the compiler" "it warns of the exercises, see above; a learner would see that first"
  [ "$wrong" = 0 ] || return 1
  echo "$count exercises: each fails while it is open, with words of its own, and passes with its solution"
  [ "$mine" = 0 ] || echo "$mine of them are changed here and were not asked to fail"
}

case "$mode" in
  list) list ;;
  prove) prove ;;
  *) echo "usage: scripts/exercises.sh [prove]" >&2; exit 2 ;;
esac
