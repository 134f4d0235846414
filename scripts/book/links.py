"""Checks a built site: every link leads to a file and a place that is there, every page is linked
to, and nothing is loaded from another host."""

import html.parser
import pathlib
import sys
import urllib.parse

SITE = pathlib.Path(sys.argv[1]).resolve()


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.places, self.links, self.loads, self.pictures, self.diagrams = set(), [], [], set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.places.update(found[name] for name in ("id", "name") if found.get(name))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag in ("script", "img", "iframe") and found.get("src"):
            self.loads.append(found["src"])
            if tag == "img":
                self.pictures.add(found["src"])
        elif tag == "link" and found.get("href"):
            self.loads.append(found["href"])
        if tag == "code" and "language-mermaid" in (found.get("class") or ""):
            self.diagrams += 1


# 404.html is shown for any address, so its links begin at the site's root; toc.html is the list of
# chapters for browsers without scripts, with links that begin at the page around it.
pages = {path: Page(path.read_text()) for path in SITE.rglob("*.html") if path.name != "404.html"}
wrong = []
followed = 0
for path, page in pages.items():
    for target in page.links + page.loads:
        parts = urllib.parse.urlsplit(target)
        if parts.scheme in ("http", "https", "data"):
            if target in page.loads and parts.scheme != "data":
                wrong.append(f"{path.relative_to(SITE)} loads {target} from elsewhere")
            continue
        followed += 1
        there = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
        if there.is_dir():
            there = there / "index.html"
        if not there.is_file():
            wrong.append(f"{path.relative_to(SITE)}: {target} isn't there")
        elif target in page.pictures and there.suffix == ".html":
            wrong.append(f"{path.relative_to(SITE)} shows {target}, which is no picture")
        elif parts.fragment and there in pages:
            if urllib.parse.unquote(parts.fragment) not in pages[there].places:
                wrong.append(f"{path.relative_to(SITE)}: {target} has no such place")
diagrams = sum(page.diagrams for page in pages.values())
if len(pages) < 20 or diagrams < 5:
    wrong.append(f"only {len(pages)} pages with {diagrams} diagrams")
for line in wrong:
    print(line)
if wrong:
    sys.exit(f"{len(wrong)} of {followed} links are wrong")
print(f"{len(pages)} pages, {followed} links, {diagrams} diagrams: all are there, and nothing is loaded from elsewhere")
