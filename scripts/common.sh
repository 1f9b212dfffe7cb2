# shellcheck shell=bash disable=SC2034
# What the other scripts share. Sourced from the repository root, never run.

note() { printf 'redis-latch: %s\n' "$*"; }
die() { printf 'redis-latch: %s\n' "$*" >&2; exit 1; }

# The one list of servers that the module was run on: those that scripts/servers.sh
# brings, and those that were brought by hand. README.md and docs/operating.md name
# them; tests/readme.rs sees to it.
server_names='redis-7.0 redis-8.2 redis-8.10 valkey-8.0 valkey-8.1 valkey-9.1.0 valkey-9.1'
by_hand='redis-7.2 redis-7.4 redis-8.0 redis-8.6 valkey-7.2'

is_server_name() { case " $server_names " in *" ${1:-no} "*) ;; *) return 1 ;; esac; }
server_file() { echo "$PWD/servers/$1/${1%-*}-server"; }

version_of() { "$1" --version 2>/dev/null | sed -n 's/.* v=\([0-9][0-9.]*\).*/\1/p' || true; }

# has_version <server> <version>: may a server of that version have that name?
has_version() { case $2. in "${1##*-}".*) ;; *) return 1 ;; esac; }

# left_out <server>: prints why this machine cannot have it, or fails if it can.
left_out() {
    local minor ID='' VERSION_ID=''
    case $1 in
        redis-8.10)
            minor=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc 2\.\([0-9]*\).*/\1/p')
            [ "${minor:-0}" -lt 38 ] || return 1
            echo "it needs glibc 2.38 or newer, and this system has ${minor:+glibc 2.}${minor:-none}" ;;
        valkey-8.0)
            # shellcheck source=/dev/null
            [ ! -r /etc/os-release ] || . /etc/os-release
            [ "$ID $VERSION_ID" != 'debian 12' ] || return 1
            echo 'it is of the backports of Debian 12, and this system is not Debian 12' ;;
        *) return 1 ;;
    esac
}

# Sets $server, $server_version and $server_kind (Redis, Valkey) to the first
# usable server: $SERVER, a name or a path, if that is given, else what is on the
# PATH. On failure $server_problem says why, and is empty when there simply is
# none.
find_server() {
    if is_server_name "${SERVER:-}"; then
        set -- "$(server_file "$SERVER")"
        server_problem="$SERVER is not in the folder servers: $(left_out "$SERVER" || echo run make servers)"
    elif [ -n "${SERVER:-}" ]; then
        set -- "$SERVER"
        server_problem="SERVER=$SERVER is neither a program that can be run nor one of: $server_names"
    else
        set -- redis-server valkey-server
        server_problem=
    fi
    local name
    for name in "$@"; do
        server=$(command -v "$name") || continue
        case $server in /*) ;; *) server=$PWD/$server ;; esac
        server_version=$(version_of "$server")
        server_kind=$("$server" --version 2>/dev/null | sed 's/ .*//') || true
        if [ -z "$server_version" ]; then
            server_problem="$server is not a Redis or Valkey server"
        elif [ "${server_version%%.*}" -lt 7 ]; then
            server_problem="$server is version $server_version, 7.0 or newer is needed: give the path of a newer one as SERVER=<path>"
        else
            return 0
        fi
    done
    return 1
}

# Sets $cli to a command line client: from the PATH, else from beside $SERVER.
find_cli() {
    local dir=. name
    case ${SERVER:-} in */*) dir=${SERVER%/*} ;; esac
    for name in redis-cli valkey-cli "$dir/redis-cli" "$dir/valkey-cli"; do
        cli=$(command -v "$name") && return 0
    done
    return 1
}

# Sets $python to a Python that has pip.
find_pip() {
    for python in python3 /usr/bin/python3; do
        if "$python" -m pip --version >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

# Sets $module to the library that `cargo build --release` leaves, wherever
# cargo was told to put it; with `debug`, the one that `cargo build` leaves.
find_module() {
    local target name=liblatch.so
    [ "$(uname -s)" != Darwin ] || name=liblatch.dylib
    target=$(cargo metadata --no-deps --format-version 1 |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    module=$target/${1:-release}/$name
    [ -f "$module" ]
}

# The three, or one line that says what to do.
find_all() {
    find_server || die "${server_problem:-no server on the PATH: run it through make, which installs one}"
    find_cli || die 'no redis-cli on the PATH: run it through make, which installs one'
    find_module || die "no module at $module: run make build"
}
