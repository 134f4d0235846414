#!/usr/bin/env python3
"""Draws screens of a terminal, as tmux captured them with their colours, as one SVG that shows them in
turn: light or dark as its reader's system is, and the first one alone where motion isn't wanted.

    tests/tmux/picture.py SCREEN... > picture.svg
"""

import html
import pathlib
import re
import sys

COLUMNS, ROWS = 80, 24
WIDE, HIGH, EDGE = 8.4, 17, 14  # a character, a line, the margin
SECONDS = 5  # for each screen
NBSP = "\u00a0"  # several of these in a row stay several

# The sixteen colours of a terminal, on a light ground and on a dark one.
LIGHT = "#24292f #cf222e #116329 #7d4e00 #0969da #8250df #1b7c83 #57606a".split()
DARK = "#c9d1d9 #ff7b72 #7ee787 #e3b341 #79c0ff #d2a8ff #56d4dd #8b949e".split()

STYLE = """
  svg { --paper: #ffffff; --ink: #24292f; --frame: #d0d7de; %s }
  @media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --frame: #30363d; %s } }
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: var(--ink) }
  .bold { font-weight: 600 } .dim { opacity: .6 } .italic { font-style: italic } .under { text-decoration: underline }
  .paper { fill: var(--paper); stroke: var(--frame) } .reverse { fill: var(--ink) } .on { fill: var(--paper) }
  %s
  .screen { opacity: 0; animation: turn %ds infinite } .screen:first-of-type { opacity: 1 }
  @keyframes turn { 0%% { opacity: 0 } 1%%, %d%% { opacity: 1 } %d%%, 100%% { opacity: 0 } }
  @media (prefers-reduced-motion: reduce) { .screen { animation: none } }
"""


def runs(line):
    """A line's pieces: where each begins, its text, and its style."""
    style, column = {}, 0
    for part in re.split(r"(\x1b\[[0-9;:]*m)", line):
        found = re.fullmatch(r"\x1b\[([0-9;:]*)m", part)
        if not found:
            if part:
                yield column, part, dict(style)
                column += len(part)
            continue
        codes = [int(code or 0) for code in re.split("[;:]", found[1] or "0")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                style.clear()
            elif code in (1, 2, 3, 4, 7):
                style[{1: "bold", 2: "dim", 3: "italic", 4: "under", 7: "reverse"}[code]] = True
            elif 30 <= code <= 37 or 90 <= code <= 97:
                style["colour"] = code % 10
            elif code in (38, 48):
                kind = codes.pop(0)
                value = [codes.pop(0) for _ in range(1 if kind == 5 else 3)]
                if code == 38 and kind == 5 and value[0] < 16:
                    style["colour"] = value[0] % 8
            elif code == 39:
                style.pop("colour", None)


def screen(text, number):
    drawn = []
    for row, line in enumerate(text.split("\n")[:ROWS]):
        y = EDGE + row * HIGH
        for column, piece, style in runs(line.replace("\x1b(B", "")):
            if not piece.strip() and "reverse" not in style:
                continue
            if "reverse" not in style:
                # Spaces at an end may be dropped by whoever draws it, and would stretch the rest.
                column += len(piece) - len(piece.lstrip())
                piece = piece.strip()
            x = EDGE + column * WIDE
            classes = [name for name in ("bold", "dim", "italic", "under") if name in style]
            if "reverse" in style:
                width = len(piece) * WIDE
                drawn.append(f'<rect class="reverse" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{HIGH}"/>')
                classes.append("on")
                piece = piece.rstrip()
                if not piece:
                    continue
            elif "colour" in style:
                classes.append(f"c{style['colour']}")
            named = f' class="{" ".join(classes)}"' if classes else ""
            long = f' textLength="{len(piece) * WIDE:.1f}"'
            drawn.append(f'<text{named} x="{x:.1f}" y="{y + 13}"{long}>{html.escape(piece).replace(" ", NBSP)}</text>')
    delay = f' style="animation-delay: {number * SECONDS}s"' if number else ""
    return f'<g class="screen"{delay}>\n' + "\n".join(drawn) + "\n</g>"


def main():
    screens = [pathlib.Path(name).read_text().rstrip("\n") for name in sys.argv[1:]]
    if not screens:
        sys.exit(__doc__)
    count = len(screens)
    colours = [" ".join(f"--c{at}: {colour};" for at, colour in enumerate(all)) for all in (LIGHT, DARK)]
    classes = " ".join(f".c{at} {{ fill: var(--c{at}) }}" for at in range(8))
    shown = 100 // count
    style = STYLE % (*colours, classes, SECONDS * count, shown, shown + 1)
    width, height = COLUMNS * WIDE + 2 * EDGE, ROWS * HIGH + 2 * EDGE
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">')
    print("<title>The chat asks before it calls a tool, shows the answer, and then every message that went over the wire</title>")
    print(f"<style>{style}</style>")
    print(f'<rect class="paper" x="0.5" y="0.5" width="{width - 1:.1f}" height="{height - 1}" rx="8"/>')
    for number, text in enumerate(screens):
        print(screen(text, number))
    print("</svg>")


main()
