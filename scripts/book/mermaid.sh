# shellcheck shell=bash
# Mermaid, installed once, into $mermaid. jsdom is the page that its parser wants around it.
readonly MERMAID="mermaid@11.17.2"
readonly JSDOM="jsdom@26.1.0"
for needed in node npm; do
  command -v "$needed" > /dev/null || { echo "$needed is missing; install Node.js 20 or newer and run this again" >&2; exit 2; }
done
mermaid="${TOOLS_DIR:-.tools}/mermaid"
mkdir -p "$mermaid"
mermaid="$(cd "$mermaid" && pwd)"
# A stamp names what was installed: another one here installs again.
if [ "$(cat "$mermaid/stamp" 2> /dev/null)" != "$MERMAID $JSDOM" ]; then
  echo '{ "private": true }' > "$mermaid/package.json"
  npm install --prefix "$mermaid" --no-audit --no-fund --silent "$MERMAID" "$JSDOM"
  echo "$MERMAID $JSDOM" > "$mermaid/stamp"
fi
