#!/usr/bin/env bash
# Runs every test against the module that `make build` left and the server that
# setup found; with --short as the first argument, only the tests below. Other
# arguments go to cargo test.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

# What differs most from server to server, in the files of tests/ that are quick.
short='set countdown commands waiting leaving transactions removal payload metadata refused untold verdicts convergence keys looks clock shadow memory_limit prompt crash_report'

if [ "${1:-}" = --short ]; then
    shift
    for file in $short; do set -- "$@" --test "$file"; done
fi

find_server || die "${server_problem:-no server on the PATH: run make test, which installs one}"
find_module || die "no module at $module: run make build"
note "testing with $server_kind $server_version, $server"
LATCH_SERVER=$server LATCH_MODULE=$module exec cargo test --workspace --no-fail-fast "$@"
