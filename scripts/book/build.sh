#!/usr/bin/env bash
# Builds the pages into one site, target/book/html, and checks it: every link leads to a page and a
# place that is there, and nothing is loaded from anywhere else. Needs python3, node with npm, and a
# package registry the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly MDBOOK="0.5.4"
tools="${TOOLS_DIR:-.tools}"
mkdir -p "$tools"
tools="$(cd "$tools" && pwd)"
command -v python3 > /dev/null || { echo "python3 is missing; install it and run this again" >&2; exit 2; }
if [ "$("$tools/bin/mdbook" --version 2> /dev/null)" != "mdbook v$MDBOOK" ]; then
  cargo install $([ -t 2 ] || echo --quiet) --locked "mdbook@$MDBOOK" --no-default-features --features search --root "$tools"
fi
. scripts/book/mermaid.sh

out="${CARGO_TARGET_DIR:-target}/book"
rm -rf "$out"
mkdir -p "$out/src"
cp scripts/book/book.toml scripts/book/book.css scripts/book/diagrams.js "$out/"
cp "$mermaid/node_modules/mermaid/dist/mermaid.min.js" "$out/"
python3 scripts/book/stage.py "$out"
"$tools/bin/mdbook" build "$out" > "$out/log" 2>&1 || { cat "$out/log" >&2; exit 1; }
python3 scripts/book/stage.py "$out" sources
python3 scripts/book/links.py "$out/html"
echo "the book is in $out/html/index.html"
