#!/usr/bin/env bash
# Installs what `make bench-peers` compares with into a folder of its own. Safe to run again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peers="${TOOLS_DIR:-.tools}/peers"
mkdir -p "$peers/ts"

[ -x "$peers/fastmcp/bin/python" ] || python3 -m venv "$peers/fastmcp"
"$peers/fastmcp/bin/pip" -q install --disable-pip-version-check 'fastmcp==4.1.1'

[ -f "$peers/ts/package.json" ] || echo '{"private":true}' > "$peers/ts/package.json"
(cd "$peers/ts" && npm install --no-audit --no-fund --loglevel=error --save-exact \
  @modelcontextprotocol/server@2.4.0 @modelcontextprotocol/node@2.1.2 zod@4.6.7)
# Node looks for packages beside the file that asks for them.
cp "$here/typescript_server.mjs" "$peers/ts/"
