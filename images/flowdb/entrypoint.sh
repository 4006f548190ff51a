#!/bin/sh
# Makes FlowDB's database in an empty $PGDATA, then becomes the PostgreSQL server.
#
# The database is made in $PGDATA/.flowdb-unfinished, with a server that listens on a socket in there only, and
# moved up when it is complete. $PGDATA/FLOWDB_VERSION comes last: where it is, the directory is never made anew.
# So the container may be killed at any time, and an open port 5432 means that all is there.
set -eu
umask 077
export LC_ALL=C.UTF-8

share=/usr/local/share/flowdb
unfinished=$PGDATA/.flowdb-unfinished
carriage_return=$(printf '\r')
# shellcheck source=images/flowdb/settings.sh
. "$share/settings.sh"

# Sets the variable SECRET from the first of these that is there: a file in /run/secrets, a file that NAME_FILE
# names, the variable NAME. Trailing newlines do not count.
read_secret() { # NAME...
    for name; do
        for file in "/run/secrets/$name" "$(value_of "${name}_FILE")"; do
            [ -e "$file" ] || continue
            [ -r "$file" ] || die "the secret $file cannot be read by uid $(id -u)." "Give it that owner, or mode 0444."
            secret=$(tr -d '\000' <"$file")
            secret=${secret%"$carriage_return"} # of a file with Windows' line ends
            [ -n "$secret" ] || die "the secret $file is empty." "Put a value in it."
            return
        done
        secret=$(value_of "$name")
        [ -z "$secret" ] || return 0
    done
    die "the secret $1 is missing." "Provide it as /run/secrets/$1, then start again."
}

# Prints SQL that sets the psql variable NAME to VALUE.
set_variable() { # NAME VALUE
    printf "SELECT '%s' AS %s \\\\gset\n" "$(printf '%s' "$2" | sed "s/'/''/g")" "$1"
}

read_secrets() {
    read_secret FLOWDB_POSTGRES_PASSWORD POSTGRES_PASSWORD
    flowdb_password=$secret
    read_secret FLOWMACHINE_FLOWDB_PASSWORD
    flowmachine_password=$secret
    read_secret FLOWAPI_FLOWDB_PASSWORD
    flowapi_password=$secret
    FLOWAPI_FLOWDB_USER=${FLOWAPI_FLOWDB_USER:-flowapi}
    read_secret FLOWAPI_FLOWDB_USER
    flowapi_user=$secret
    case $flowapi_user in
        flowdb | flowmachine | public | none | pg_*)
            die "FLOWAPI_FLOWDB_USER is '$flowapi_user', which is another role's name." "Choose another, like flowapi."
            ;;
    esac
    [ ${#flowapi_user} -le 63 ] || die "FLOWAPI_FLOWDB_USER is longer than 63 characters." "Choose a shorter one."
}

require_directory() {
    [ "$(id -u)" -ne 0 ] ||
        die "PostgreSQL does not run as root." "Leave the user of this service as it is, or set it to UID:GID."
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
        *) echo "FlowDB: this file system has no locks; see to it that only one container uses it." >&2 ;;
    esac
    # The file of a server that was killed names its PID: 1, which is us now. PostgreSQL's single-user mode would take us
    # for that server, and refuse to start for as long as the file is there.
    rm -f "$PGDATA/postmaster.pid"
}

# Two of PostgreSQL's programs want their user to have a name, which an arbitrary UID has not.
named() { # COMMAND...
    if getent passwd "$(id -u)" >/dev/null; then
        "$@"
    else
        echo "flowdb:x:$(id -u):$(id -g)::/:/bin/false" >"$unfinished/passwd"
        echo "flowdb:x:$(id -g):" >"$unfinished/group"
        LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$unfinished/passwd NSS_WRAPPER_GROUP=$unfinished/group "$@"
    fi
}

