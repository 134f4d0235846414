# Learn MCP, in Rust. `make` shows what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO ?= cargo
CONFIG ?= config/server.toml
TOOLS_DIR ?= .tools
SECONDS ?= 600
# A person sees what is being built; a pipe gets only what the command itself prints.
QUIET := $(shell [ -t 2 ] || echo --quiet)
# Programs are built by --bin and not by --package. Cargo unites the features of all packages that it
# may build, and --package narrows that down: what they share would be built once more for each.
SPEED = $(CARGO) bench $(QUIET) --package mcp-server --bench speed --
export TOOLS_DIR

.PHONY: help install run run-server run-server-sse run-client test check check-format check-lint check-docs check-deny check-library check-traces \
	ready-0 ready-1 ready-2 ready-3 ready-4 check-0 check-1 check-2 check-3 check-4 attack attack-client lab docs-update docs-check diagrams book \
	exercises check-exercises bench bench-quick bench-peers bench-guard profile soak bench-llm bench-client \
	conformance interop bundle picture e2e oracles clean clean-release toolchain config-there

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST) | if [ -n "$$NO_COLOR" ] || [ ! -t 1 ]; then sed 's/\x1b\[[0-9;]*m//g'; else cat; fi

install: toolchain ## Build everything for use, into target/release
	$(CARGO) build --release --workspace --bins

run: toolchain config-there ## Server and chat client together, in this terminal
	@$(CARGO) build --workspace --bins
	@CONFIG=$(CONFIG) scripts/run.sh

run-server: toolchain config-there ## The server over stdio, as a host launches it
	@$(CARGO) run $(QUIET) --bin mcp-server -- --config $(CONFIG)

run-server-sse: toolchain config-there ## The server over HTTP, for run-client in a second terminal
	@$(CARGO) run --bin mcp-server -- --config $(CONFIG) --transport sse

run-client: toolchain ## The chat client; needs a server
	@$(CARGO) run --bin mcp-client

test: toolchain ## All tests; no network needed
	$(CARGO) test --workspace

check: check-format check-lint check-docs check-deny test check-library check-traces check-exercises ## What CI runs: format, lints, docs, licences, tests, exercises

check-format: toolchain
	$(CARGO) fmt --check

check-lint: toolchain
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	$(CARGO) clippy --workspace --test '?[0-9]' --test solutions --all-features -- -D warnings

check-docs: toolchain
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

check-deny: toolchain
	@command -v cargo-deny > /dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 2; }
	$(CARGO) deny --config config/deny.toml check bans licenses sources

ready-0: ## What `make run` needs that this machine lacks, and what to do about it
	@scripts/ready.sh 0

ready-1: ## What step 1 needs
	@scripts/ready.sh 1

ready-2: ## What step 2 needs
	@scripts/ready.sh 2

ready-3: ## What step 3 needs
	@scripts/ready.sh 3

ready-4: ## What step 4 needs
	@scripts/ready.sh 4

check-0: toolchain ## Is everything still whole? Step 0: what the pages say is true
	$(CARGO) test --package mcp-server --test everything learning_path

check-library: toolchain ## The interceptor without the product: how many crates, and the page's own server
	@CARGO="$(CARGO)" scripts/library.sh

check-traces: toolchain
	$(CARGO) test --package mcp-server --features otlp --test everything traces::

check-1: toolchain ## The same for step 1: the language model's crate
	$(CARGO) test --package mcp-llm

check-2: toolchain ## The same for step 2: the server and its interceptor
	$(CARGO) test --package mcp-server --lib

check-3: toolchain ## The same for step 3: the chat client
	$(CARGO) test --package mcp-client

check-4: toolchain ## The same for step 4: the whole stack
	$(CARGO) test --package mcp-server --test everything

attack: toolchain ## Attack a guarded server; DEFENCE=name removes a defence, ONLY=row picks attacks
	@DEFENCE=$(DEFENCE) ONLY=$(ONLY) ARGS="$(ARGS)" scripts/attack.sh

attack-client: toolchain ## Attack the client: hostile servers and models, and what becomes of each try
	$(CARGO) test --package mcp-client --test hostile

