#!/usr/bin/env python3
"""Keeps what the pages show of a command's output true.

A page marks a block with the command that prints it:

    <!-- output: make attack ONLY=hidden-tool -->
    ```text
    ...
    ```

The command must stand in the `sh` block before it, so that what a reader copies is what was run.
`<!-- output with server: COMMAND -->` runs it beside a server with the tutor behind it, and
`<!-- output with ollama: COMMAND -->` beside the fake Ollama.

    scripts/outputs.py check  [PAGE...]    compares, and shows every difference
    scripts/outputs.py update [PAGE...]    writes the pages anew
"""

import difflib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 300  # seconds for one command: the first one builds

# What is another each time, and what stands for it in the pages. Each keeps its width where text
# is wrapped.
RULES = {
    "time": (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "2026-11-20T16:39:57.386Z"),
    "port": (r"(127\.0\.0\.1|localhost):[345]\d{4}\b", r"\1:40000"),
    "identity": (r"\bkey:[0-9a-f]{12}\b", "key:1f2e3d4c5b6a"),
    "key": (r"\bmcp_[0-9a-f]{64}\b", "mcp_…"),
    "request": (r'"request_id":"[0-9a-f]{8}-\d+"', '"request_id":"fd7c4533-2"'),
    "chain": (r'"chain":"[0-9a-f]{64}"', '"chain":"851a…"'),
    "duration": (r"\b\d+(\.\d+)? ms\b", "4 ms"),
    "duration in a record": (r'"duration_ms":[0-9.]+', '"duration_ms":0.146'),
    "session": (r"\bsession [0-9a-f]{6}…", "session 44150c…"),
    "how far a flood came": (r"refused after \d+ of 600", "refused after 40 of 600"),
    "how far a body came": (r"refused after \d+ of 32 MiB", "refused after 1 of 32 MiB"),
    "how much was searched": (r"none of \d+ answers", "none of 22 answers"),
    "compiler": (r"\bRust 1\.\d+\.\d+\b", "Rust 1.95.0"),
    "folder": (r"/[^\s\"']*/(target/(?:debug|release)/)", r"\1"),
    "make's own words": (r"(?m)^make(\[\d+\])?: .*\n", ""),
}

MARK = re.compile(
    r"<!-- output(?: with (?P<beside>server|ollama))?: (?P<command>.+?) -->\n```text\n(?P<text>.*?)^```$",
    re.M | re.S,
)


def pages():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    return [ROOT / name for name in sorted(listed.stdout.split())]


def environment(folder):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MCP_", "OLLAMA_", "OPENAI_", "MAKE", "MFLAGS"))}
    # A port that nothing listens on, so that an Ollama on this machine changes no page.
    return kept | {
        "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb", "LC_ALL": "C.UTF-8",
        "XDG_STATE_HOME": folder, "XDG_CONFIG_HOME": folder,
        "OLLAMA_HOST": "127.0.0.1:9", "MAKEFLAGS": "--no-print-directory",
    }


class Beside:
    """A program that runs beside the commands, started when the first one needs it."""

    def __init__(self, command, variable, address):
        self.command, self.variable, self.address = command, variable, address
        self.process, self.found = None, None

    def variables(self, env):
        if self.process is None:
            self.log = tempfile.TemporaryFile("w+")
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=env, shell=True, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            )
            end = time.monotonic() + LIMIT
            while self.found is None:
                self.log.seek(0)
                said = self.log.read()
                self.found = re.search(self.address, said)
                if self.process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"{self.command} didn't start:\n{said}")
                time.sleep(0.1)
        return {self.variable: self.found.group(1)}

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=20)


def normal(text):
    for pattern, stands in RULES.values():
        text = re.sub(pattern, stands, text)
    lines = [line.rstrip() for line in text.strip("\n").split("\n")]
    return "\n".join(lines) + "\n"


def run(command, env):
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, env=env, timeout=LIMIT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    return normal(done.stdout), done.returncode


def shown_before(page, start):
    """The lines of the nearest `sh` block before this place."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page[:start], re.M | re.S)
    lines = blocks[-1].splitlines() if blocks else []
    return [re.sub(r"\s+# .*", "", line).strip() for line in lines]


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("check", "update"):
        sys.exit(__doc__)
    update = sys.argv[1] == "update"
    wanted = [pathlib.Path(name).resolve() for name in sys.argv[2:]] or pages()
    folder = tempfile.TemporaryDirectory()
    env = environment(folder.name)
    beside = {
        "server": Beside(
            "MCP_SERVER__PORT=0 MCP_LLM__PROVIDER=tutor exec cargo run -q --bin mcp-server -- --transport sse",
            "MCP_SERVER_URL", r"listening on (http://\S+)"),
        "ollama": Beside(
            "exec cargo run -q -p mcp-llm --example fake-ollama -- --port 0",
            "OLLAMA_HOST", r"(http://127\.0\.0\.1:\d+)"),
    }
    wrong, seen, known = 0, 0, {}
    try:
        for path in wanted:
            page = path.read_text()
            name = path.relative_to(ROOT)

            def renewed(found):
                nonlocal wrong, seen
                seen += 1
                command = found["command"]
                if command not in shown_before(page, found.start()):
                    print(f"{name}: the sh block before it doesn't show `{command}`")
                    wrong += 1
                    return found[0]
                use = beside[found["beside"]].variables(env) if found["beside"] else {}
                key = (found["beside"], command)
                if key not in known:
                    known[key] = run(command, env | use)
                text, code = known[key]
                if code != 0:
                    print(f"{name}: `{command}` fails with {code}:\n{text}")
                    wrong += 1
                    return found[0]
                if text != found["text"]:
                    if not update:
                        wrong += 1
                        print(f"{name}: `{command}` prints something else:")
                        sys.stdout.writelines(difflib.unified_diff(
                            found["text"].splitlines(True), text.splitlines(True), "the page", "the command"))
                start, end = found.span("text")
                return found[0][: start - found.start()] + text + found[0][end - found.start():]

            new = MARK.sub(renewed, page)
            if update and new != page:
                path.write_text(new)
                print(f"{name} is written anew")
    finally:
        for program in beside.values():
            program.stop()
    if wrong:
        sys.exit(f"{wrong} of {seen} outputs are wrong; `make docs-update` writes them anew")
    print(f"{seen} outputs are what the commands print")


main()
