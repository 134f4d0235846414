"""Lays the pages out for mdBook, and the source files that they link to beside the built pages.

stage.py OUT           pages, with links as they are on the site
stage.py OUT sources   a page for each source file that is linked to
"""

import html
import os
import pathlib
import posixpath
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = pathlib.Path(sys.argv[1])
LINK = re.compile(r"\]\(([^)\s]+)\)")
SUMMARY = (ROOT / "scripts/book/SUMMARY.md").read_text()
PAGES = LINK.findall(SUMMARY)

SOURCE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; font: 15px/1.5 sans-serif; }}
  body {{ margin: 2rem auto; max-width: 110ch; padding: 0 1rem; }}
  pre {{ overflow-x: auto; font: 14px/1.45 monospace; }}
</style></head>
<body><p><a href="{home}">Learn MCP, in Rust</a></p><h1><code>{title}</code></h1>
<pre><code>{code}</code></pre></body></html>
"""


def on_site(page, target):
    """Where a link of a page leads on the site, and the source file behind it, if it is one."""
    if re.match(r"[a-z]+:", target) or target.startswith("#"):
        return target, None
    path, _, place = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    place = f"#{place}" if place else ""
    if path.endswith((".svg", ".png")):
        there, source = path, path
    elif path in PAGES:
        there, source = re.sub(r"(^|/)README\.md$", r"\1index.md", path)[:-3] + ".html", None
    else:
        there, source = path + ".html", path
    return os.path.relpath(there, posixpath.dirname(page) or ".") + place, source


def outside_code(text, change):
    """Applies a change to what isn't in a code block or in backticks."""
    parts = re.split(r"(^```.*?^```$|`[^`\n]+`)", text, flags=re.M | re.S)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def listing(folder):
    """The files of a folder, each with a link."""
    name = posixpath.basename(folder)
    files = sorted(file.name for file in (ROOT / folder).iterdir() if file.is_file())
    return "\n".join(f'<a href="{name}/{html.escape(file)}.html">{html.escape(file)}</a>' for file in files)


def main():
    sources = set()

    def link(page):
        def replaced(found):
            target, source = on_site(page, found[1])
            if source and source.endswith((".svg", ".png")):
                # A picture is shown, and not quoted. mdBook passes on what isn't a page.
                there = OUT / "src" / source
                there.parent.mkdir(parents=True, exist_ok=True)
                there.write_bytes((ROOT / source).read_bytes())
            elif source:
                sources.add(source)
            return f"]({target})"
        return replaced

    for page in PAGES:
        text = (ROOT / page).read_text()
        staged = OUT / "src" / page
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(outside_code(text, lambda part: LINK.sub(link(page), part)))
    (OUT / "src/SUMMARY.md").write_text(SUMMARY)
    if sys.argv[2:] != ["sources"]:
        return
    for folder in [name for name in sources if (ROOT / name).is_dir()]:
        sources.update(f"{folder}/{file.name}" for file in (ROOT / folder).iterdir() if file.is_file())
    for source in sources:
        built = OUT / "html" / f"{source}.html"
        built.parent.mkdir(parents=True, exist_ok=True)
        home = os.path.relpath("index.html", posixpath.dirname(source) or ".")
        code = listing(source) if (ROOT / source).is_dir() else html.escape((ROOT / source).read_text())
        built.write_text(SOURCE.format(title=html.escape(source), home=home, code=code))


main()