lab: toolchain ## Play a real exchange, message by message: LAB=handshake, tools, streaming, cancel, eras, stdio-vs-http
	@$(CARGO) build $(QUIET) --bin mcp-client --bin mcp-server
	@"$${CARGO_TARGET_DIR:-target}/debug/mcp-client" lab $(or $(LAB),handshake) $(ARGS)

docs-update: toolchain ## Rewrite what the pages show of each command's output; needs python3
	@scripts/outputs.py update

docs-check: toolchain ## Compare what the pages show with what the commands print; needs python3
	@scripts/outputs.py check

diagrams: ## Read every diagram of the pages with Mermaid's own parser; needs node and a registry
	@scripts/book/diagrams.sh

book: toolchain ## The pages as one site, in target/book/html, its links checked; needs python3, node and a registry
	@scripts/book/build.sh

exercises: toolchain ## Your next exercise; STEP=2 of one step, EX=b3 one, HINT=1 a hint (2, 3), WATCH=1 again on each save
	@CARGO="$(CARGO)" STEP="$(STEP)" EX="$(EX)" HINT="$(HINT)" WATCH="$(WATCH)" scripts/exercises.sh

check-exercises: toolchain ## Each exercise fails while it is open, and passes with its solution
	@CARGO="$(CARGO)" scripts/exercises.sh prove

bench-llm: toolchain ## Figures of step 1: decoding, first token, memory
	$(CARGO) run --release --package mcp-llm --example bench-llm

bench: toolchain ## Figures of step 2: the server beside bare rmcp and raw axum, growth, memory; writes BENCHMARKS.md
	$(SPEED) all
	$(SPEED) report

bench-quick: toolchain ## The first table of `make bench`, roughly, in a minute
	$(SPEED) compare --quick

bench-peers: toolchain ## FastMCP and the TypeScript SDK beside the server; needs python3, node and a registry
	@2-server/benches/speed/others/install.sh
	$(SPEED) others
	$(SPEED) report

bench-guard: toolchain ## Has a request become more expensive? Counts instructions; needs valgrind
	$(SPEED) check

profile: toolchain ## Instructions of one request, by function; needs valgrind
	$(SPEED) profile
	$(SPEED) report

soak: toolchain ## Load and churn for SECONDS=600: nothing may grow, leak or slow down
	$(SPEED) soak $(SECONDS)
	$(SPEED) report

bench-client: toolchain ## Figures of step 3: key to screen, frames, memory; 10 to 25 minutes
	$(CARGO) build --release --package mcp-client --package mcp-server --bins
	$(CARGO) run --release --package mcp-client --example bench-client

conformance: toolchain ## The official conformance suite, through the guard; needs node and a registry
	@tests/conformance/run.sh

interop: toolchain ## Other people's clients against the server: Python, TypeScript, Inspector; needs node, python3, a registry
	@tests/conformance/interop.sh

bundle: toolchain ## A bundle for Claude Desktop and server.json, into target/bundle; needs node and a registry
	@scripts/bundle/build.sh

picture: toolchain ## Draw the chat of the first page again, from a real run; needs tmux and python3
	@$(CARGO) build $(QUIET) --workspace --bins
	@tests/tmux/record-screen.sh --picture

e2e: toolchain ## The whole conversation in a real terminal; needs tmux
	@$(CARGO) build $(QUIET) --workspace --bins
	@$(CARGO) build $(QUIET) --package mcp-llm --example fake-ollama
	@tests/tmux/run.sh
	@tests/tmux/record-screen.sh --check

oracles: toolchain ## Test the fake Ollama with Ollama's own clients; needs node, python3 and a registry
	@tests/oracles/run.sh

clean-release: toolchain ## Remove what `make install` and the benches built, and keep the rest
	$(CARGO) clean --release

clean: ## Remove everything that was built and installed here, up to 8 GB
	$(CARGO) clean
	rm -rf .run .tools

toolchain:
	@command -v $(CARGO) > /dev/null || { echo "Rust is missing: install it from https://rustup.rs, open a new terminal, then try again" >&2; exit 2; }

config-there:
	@test -r $(CONFIG) || { echo "$(CONFIG) can't be read: name another file with CONFIG=..., or get it back with: git checkout config/server.toml" >&2; exit 2; }
