#!/usr/bin/env bash
# Builds the benchmark in benches/ and runs it with the module that `make build`
# left: on $SERVER if that is given, else on the four servers below. With
# --quick as the first argument it is a smoke run, on the server that setup found,
# whose report goes to the build folder. Other arguments go to the program;
# --help lists them.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

find_module || die "no module at $module: run make build"

# An old and a newer one of each kind, which are to be had on more systems than the
# rest; with more of them the tables are too wide to read.
measured='redis-7.0 redis-8.2 valkey-8.1 valkey-9.1'

target=${module%/release/*}/benches
cargo build --locked --release --workspace --manifest-path benches/Cargo.toml --target-dir "$target"

# More than the soft limit of most machines: each client is a connection.
ulimit -S -n "$(ulimit -H -n)" || true

out=docs
servers=()
if [ "${1:-}" = --quick ]; then
    out=$target/quick
    rm -rf "$out"
    cargo test --locked --release --manifest-path benches/Cargo.toml --target-dir "$target" --package latch-bench
    find_server || die "${server_problem:-no server on the PATH: run make bench-quick, which installs one}"
    servers=(--server "$server")
elif [ -n "${SERVER:-}" ]; then
    find_server || die "$server_problem"
    servers=(--server "$server")
else
    # shellcheck disable=SC2086 # a list
    scripts/servers.sh $measured
    for name in $measured; do servers+=(--server "$(server_file "$name")"); done
fi

exec "$target/release/latch-bench" "${servers[@]}" --module "$module" \
    --control "$target/release/libplain.${module##*.}" --out "$out" "$@"
