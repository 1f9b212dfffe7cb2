# Each of demo, run and test does all of its own set-up: on a machine with only
# a Rust toolchain it installs what is missing, and says so.
#
#   SERVER=<path>  the server to use (default: redis-server or valkey-server)
#   PORT=<n>       the port of `make run` (default: 6379)

SERVER ?= $(LATCH_SERVER)
PORT ?= 6379
export SERVER PORT
# rustup's own directory, for a shell that was open before rustup was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo run test build check lint fmt fmt-check clean setup setup-build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s  %s\n", $$1, $$2 }' Makefile

demo: setup build ## a short show of a latch, on a private server (SERVER=path)
	@scripts/demo.sh

run: setup build ## start Redis with the module in the foreground (PORT=6379 SERVER=path)
	@scripts/run.sh

test: setup build ## run every test (SERVER=path)
	@scripts/test.sh

build: setup-build ## build target/release/liblatch.so
	@cargo build --release

check: fmt-check lint test ## what a change has to pass: formatting, lint and test

lint: setup-build ## clippy, with every warning an error
	@cargo clippy --all-targets -- -D warnings

fmt: ## format the sources
	@cargo fmt

clean: ## remove everything that was built
	@cargo clean

fmt-check:
	@cargo fmt --check

setup:
	@scripts/setup.sh build server cli

setup-build:
	@scripts/setup.sh build
