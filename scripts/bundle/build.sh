#!/usr/bin/env bash
# Builds a bundle for Claude Desktop (.mcpb) for this machine's platform, and server.json for the
# MCP registry, into target/bundle. The official tool validates and packs it; what it packed is then
# opened again and checked.
#   PROFILE=dev scripts/bundle/build.sh     faster to build, larger, slower to run
set -euo pipefail
cd "$(dirname "$0")/../.."
tools="${TOOLS_DIR:-.tools}/mcpb"
profile="${PROFILE:-dist}"
target="${CARGO_TARGET_DIR:-target}"
out="$target/bundle"

fail() { echo "bundle: $*" >&2; exit 1; }
command -v node > /dev/null && command -v npm > /dev/null \
  || fail "node and npm are missing: install Node 20 or newer, then try again"
mcpb="$tools/node_modules/.bin/mcpb"
[ -x "$mcpb" ] || npm install --silent --no-fund --no-audit --prefix "$tools" @anthropic-ai/mcpb@2.1.2 \
  || fail "the official tool @anthropic-ai/mcpb can't be installed: is there a network?"

cargo build $([ -t 2 ] || echo --quiet) --package mcp-server --profile "$profile"
folder="$target/$([ "$profile" = dev ] && echo debug || echo "$profile")"
program=mcp-server
[ -x "$folder/$program" ] || program=mcp-server.exe
version=$(cargo metadata --no-deps --format-version 1 \
  | node -p 'JSON.parse(fs.readFileSync(0)).packages.find(({ name }) => name === "mcp-server").version')

rm -rf "$out"
mkdir -p "$out/open/server"
install -m 755 "$folder/$program" "$out/open/server/$program"
cp LICENSE scripts/bundle/manifest.json "$out/open/"
node scripts/bundle/fill.mjs "$out/open" "$version"

bundle="$out/learn-mcp-$version-$(node -p 'process.platform + "-" + process.arch').mcpb"
"$mcpb" validate "$out/open/manifest.json" > "$out/log" 2>&1 || fail "the manifest isn't valid: $(tail -5 "$out/log")"
"$mcpb" pack "$out/open" "$bundle" > "$out/log" 2>&1 || fail "it can't be packed: $(tail -5 "$out/log")"

# What a host will do with it.
"$mcpb" unpack "$bundle" "$out/again" > "$out/log" 2>&1 || fail "it can't be opened again: $(tail -5 "$out/log")"
"$mcpb" validate "$out/again/manifest.json" > "$out/log" 2>&1 || fail "packed, the manifest isn't valid: $(tail -5 "$out/log")"
[ -x "$out/again/server/$program" ] || fail "packed, the server isn't executable"
"$out/again/server/$program" --version > /dev/null || fail "packed, the server doesn't run"
node scripts/bundle/registry.mjs "$bundle" "$version" "$out/server.json"
rm -rf "$out/open" "$out/again" "$out/log"
echo "$bundle ($(du -h "$bundle" | cut -f1))"
echo "$out/server.json"
