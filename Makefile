# Each of demo, run and test does all of its own set-up: on a machine with only
# a Rust toolchain it installs what is missing, and says so.
#
#   SERVER=<server>  the server to use: its path, or one of the names that `make`
#                    ends with, which is brought if it is missing
#                    (default: redis-server or valkey-server, from the PATH)
#   PORT=<n>         the port of `make run` (default: 6379)
#   T=<file>         the file of tests/ that `make try` runs

SERVER ?= $(LATCH_SERVER)
PORT ?= 6379
export SERVER PORT
# rustup's own directory, for a shell that was open before rustup was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

# The benchmark is a package of its own.
BENCHES := --manifest-path benches/Cargo.toml

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo run try test test-all servers bench bench-quick build check lint fmt fmt-check notices clean setup setup-test setup-bench setup-build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s  %s\n", $$1, $$2 }' Makefile
	@bash -c '. scripts/common.sh && printf "SERVER=name: %s\n" "$$server_names"'

demo: setup build ## a short show of a latch, on a private server (SERVER=name or path)
	@scripts/demo.sh

run: setup build ## start Redis with the module in the foreground (PORT=6379 SERVER=name or path)
	@scripts/run.sh

try: setup-test ## check a change in seconds: T=countdown runs tests/countdown.rs, too
	@scripts/try.sh $(T)

test: setup-test build ## run every test (SERVER=name or path)
	@scripts/test.sh

test-all: build ## run every test on each server that this machine can have
	@scripts/test-all.sh

servers: ## bring those servers into the folder servers, for test-all and SERVER=name
	@scripts/servers.sh

bench: setup-bench build ## measure and write docs/benchmarks.md (SERVER=name or path, else four of them)
	@scripts/bench.sh

bench-quick: setup-test build ## show that the benchmark works, without measuring
	@scripts/bench.sh --quick

build: setup-build ## build target/release/liblatch.so
	@cargo build --release

check: fmt-check lint test ## what a change has to pass: formatting, lint and test

lint: setup-build ## clippy, with every warning an error
	@cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	@cargo clippy --locked $(BENCHES) --target-dir target/benches --workspace --all-targets --all-features -- -D warnings

fmt: ## format the sources
	@cargo fmt --all
	@cargo fmt $(BENCHES) --all

notices: setup-build ## write NOTICES, the licences of what is in the binary
	@scripts/notices.sh

clean: ## remove everything that was built
	@cargo clean

fmt-check:
	@cargo fmt --all --check
	@cargo fmt $(BENCHES) --all --check

setup:
	@scripts/setup.sh build server cli

setup-test:
	@scripts/setup.sh build server

setup-bench:
	@scripts/setup.sh build server valgrind

setup-build:
	@scripts/setup.sh build
