#!/usr/bin/env bash
# Runs every test against the module that `make build` left and the server that
# setup found. Arguments go to cargo test.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

find_server || die "${server_problem:-no server on the PATH: run make test, which installs one}"
find_module || die "no module at $module: run make build"
note "testing with server $server_version"
LATCH_SERVER=$server LATCH_MODULE=$module exec cargo test "$@"
