#!/usr/bin/env bash
# Runs the tests on every server that this machine can have, or on those named on
# the command line, one after the other; <name>:short does a shorter run. The unit tests know of no
# server, so they run once, or not at all with UNITS_DONE=yes. Ends with a
# table, and fails if anything did.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

work=$(mktemp -d "${TMPDIR:-/tmp}/redis-latch.XXXXXX")
trap 'rm -rf "$work"' EXIT
total_passed=0 total_failed=0 bad=''

heading() { printf '\n==> %s\n' "$*"; }
sum() { awk -v word="$1" '/^test result: / { for (i = 2; i <= NF; i++) if ($i ~ "^" word) n += $(i - 1) } END { print n + 0 }' "$work/log"; }
row() { printf '%-12s  %-14s  %6s  %6s  %7s  %7s  %s\n' "$@" >>"$work/table"; }

# run_tests <server> [--short]
run_tests() {
    local name=$1 began=$SECONDS result=ok passed failed which='all tests'
    shift
    export SERVER=$name
    if ! scripts/servers.sh "$name" || ! find_server; then
        row "$name" - - - - - 'NOT THERE'
        bad=yes
        return
    fi

    if [ $# -gt 0 ]; then
        which='shorter run'
    elif [ -n "$units_done" ]; then
        set -- --test '*'
    fi
    units_done=yes
    heading "$name: $server_kind $server_version, $which"
    scripts/test.sh "$@" 2>&1 | tee "$work/log" || result=FAILED
    passed=$(sum passed) failed=$(sum failed)
    [ "$passed" -gt 0 ] || result=FAILED
    [ "$result" = ok ] || bad=yes
    row "$name" "$server_kind $server_version" "$passed" "$failed" "$(sum ignored)" "$((SECONDS - began)) s" "$result, $which"
    sed -n "s/^test \(.*\) \.\.\. FAILED\$/failed on $name: \1/p" "$work/log" >>"$work/failures"
    total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed))
}

heading 'building the tests'
cargo test --workspace --no-run

units_done=${UNITS_DONE:-}
row server version passed failed ignored time result
if [ $# -eq 0 ]; then
    for name in $server_names; do
        if reason=$(left_out "$name"); then
            row "$name" - - - - - "left out: $reason"
        else
            set -- "$@" "$name"
        fi
    done
fi
for name in "$@"; do
    case $name in
        *:short) run_tests "${name%:short}" --short ;;
        *) run_tests "$name" ;;
    esac
done

heading summary
cat "$work/table"
cat "$work/failures" 2>/dev/null || true
echo "$total_passed passed, $total_failed failed"
[ -z "$bad" ]
