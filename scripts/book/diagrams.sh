#!/usr/bin/env bash
# Reads every Mermaid diagram of the pages with Mermaid's own parser, the one that draws them on
# GitHub and in the book. Needs node with npm, and a package registry the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/book/mermaid.sh

git ls-files -z --cached --others --exclude-standard '*.md' | NODE_PATH="$mermaid/node_modules" xargs -0 node scripts/book/diagrams.cjs
