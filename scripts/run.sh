#!/usr/bin/env bash
# Starts a server with the module, in the foreground, on port $PORT (6379).
# It listens on this machine only and saves nothing unless told to.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

port=${PORT:-6379}
case $port in
    '' | *[!0-9]* | ??????*) die "PORT=$port is not a port number" ;;
esac
if [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then die "PORT=$port is not a port number"; fi
find_all
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    die "port $port is taken: stop what listens there, or choose another port: make run PORT=$((port == 65535 ? 6379 : port + 1))"
fi

# Once the server answers, say how to see a latch work. Started twice removed
# from this shell, because the server takes its place and knows of no children.
welcome() {
    until "$cli" -p "$port" ping >/dev/null 2>&1; do
        kill -0 $$ 2>/dev/null || return 0
        sleep 0.1
    done
    local show="${cli##*/}"
    [ "$port" = 6379 ] || show="$show -p $port"
    cat <<END

Server $server_version with redis-latch is on 127.0.0.1:$port; Ctrl-C stops it.
In a second terminal, a latch of one part and a client that waits for it:

    $show LATCH.SET job 1
    $show LATCH.AWAIT job 0

and in a third one, what lets it go:

    $show LATCH.COUNTDOWN job

END
}
(welcome &)

# A directory of its own, lest it load a dump that another server left here.
mkdir -p "${module%/*}/run"
exec "$server" --port "$port" --bind 127.0.0.1 --save '' --appendonly no \
    --dir "${module%/*}/run" --daemonize no --loadmodule "$module"
