#!/usr/bin/env bash
# A short show of what a latch does, on a private server that is gone afterwards.
# Every reply shown is a real one and is checked: a wrong one ends the show with
# a non-zero exit code.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh
find_all
case $cli in ./*) cli=$PWD/$cli ;; esac
case $server in ./*) server=$PWD/$server ;; esac
unset REDISCLI_AUTH

crowd=300

# The server and its clients run inside this directory, so that the name of the
# socket is short whatever the directory is called.
dir=$(mktemp -d "${TMPDIR:-/tmp}/redis-latch.XXXXXX")
server_pid='' watchdog_pid=''
clean_up() {
    trap - EXIT INT TERM HUP
    if [ -n "$watchdog_pid" ]; then kill "$watchdog_pid" || true; fi
    # Nothing is on disk that a gentle end would save, and KILL always works.
    if [ -n "$server_pid" ]; then kill -KILL "$server_pid" || true; fi
    wait # the clients too: each ends with its server
    cd / && rm -rf "$dir"
} 2>/dev/null
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$dir"

bold='' plain=''
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

fail() {
    printf '\nDEMO FAILED: %s\nThe last lines of the server log:\n' "$*" >&2
    tail -n 10 log >&2 || true
    exit 1
}

redis() { "$cli" -s socket --no-raw "$@"; }
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '    %s\n' "$*"; }
command_line() { printf '  $ %sredis-cli %s%s%s\n' "$bold" "$1" "$plain" "${2:+   # $2}"; }
expect() { [ "$2" = "$1" ] || fail "expected $1, got ${2:-nothing}"; }

# show <expected reply> <command>
show() {
    command_line "$2"
    local reply
    # shellcheck disable=SC2086 # a command line is words
    reply=$(redis $2) || true
    expect "$1" "$reply"
    say "$reply"
}

# Every time shown is the server's own: a client asks for TIME on the connection
# that carries its command. So the figures hold the round trip to the client,
# but not the start of a process.

# clock <file>...: every TIME reply in the files, in microseconds
clock() { awk -F '"' '/^1\) /{ s = $2 } /^2\) /{ printf "%.0f\n", s * 1000000 + $2 }' "$@"; }
ms() { printf '%d.%02d ms' "$(($1 / 1000))" "$(($1 % 1000 / 10))"; }

# timed <expected reply> <command>: sets $began and $took
timed() {
    local times
    printf 'TIME\n%s\nTIME\n' "$2" | redis >timed
    expect "$1" "$(sed -n 3p timed)"
    times=$(clock timed)
    began=${times%%[!0-9]*}
    took=$((${times##*[!0-9]} - began))
}

# until_parked <n>: returns once the server says that n clients are parked
until_parked() {
    local parked='' tries=0
    while [ "$parked" != "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 2000 ] || fail "$parked clients are parked, it should be $1"
        sleep 0.02
        parked=$(redis INFO clients | sed -n 's/^blocked_clients:\([0-9]*\).*/\1/p')
    done
}

# park <clients> <key> [command]: each in a process and on a connection of its
# own; with a command, it runs that one after its wait
park() {
    local i=0
    printf 'LATCH.AWAIT %s 60\nTIME\n%s\n' "$2" "${3:-}" >await
    rm -f client.*
    while [ "$i" -lt "$1" ]; do
        i=$((i + 1))
        redis <await >"client.$i" 2>&1 &
        eval "client_$i=$!"
    done
    until_parked "$1"
}

# released <clients> <expected reply>: checks what each of them got
released() {
    local i=0 reply
    until_parked 0
    while [ "$i" -lt "$1" ]; do
        i=$((i + 1))
        eval "wait \$client_$i" || true
        IFS= read -r reply <"client.$i" || reply=nothing
        # shellcheck disable=SC2254 # a pattern
        case $reply in $2) ;; *) fail "client $i expected $2, got $reply" ;; esac
    done
}

"$server" --port 0 --unixsocket socket --save '' --appendonly no --daemonize no \
    --maxclients 1000 --loadmodule "$module" >log 2>&1 &
server_pid=$!
# A server that hangs would keep its clients, and so the show, for ever.
(
    i=0
    while [ "$i" -lt 120 ]; do sleep 1; i=$((i + 1)); done
    kill -KILL "$server_pid"
) >/dev/null 2>&1 &
watchdog_pid=$!

tries=0
until [ "$(redis PING 2>/dev/null)" = PONG ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ] || ! kill -0 "$server_pid" 2>/dev/null; then
        fail 'the server did not start'
    fi
    sleep 0.05
done
printf 'redis-latch on server %s, private to this show. Times are the server'\''s.\n' "$server_version"

title '1. A job of three parts, and five clients that wait for it'
show OK 'LATCH.SET job 3'
command_line 'LATCH.AWAIT job 60' 'five times'
park 5 job
say 'five clients are parked'
for left in 2 1; do
    sleep 0.3
    show "(integer) $left" 'LATCH.COUNTDOWN job'
done
until_parked 5
say 'five clients are still parked'
sleep 0.3
command_line 'LATCH.COUNTDOWN job' 'the last part'
timed '(integer) 0' 'LATCH.COUNTDOWN job'
say '(integer) 0'
released 5 OK
for i in 1 2 3 4 5; do
    say "client $i: OK, $(ms $(($(clock "client.$i") - began))) after the last countdown was sent"
done

title '2. A client that comes late does not wait'
command_line 'LATCH.AWAIT job 60'
timed OK 'LATCH.AWAIT job 60'
say "OK, after $(ms "$took")"

title '3. A client that waits no longer than it wants to'
show OK 'LATCH.SET slow 1'
command_line 'LATCH.AWAIT slow 0.25'
timed '(nil)' 'LATCH.AWAIT slow 0.25'
say "(nil), after $(ms "$took")"

title '4. A latch that is deleted: an error, never a false OK'
command_line 'LATCH.AWAIT slow 60'
park 1 slow
show '(integer) 1' 'DEL slow'
released 1 '(error) LATCHGONE*'
say "the client: $(head -n 1 client.1)"

title "5. A crowd: $crowd clients, one countdown"
show OK 'LATCH.SET crowd 1'
command_line 'LATCH.AWAIT crowd 60' "$crowd times"
# Those released then wait at a second latch: the end of that many processes would
# keep the server from the processor and spoil the figure.
redis LATCH.SET door 1 >/dev/null
park "$crowd" crowd 'LATCH.AWAIT door 60'
say "$crowd clients are parked"
command_line 'LATCH.COUNTDOWN crowd'
timed '(integer) 0' 'LATCH.COUNTDOWN crowd'
say '(integer) 0'
until_parked "$crowd"
redis LATCH.COUNTDOWN door >/dev/null
released "$crowd" OK
last=$(clock client.* | sort -n | tail -n 1)
say "all $crowd got OK; the last of these $crowd processes had read it and answered after $(ms $((last - began)))"

title 'Every reply was what it should be. Try it by hand: make run'
