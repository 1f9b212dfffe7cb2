#!/usr/bin/env bash
# Checks a change in seconds: builds the module without optimisation, and runs the unit
# tests, those with random input on few of them. With the name of a file of tests/ as
# argument that is run, too, on the server that setup found.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

cargo build
what=(--lib)
for file in "$@"; do
    [ -e "tests/$file.rs" ] || die "there is no tests/$file.rs"
    what+=(--test "$file")
done
find_server || die "${server_problem:-no server on the PATH: run make test, which installs one}"
find_module debug || die "no module at $module"
LATCH_SERVER=$server LATCH_MODULE=$module PROPTEST_CASES=${PROPTEST_CASES:-32} cargo test "${what[@]}"
