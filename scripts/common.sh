# shellcheck shell=bash disable=SC2034
# What the other scripts share. Sourced from the repository root, never run.

note() { printf 'redis-latch: %s\n' "$*"; }
die() { printf 'redis-latch: %s\n' "$*" >&2; exit 1; }

# Sets $server and $server_version to the first usable server: $SERVER if that
# is given, else what is on the PATH. On failure $server_problem says why, and
# is empty when there simply is none.
find_server() {
    if [ -n "${SERVER:-}" ]; then
        set -- "$SERVER"
        server_problem="SERVER=$SERVER is not a program that can be run"
    else
        set -- redis-server valkey-server
        server_problem=
    fi
    local name
    for name in "$@"; do
        server=$(command -v "$name") || continue
        server_version=$("$server" --version 2>/dev/null | sed -n 's/.* v=\([0-9][0-9.]*\).*/\1/p') || true
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

# Sets $module to the library that `cargo build --release` leaves, wherever
# cargo was told to put it.
find_module() {
    local target name=liblatch.so
    [ "$(uname -s)" != Darwin ] || name=liblatch.dylib
    target=$(cargo metadata --no-deps --format-version 1 |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    module=$target/release/$name
    [ -f "$module" ]
}

# The three, or one line that says what to do.
find_all() {
    find_server || die "${server_problem:-no server on the PATH: run it through make, which installs one}"
    find_cli || die 'no redis-cli on the PATH: run it through make, which installs one'
    find_module || die "no module at $module: run make build"
}
