#!/bin/sh
# Makes .venv from the lock file, sees to an engine, then runs the command it was given:
#   ./bootstrap.sh invoke quickstart
# BOOTSTRAP_ENGINE=no leaves the engine alone.
set -eu
cd "$(dirname "$0")"

say() { printf 'bootstrap: %s\n' "$*" >&2; }
is_debian() { command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; }
install() {
    say "installing $*"
    log=$(mktemp)
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } \
        >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        say "apt-get could not install $*: see above"
        exit 1
    fi
    rm -f "$log"
}

# --- Python ---------------------------------------------------------------------------------------
python=""
for candidate in "${PYTHON:-python3}" python3 python3.11 python3.12 python3.13; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ] && is_debian; then
    install python3 python3-venv
    python=python3
fi
if [ -z "$python" ]; then
    say "Python 3.11 or newer is needed: install it, or name it with PYTHON=..."
    exit 1
fi

stamp=$(cksum <requirements.lock)-$("$python" -c 'import sys; print(sys.version_info[:2], sys.base_prefix)')
if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
    say "making .venv from requirements.lock"
    rm -rf .venv
    uv=uv
    if command -v uv >/dev/null 2>&1; then
        uv venv -q --python "$python" .venv
    else
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            if ! is_debian; then
                say "Python's venv module is needed: install python3-venv"
                exit 1
            fi
            install python3-venv
        fi
        "$python" -m venv .venv
        # uv is in the lock too, and takes seconds for what pip takes half a minute for
        uv=.venv/bin/uv
        awk '/^uv==/ { on = 1 } on { print; if (!/\\$/) exit }' requirements.lock >.venv/uv.lock
        .venv/bin/pip install -q --disable-pip-version-check --require-hashes -r .venv/uv.lock
    fi
    # pip knows the indexes of a pip.conf, which uv does not
    "$uv" pip sync -q --python .venv/bin/python --require-hashes requirements.lock ||
        { [ -x .venv/bin/pip ] && .venv/bin/pip install -q --require-hashes -r requirements.lock; }
    printf '%s' "$stamp" >.venv/stamp
fi

# --- the engine -----------------------------------------------------------------------------------
answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
if [ "${BOOTSTRAP_ENGINE:-yes}" != no ] && ! answers; then
    if ! is_debian; then
        say "no Docker Engine answers: install Docker 20.10 or newer, start it, and let this user reach it"
    else
        # mmdebstrap makes the base of the local images; the distribution's client builds them
        if ! command -v dockerd >/dev/null 2>&1 || ! command -v mmdebstrap >/dev/null 2>&1; then
            install docker.io mmdebstrap iptables ca-certificates
        fi
        if [ -d /run/systemd/system ]; then
            say "starting the Docker Engine"
            systemctl start docker
        else
            # left by a daemon that was killed; it would not start while some other process has that number
            for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
                case $(cat "/proc/$(cat "$file" 2>/dev/null)/comm" 2>/dev/null) in
                    dockerd | containerd) ;;
                    *) rm -f "$file" ;;
                esac
            done
            log=/var/log/dockerd.log
            say "starting the Docker Engine in the background, its log is $log"
            # tasks whose image is here need no registry
            DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1 setsid dockerd >>"$log" 2>&1 </dev/null &
        fi
        tries=0
        until answers; do
            tries=$((tries + 1))
            if [ "$tries" -ge 300 ]; then
                say "the Docker Engine does not answer after 60 s; its last lines:"
                tail -n 20 "${log:-/dev/null}" >&2
                exit 1
            fi
            sleep 0.2
        done
    fi
fi

[ $# -gt 0 ] || set -- invoke --list
PATH="$PWD/.venv/bin:$PATH"
VIRTUAL_ENV="$PWD/.venv"
export PATH VIRTUAL_ENV
exec "$@"