# Makes the database whole in $unfinished/cluster.
make_cluster() {
    echo "FlowDB: making the database" >&2
    rm -rf "$unfinished"
    mkdir "$unfinished"
    # C.UTF-8 sorts by code point, now and after any upgrade of the C library: no index goes bad.
    named initdb --pgdata="$unfinished/cluster" --username=flowdb --encoding=UTF8 --locale=C.UTF-8 \
        --data-checksums --no-sync --no-instructions --auth-local=trust --auth-host=scram-sha-256 \
        >"$unfinished/initdb.log" 2>&1 || { cat "$unfinished/initdb.log" >&2; die "initdb failed (see above)." "Correct that."; }
    cp "$share/pg_hba.conf" "$unfinished/cluster/pg_hba.conf"
    cat >"$unfinished/cluster/postgresql.conf" <<'CONF'
# Yours. flowdb.conf is written anew at every start; what follows the include, and ALTER SYSTEM, override it.
include = 'flowdb.conf'
CONF
    : >"$unfinished/cluster/flowdb.conf"

    # No TCP, no disk flushes (they come at the end), and a log in which no statement, hence no password, can appear.
    pg_ctl start --silent --wait --pgdata="$unfinished/cluster" --options="\
        -c listen_addresses='' -c unix_socket_directories='$unfinished' -c unix_socket_permissions=0700\
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0\
        -c autovacuum=off -c shared_buffers=256MB -c max_wal_size=4GB -c max_locks_per_transaction=1024 -c jit=off\
        -c dynamic_shared_memory_type=sysv -c timezone=UTC -c password_encryption=scram-sha-256\
        -c log_min_messages=fatal -c log_min_error_statement=panic" >&2
    sql='psql --host='"$unfinished"' --username=flowdb --no-password --no-psqlrc --quiet --set=ON_ERROR_STOP=1'
    $sql --dbname=postgres --command='CREATE DATABASE flowdb'
    {
        set_variable flowdb_password "$flowdb_password"
        set_variable flowmachine_password "$flowmachine_password"
        set_variable flowapi_password "$flowapi_password"
        set_variable flowapi_user "$flowapi_user"
        cat "$share"/schema/*.sql
        if is_on FLOWDB_SAMPLE_DATA; then cat "$share/sample_data.sql"; fi
    } | PGOPTIONS='-c client_min_messages=warning' $sql --dbname=flowdb --single-transaction \
        --set=version="$FLOWDB_VERSION" --set=release_date="$FLOWDB_RELEASE_DATE" \
        --set=cache_size="${CACHE_SIZE:-$(($(disk_mb avail) * 1048576 / 10))}" \
        --set=cache_half_life="${CACHE_HALF_LIFE:-1000}" \
        --set=cache_protected_period="${CACHE_PROTECTED_PERIOD:-86400}" \
        --set=subscribers="${FLOWDB_SAMPLE_SUBSCRIBERS:-400}" \
        --set=days="${FLOWDB_SAMPLE_DAYS:-7}" \
        --set=seed="${FLOWDB_SAMPLE_SEED:-1}" \
        --file=-
    if is_on FLOWDB_SAMPLE_DATA; then $sql --dbname=flowdb --command='VACUUM ANALYZE'; fi
    pg_ctl stop --silent --wait --pgdata="$unfinished/cluster" --mode=fast >&2
    initdb --sync-only --pgdata="$unfinished/cluster" >/dev/null
    echo "$FLOWDB_VERSION" >"$unfinished/FLOWDB_VERSION"
    sync "$unfinished/FLOWDB_VERSION"
    mv "$unfinished/FLOWDB_VERSION" "$unfinished/cluster/FLOWDB_VERSION"
    sync "$unfinished/cluster"
}

# Each move is one rename: what is not done yet is done at the next start.
move_cluster_up() {
    for entry in "$unfinished"/cluster/*; do
        case $entry in */FLOWDB_VERSION | */\*) ;; *) mv "$entry" "$PGDATA/" ;; esac
    done
    sync "$PGDATA"
    mv "$unfinished/cluster/FLOWDB_VERSION" "$PGDATA/"
    sync "$PGDATA"
    rm -rf "$unfinished"
    echo "FlowDB: the database is complete" >&2
}

write_settings() {
    {
        echo "# Written at every start from the container's environment: changes here are lost. Use ALTER SYSTEM."
        cat "$share/postgresql.conf"
        machine_settings
    } >"$PGDATA/flowdb.conf.new"
    mv "$PGDATA/flowdb.conf.new" "$PGDATA/flowdb.conf"
    postgres -D "$PGDATA" -C shared_buffers >/dev/null ||
        die "PostgreSQL refuses its settings (see above)." "Correct them in the environment, or in $PGDATA/postgresql.conf."
}

# The cache's settings live in a table, where FlowMachine may change them; the environment wins at a start.
write_cache_settings() {
    statements=$(
        for setting in cache_size:CACHE_SIZE half_life:CACHE_HALF_LIFE cache_protected_period:CACHE_PROTECTED_PERIOD; do
            value=$(value_of "${setting#*:}")
            [ -z "$value" ] || printf "UPDATE cache.cache_config SET value = '%s' WHERE key = '%s' AND value <> '%s';\n" \
                "$value" "${setting%:*}" "$value"
        done
    )
    [ -n "$statements" ] || return 0
    mkdir "$unfinished"
    printf '%s\n' "$statements" |
        named postgres --single -D "$PGDATA" -c exit_on_error=on -c log_min_messages=warning -c logging_collector=off \
            -c log_destination=stderr flowdb >/dev/null ||
        die "the cache's settings could not be written (see above)." "Correct that, or leave out CACHE_*."
    rm -rf "$unfinished"
}

case ${1-} in
    postgres) shift ;;
    '' | -*) ;;
    *) exec "$@" ;;
esac

trap 'exit 143' TERM INT
require_valid_environment
require_directory
if [ -e "$PGDATA/FLOWDB_VERSION" ]; then
    rm -rf "$unfinished" # at most scraps, when a start was interrupted after the last move
    is_new=false
elif [ -e "$unfinished/cluster/FLOWDB_VERSION" ]; then
    move_cluster_up
    is_new=false
elif [ -n "$(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name "${unfinished##*/}" -print -quit)" ]; then
    die "$PGDATA is not empty, and was not made by this image." "Mount an empty directory (not a file system's root)."
else
    read_secrets
    make_cluster
    move_cluster_up
    is_new=true
fi
unset FLOWDB_POSTGRES_PASSWORD POSTGRES_PASSWORD FLOWMACHINE_FLOWDB_PASSWORD FLOWAPI_FLOWDB_PASSWORD
write_settings
$is_new || write_cache_settings
exec postgres -D "$PGDATA" "$@"
