#!/usr/bin/env bash
# The interceptor as a library: how many crates it brings, and that the server which its page shows
# compiles from the manifest that the page prints, outside of this workspace.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo="${CARGO:-cargo}"
page=2-server/src/interceptor/mod.rs
# A number that only grows with a reason.
most=155

crates=$("$cargo" tree --package mcp-server --edges normal --no-default-features --prefix none | sed 's/ (\*)$//' | sort -u)
count=$(echo "$crates" | wc -l)
product=$(echo "$crates" | grep -E '^(clap|mcp-llm|reqwest|prometheus-client|toml_edit|jsonc-parser|mimalloc) ' || true)
[ -z "$product" ] || { echo "the library brings parts of the product: $product" >&2; exit 1; }
[ "$count" -le "$most" ] || { echo "the library brings $count crates, and $most is the most" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
block() { # the first block of the page that opens with this fence
  awk -v fence="//! \`\`\`$1" '$0 == fence {on = 1; next} on && $0 == "//! ```" {exit} on {sub(/^\/\/! ?/, ""); print}' "$page"
}
mkdir "$work/src"
{
  printf '[package]\nname = "my-server"\nversion = "0.1.0"\nedition = "2024"\n\n'
  block toml | sed "s|\.\./learn-mcp|$PWD|"
} > "$work/Cargo.toml"
block no_run > "$work/src/main.rs"
[ -s "$work/src/main.rs" ] || { echo "$page shows no program" >&2; exit 1; }
# The same versions as here, so that nothing is looked for that isn't here already.
cp Cargo.lock "$work/Cargo.lock"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/library"
"$cargo" build --quiet --manifest-path "$work/Cargo.toml"
echo "the library brings $count crates, and the $(wc -l < "$work/src/main.rs") lines of its page are a server"
