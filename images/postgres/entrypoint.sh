#!/bin/sh
# Makes a database in an empty $PGDATA, then becomes the PostgreSQL server.
#
# The variables are those of the official image: POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, POSTGRES_USER
# (postgres), POSTGRES_DB (the user's name), POSTGRES_INITDB_ARGS. Scripts in /docker-entrypoint-initdb.d are not run.
#
# The database is made in $PGDATA/.unfinished, with a server that listens on a socket in there only, and moved up
# when it is complete. PG_VERSION comes last: where it is, the directory is never made anew. So the container may be
# killed at any time, and an open port 5432 means that all is there.
set -eu
umask 077
export LC_ALL=C.UTF-8
unfinished=$PGDATA/.unfinished

die() { # WHAT FIX
    printf 'PostgreSQL: %s\n            %s\n' "$1" "$2" >&2
    exit 1
}

# The value of NAME, or of the file that NAME_FILE names. Trailing newlines do not count.
value_of() { # NAME DEFAULT
    eval "value=\${$1-} file=\${${1}_FILE-}"
    if [ -n "$file" ]; then
        [ -r "$file" ] || die "the file $file (${1}_FILE) cannot be read by uid $(id -u)." "Give it that owner, or mode 0444."
        value=$(cat "$file")
    fi
    printf '%s' "${value:-$2}"
}

require_directory() {
    [ "$(id -u)" -ne 0 ] ||
        die "it does not run as root." "Leave the user of this service as it is, or set it to UID:GID."
    mkdir -p "$PGDATA"
    [ -O "$PGDATA" ] ||
        die "uid $(id -u) does not own the data directory $PGDATA." "Give the mounted directory that owner (chown)."
    # PostgreSQL insists. 0750 is for backups by the group.
    [ "$(stat -c %a "$PGDATA")" = 750 ] || chmod 0700 "$PGDATA"
    # Two servers would destroy the database, and PostgreSQL does not see one in another container.
    exec 9<"$PGDATA"
    status=0
    flock --nonblock --conflict-exit-code 75 9 || status=$?
    case $status in
        0) ;;
        75) die "another container is running on this data directory." "Stop it first." ;;
        *) echo "PostgreSQL: this file system has no locks; see to it that only one container uses it." >&2 ;;
    esac
}

# initdb wants its user to have a name, which an arbitrary UID has not.
named() { # COMMAND...
    if getent passwd "$(id -u)" >/dev/null; then
        "$@"
    else
        echo "postgres:x:$(id -u):$(id -g)::/:/bin/false" >"$unfinished/passwd"
        echo "postgres:x:$(id -g):" >"$unfinished/group"
        LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$unfinished/passwd NSS_WRAPPER_GROUP=$unfinished/group "$@"
    fi
}

# Makes the database whole in $unfinished/cluster.
make_cluster() {
    user=$(value_of POSTGRES_USER postgres)
    name=$(value_of POSTGRES_DB "$user")
    password=$(value_of POSTGRES_PASSWORD '')
    [ -n "$password" ] || die "there is no password." "Set POSTGRES_PASSWORD_FILE to a secret's file."
    rm -rf "$unfinished"
    mkdir "$unfinished"
    # C.UTF-8 sorts by code point, now and after any upgrade of the C library: no index goes bad.
    # shellcheck disable=SC2086  # the arguments are meant to be several
    printf '%s\n' "$password" | named initdb --pgdata="$unfinished/cluster" --username="$user" --pwfile=/dev/stdin \
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-sync --no-instructions \
        --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS-} \
        >"$unfinished/initdb.log" 2>&1 || { cat "$unfinished/initdb.log" >&2; die "initdb failed (see above)." "Correct that."; }
    echo 'host all all all scram-sha-256' >>"$unfinished/cluster/pg_hba.conf"
    # The socket is for this container's own user: what it may do, it may do to the files as well.
    cat >>"$unfinished/cluster/postgresql.conf" <<'CONF'
listen_addresses = '*'
unix_socket_directories = '/var/run/postgresql'
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
dynamic_shared_memory_type = 'sysv'  # Docker makes /dev/shm 64 MB
tcp_keepalives_idle = 300            # s; the routing mesh forgets a connection that is idle for 900
CONF
    if [ "$name" != postgres ]; then
        # No TCP, and a log in which no statement can appear.
        pg_ctl start --silent --wait --pgdata="$unfinished/cluster" --options="\
            -c listen_addresses='' -c unix_socket_directories='$unfinished' -c log_min_error_statement=panic" >&2
        psql --host="$unfinished" --username="$user" --dbname=postgres --no-psqlrc --quiet \
            --set=ON_ERROR_STOP=1 --set=name="$name" <<'SQL'
CREATE DATABASE :"name";
SQL
        pg_ctl stop --silent --wait --pgdata="$unfinished/cluster" --mode=fast >&2
    fi
    initdb --sync-only --pgdata="$unfinished/cluster" >/dev/null
    : >"$unfinished/complete"
    sync "$unfinished"
}

# Each move is one rename: what is not done yet is done at the next start.
move_cluster_up() {
    for entry in "$unfinished"/cluster/*; do
        case $entry in */PG_VERSION | */\*) ;; *) mv "$entry" "$PGDATA/" ;; esac
    done
    sync "$PGDATA"
    mv "$unfinished/cluster/PG_VERSION" "$PGDATA/"
    sync "$PGDATA"
    rm -rf "$unfinished"
}

case ${1-} in
    postgres) shift ;;
    '' | -*) ;;
    *) exec "$@" ;;
esac

trap 'exit 143' TERM INT
require_directory
if [ -e "$PGDATA/PG_VERSION" ]; then
    [ "$(cat "$PGDATA/PG_VERSION")" = 15 ] ||
        die "the data is of version $(cat "$PGDATA/PG_VERSION"), and this is version 15." "Dump it there, restore it here."
    rm -rf "$unfinished" # at most scraps, when a start was interrupted after the last move
elif [ -e "$unfinished/complete" ]; then
    move_cluster_up
elif [ -n "$(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name "${unfinished##*/}" ! -name lost+found -print -quit)" ]; then
    die "$PGDATA is not empty, and holds no database." "Mount an empty directory."
else
    make_cluster
    move_cluster_up
fi
unset POSTGRES_PASSWORD
exec postgres -D "$PGDATA" "$@"
