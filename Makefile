# Learn MCP, in Rust. `make` shows what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO ?= cargo
CONFIG ?= config/server.toml
TOOLS_DIR ?= .tools
export TOOLS_DIR

.PHONY: help install run run-server run-server-sse run-client test check check-format check-lint check-docs check-deny check-traces \
	check-1 check-2 check-3 check-4 exercises check-exercises bench-llm bench-client conformance interop bundle e2e oracles clean toolchain config-there

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST) | if [ -n "$$NO_COLOR" ] || [ ! -t 1 ]; then sed 's/\x1b\[[0-9;]*m//g'; else cat; fi

install: toolchain ## Build everything for use, into target/release
	$(CARGO) build --release --workspace --bins

run: toolchain config-there ## Server and chat client together, in this terminal
	@$(CARGO) build --workspace --bins
	@CONFIG=$(CONFIG) scripts/run.sh

run-server: toolchain config-there ## The server over stdio, as a host launches it
	@$(CARGO) run --quiet --package mcp-server -- --config $(CONFIG)

run-server-sse: toolchain config-there ## The server over HTTP, for run-client in a second terminal
	@$(CARGO) run --package mcp-server -- --config $(CONFIG) --transport sse

run-client: toolchain ## The chat client; needs a server
	@$(CARGO) run --package mcp-client

test: toolchain ## All tests; no network needed
	$(CARGO) test --workspace

check: check-format check-lint check-docs check-deny test check-traces check-exercises ## What CI runs: format, lints, docs, licences, tests, exercises

check-format: toolchain
	$(CARGO) fmt --check

check-lint: toolchain
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

check-docs: toolchain
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

check-deny: toolchain
	@command -v cargo-deny > /dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 2; }
	$(CARGO) deny --config config/deny.toml check bans licenses sources

check-traces: toolchain
	$(CARGO) test --package mcp-server --features otlp --test everything traces::

check-1: toolchain ## Check yourself after step 1: the language model's crate
	$(CARGO) test --package mcp-llm

check-2: toolchain ## Check yourself after step 2: the server and its interceptor
	$(CARGO) test --package mcp-server --lib

check-3: toolchain ## Check yourself after step 3: the chat client
	$(CARGO) test --package mcp-client

check-4: toolchain ## Check yourself after step 4: the parts together
	$(CARGO) test --package mcp-server --test everything

exercises: toolchain ## Your next exercise; STEP=2 of one step, EX=b3 one of them, HINT=1 with its hint
	@CARGO="$(CARGO)" STEP="$(STEP)" EX="$(EX)" HINT="$(HINT)" scripts/exercises.sh

check-exercises: toolchain ## Each exercise fails while it is open, and passes with its solution
	@CARGO="$(CARGO)" scripts/exercises.sh prove

bench-llm: toolchain ## Figures of step 1: decoding, first token, memory
	$(CARGO) run --release --package mcp-llm --example bench-llm

bench-client: toolchain ## Figures of step 3: key to screen, frames, memory
	$(CARGO) run --release --package mcp-client --example bench-client

conformance: toolchain ## The official conformance suite, through the guard; needs node and a registry
	@tests/conformance/run.sh

interop: toolchain ## Real clients judge the server: Python, TypeScript, Inspector; needs node, python3, a registry
	@tests/conformance/interop.sh

bundle: toolchain ## A bundle for Claude Desktop and server.json, into target/bundle; needs node and a registry
	@scripts/bundle.sh

e2e: toolchain ## The whole conversation in a real terminal; needs tmux
	@$(CARGO) build --quiet --workspace --bins
	@$(CARGO) build --quiet --package mcp-llm --example fake-ollama
	@tests/tmux/run.sh

oracles: toolchain ## Judge the fake Ollama by Ollama's own clients; needs node, python3 and a registry
	@tests/oracles/run.sh

clean: ## Remove what was built and installed here
	$(CARGO) clean
	rm -rf .run .tools

toolchain:
	@command -v $(CARGO) > /dev/null || { echo "Rust is missing: install it from https://rustup.rs, open a new terminal, then try again" >&2; exit 2; }

config-there:
	@test -r $(CONFIG) || { echo "$(CONFIG) can't be read: name another file with CONFIG=..., or get it back with: git checkout config/server.toml" >&2; exit 2; }
