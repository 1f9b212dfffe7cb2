#!/usr/bin/env bash
# Writes NOTICES: the licences of what is in the binary beside this project, each with its
# text. With --check it says whether that is up to date instead.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

cargo fetch --locked >/dev/null 2>&1
sources=$(echo "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/)
new=$(mktemp)
trap 'rm -f "$new"' EXIT

# The text under which a package may be had: MIT if it has that, else the one there is.
licence_of() {
    local file
    for file in "$1"/LICENSE-MIT* "$1"/LICENSE* "$1"/COPYING*; do
        if [ -f "$file" ]; then cat "$file"; return; fi
    done
    die "$1 has no licence in it"
}

{
    cat <<'END'
The module is made of this project (see LICENSE), of the Rust standard library, and of the
packages below. `make notices` writes this file.

The Rust standard library: Copyright (c) The Rust Project Contributors, MIT or Apache-2.0,
at your choice; see https://github.com/rust-lang/rust/blob/main/COPYRIGHT.
END
    cargo tree --locked -p redis-latch -e normal,no-proc-macro --no-dedupe --prefix none \
        --format '{p} {l}' | LC_ALL=C sort -u | while read -r name version licence; do
        case $name in redis-latch | border) continue ;; esac
        for folder in $sources; do
            [ -d "$folder$name-${version#v}" ] && break
        done
        printf '\n==== %s %s: %s ====\n\n' "$name" "${version#v}" "$licence"
        case $name in
            redis-module-*) echo 'Of the project of redis-module, and under its licence: see there.' ;;
            *) licence_of "$folder$name-${version#v}" | tr -d '\r' ;;
        esac
    done
} >"$new"

if [ "${1:-}" = --check ]; then
    diff -q NOTICES "$new" >/dev/null || die 'NOTICES is not up to date: run make notices'
else
    mv "$new" NOTICES
    chmod 644 NOTICES
fi
