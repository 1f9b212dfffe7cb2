#!/usr/bin/env bash
# Checks what the words on its command line need and installs what is missing:
#   build   a Rust toolchain (checked only), a C compiler, libclang for bindgen
#   server  a Redis or Valkey server, 7.0 or newer ($SERVER, or on the PATH)
#   redis   the redis-server of this system
#   pip     Python 3 with pip
#   cli     redis-cli
#   make    make itself
#   valgrind  where there is one: the benchmark does without, but counts less
# It does nothing, and says nothing, on a machine that has it all.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

system=$(uname -s)
packages= # for apt-get
formulas= # for Homebrew
words=    # for people

# need <Debian packages> <Homebrew formula> <what it is>
need() {
    packages="$packages${packages:+ }$1"
    case " $formulas " in *" $2 "*) ;; *) formulas="$formulas${formulas:+ }$2" ;; esac
    words="$words${words:+, }$3"
}

check_rust() {
    local wanted found minor
    wanted=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml)
    found=$(rustc --version 2>/dev/null | sed 's/^rustc \([0-9.]*\).*/\1/') || true
    if [ -z "$found" ] || ! command -v cargo >/dev/null; then
        die "Rust is missing${wanted:+ ($wanted or newer is needed)}: install it with rustup, https://rustup.rs"
    fi
    wanted=${wanted:-1.85}
    minor=${wanted#1.}
    found=${found#1.}
    if [ "${found%%.*}" -lt "${minor%%.*}" ]; then
        die "Rust 1.$found is too old, $wanted or newer is needed: run rustup update, or install rustup, https://rustup.rs"
    fi
}

# A compiler without the C library's headers does not count.
have_cc() {
    command -v cc >/dev/null || return 1
    printf '#include <stdlib.h>\nint main(void) { return 0; }\n' |
        cc -x c - -o /dev/null 2>/dev/null
}

# Searches roughly where clang-sys does (the crate through which bindgen loads
# libclang). A libclang without its builtin headers (stddef.h) does not count,
# unless the clang program is there to lend bindgen its own.
have_libclang() {
    local prefix=/nonexistent file header
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        for file in "$LIBCLANG_PATH" "$LIBCLANG_PATH"/libclang[.-]*; do
            if [ -f "$file" ]; then return 0; fi
        done
        die "LIBCLANG_PATH=$LIBCLANG_PATH holds no libclang: correct it, or unset it"
    fi
    prefix=$("${LLVM_CONFIG_PATH:-llvm-config}" --prefix 2>/dev/null) || true
    for file in "$prefix"/lib*/libclang[.-]* \
        /usr/lib*/libclang[.-]* /usr/lib*/*/libclang[.-]* /usr/lib*/*/*/libclang[.-]* \
        /usr/local/lib*/libclang[.-]* /usr/local/lib*/*/libclang[.-]* \
        /usr/local/lib*/*/*/libclang[.-]* /usr/local/llvm*/lib*/libclang[.-]*; do
        case $file in
            */libclang.so | */libclang.so.* | */libclang-[0-9]*.so*) [ -f "$file" ] || continue ;;
            *) continue ;;
        esac
        if command -v clang >/dev/null; then return 0; fi
        for header in "${file%/*}"/clang/*/include/stddef.h "${file%/*}"/../lib/clang/*/include/stddef.h; do
            if [ -f "$header" ]; then return 0; fi
        done
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_with_apt() {
    local quiet_service=
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "missing: $words; there is no sudo here, so run this as root: apt-get install -y $packages"
    fi
    note "installing $packages (apt-get, once)"
    as_root apt-get update -q || note 'apt-get update failed, trying with the package lists at hand'

    # Debian starts a service on port 6379 when redis-server is first installed.
    # Only the program is wanted here, so the service is held back, and is left
    # alone where it exists already. The mask lives in /run: no reboot keeps it.
    case " $packages " in
        *' redis-server '*)
            dpkg -s redis-server 2>/dev/null | grep -q 'ok installed' || quiet_service=yes ;;
    esac
    if [ -n "$quiet_service" ] && [ -d /run/systemd/system ]; then
        as_root systemctl --quiet --runtime mask redis-server.service 2>/dev/null || true
        trap 'as_root systemctl --quiet --runtime unmask redis-server.service' EXIT
    fi

    # shellcheck disable=SC2086 # $packages is a list
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 $packages ||
        die "apt-get could not install: $packages"

    if [ -n "$quiet_service" ]; then
        if [ -d /run/systemd/system ]; then
            as_root systemctl --quiet --runtime unmask redis-server.service
            trap - EXIT
            as_root systemctl --quiet disable redis-server.service 2>/dev/null || true
            note 'the redis-server service was left stopped and disabled; to have it: systemctl enable --now redis-server'
        else
            as_root service redis-server stop >/dev/null 2>&1 || true
        fi
    fi
}

for word in "$@"; do
    case $word in
        build)
            check_rust
            if ! have_cc; then
                [ "$system" != Darwin ] || die 'a C compiler is missing: run xcode-select --install'
                need 'gcc libc6-dev' gcc 'a C compiler'
            fi
            # Apple's compiler comes with its libclang.
            [ "$system" = Darwin ] || have_libclang || need libclang-dev llvm 'libclang and its headers' ;;
        server)
            if is_server_name "${SERVER:-}"; then
                scripts/servers.sh "$SERVER"
            elif ! find_server; then
                [ -z "$server_problem" ] || die "$server_problem"
                need redis-server redis 'a Redis or Valkey server (7.0 or newer)'
            fi ;;
        redis)
            command -v redis-server >/dev/null || [ -x /usr/bin/redis-server ] ||
                need redis-server redis redis-server ;;
        pip) find_pip || need python3-pip python 'Python 3 with pip' ;;
        cli) find_cli || need redis-tools redis redis-cli ;;
        make) command -v make >/dev/null || need make make make ;;
        valgrind)
            [ "$system" = Darwin ] || command -v valgrind >/dev/null ||
                need valgrind valgrind valgrind ;;
        *) die "setup.sh: unknown word: $word" ;;
    esac
done

[ -n "$words" ] || exit 0
if command -v apt-get >/dev/null; then
    install_with_apt
elif [ "$system" = Darwin ] && command -v brew >/dev/null; then
    note "installing $formulas (brew, once)"
    # shellcheck disable=SC2086 # $formulas is a list
    brew install $formulas
else
    die "missing: $words; install that with this system's package manager, then try again"
fi

# What came may still not do: some releases carry a server older than 7.0.
case " $* " in *' server '*) find_server || die "${server_problem:-still no server on the PATH}" ;; esac
