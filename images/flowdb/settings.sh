# shellcheck shell=sh
# PostgreSQL settings from the container's environment and machine. Sourced by entrypoint.sh; runs nothing itself.
# An empty variable counts as not set.

# die WHAT FIX
die() {
    printf 'FlowDB: %s\n        %s\n' "$1" "$2" >&2
    exit 1
}

value_of() {
    eval "printf '%s' \"\${$1-}\""
}

is_whole() { # TEXT
    case $1 in
        '' | *[!0-9]* | 0?*) return 1 ;;
    esac
    [ ${#1} -le 18 ]
}

require_whole() { # NAME LEAST MOST
    value=$(value_of "$1")
    [ -z "$value" ] && return
    if is_whole "$value" && [ "$value" -ge "$2" ] && [ "$value" -le "$3" ]; then return; fi
    die "$1 is '$value', which is not a whole number from $2 to $3." "Correct it, or leave it out for the default."
}

require_size() { # NAME
    value=$(value_of "$1")
    [ -z "$value" ] && return
    printf '%s' "$value" | grep -Eqx '[1-9][0-9]{0,9}(kB|MB|GB|TB)' ||
        die "$1 is '$value', which is not a size like 512MB or 4GB." "Correct it, or leave it out for the default."
}

require_flag() { # NAME
    case $(value_of "$1") in
        '' | [Tt][Rr][Uu][Ee] | [Ff][Aa][Ll][Ss][Ee]) ;;
        *) die "$1 is '$(value_of "$1")', which is neither true nor false." "Correct it, or leave it out." ;;
    esac
}

is_on() { # NAME
    case $(value_of "$1") in [Tt][Rr][Uu][Ee]) return 0 ;; *) return 1 ;; esac
}

require_valid_environment() {
    require_size SHARED_BUFFERS_SIZE
    require_size EFFECTIVE_CACHE_SIZE
    require_whole MAX_CPUS 1 1024
    require_whole MAX_WORKERS 0 1024
    require_whole MAX_WORKERS_PER_GATHER 0 1024
    require_whole MAX_LOCKS_PER_TRANSACTION 10 1000000
    require_whole STATS_TARGET 1 10000
    require_whole CACHE_SIZE 0 999999999999999999
    require_whole CACHE_PROTECTED_PERIOD 0 999999999
    printf '%s' "${CACHE_HALF_LIFE:-1000}" | grep -Eqx '[1-9][0-9]{0,8}(\.[0-9]{1,9})?|0\.0{0,8}[1-9][0-9]{0,8}' ||
        die "CACHE_HALF_LIFE is '$CACHE_HALF_LIFE', which is not a number above 0." "Correct it, or leave it out."
    require_flag NO_USE_JIT
    require_flag FLOWDB_ENABLE_POSTGRES_DEBUG_MODE
    case ${FLOWDB_LOG_DEST:=stderr} in
        stderr | jsonlog | csvlog) ;;
        *) die "FLOWDB_LOG_DEST is '$FLOWDB_LOG_DEST', which is none of stderr, jsonlog and csvlog." "Correct it." ;;
    esac
    require_flag FLOWDB_SAMPLE_DATA
    # Fewer subscribers would leave regions with 15 or less, which FlowMachine redacts.
    require_whole FLOWDB_SAMPLE_SUBSCRIBERS 400 100000
    require_whole FLOWDB_SAMPLE_DAYS 1 366
    require_whole FLOWDB_SAMPLE_SEED 0 999999999
}

# Bytes this container may use: its limit, or else the machine's memory.
memory_limit() {
    bytes=$(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) * 1024))
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        limit=$(cat "$file" 2>/dev/null) || continue
        is_whole "$limit" || continue # "max", or v1's far too large number: no limit
        [ "$limit" -ge "$bytes" ] || bytes=$limit
    done
    echo "$bytes"
}

# CPUs this container may use, rounded up.
cpu_limit() {
    cpus=$(nproc)
    quota=$(cat /sys/fs/cgroup/cpu.max 2>/dev/null ||
        cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null | xargs) || quota=
    case $quota in
        [1-9]*' '[1-9]*)
            limit=$(((${quota% *} + ${quota#* } - 1) / ${quota#* }))
            [ "$limit" -ge "$cpus" ] || cpus=$limit
            ;;
    esac
    echo "$cpus"
}

clamp() { # VALUE LEAST MOST
    if [ "$1" -lt "$2" ]; then echo "$2"; elif [ "$1" -gt "$3" ]; then echo "$3"; else echo "$1"; fi
}

disk_mb() { # size|avail
    df --block-size=1M --output="$1" "$PGDATA" | tail -n 1 | tr -d ' '
}

machine_settings() {
    memory=$(($(memory_limit) / 1048576)) # MB
    disk=$(disk_mb size)
    cpus=$(cpu_limit)
    cpus=${MAX_CPUS:-$(clamp $((cpus - 1)) 1 1024)}
    workers=$(((cpus + 1) / 2))
    # 36500 (the official default: a year of days, their indexes and more) needs 3 GB of shared memory. One slot
    # takes about 430 bytes for each of max_connections' 200; a sixteenth of the memory may go there.
    locks=$(clamp $((memory * 1048576 / 16 / 200 / 430)) 512 36500)
    max_wal=$(clamp $((disk / 20)) 1024 12288)

    cat <<SETTINGS
shared_buffers = '${SHARED_BUFFERS_SIZE:-$(clamp $((memory / 4)) 128 16384)MB}'
effective_cache_size = '${EFFECTIVE_CACHE_SIZE:-$((memory * 3 / 4))MB}'
maintenance_work_mem = '$(clamp $((memory / 16)) 64 1024)MB'
max_locks_per_transaction = ${MAX_LOCKS_PER_TRANSACTION:-$locks}
max_worker_processes = $cpus
max_parallel_workers = ${MAX_WORKERS:-$workers}
max_parallel_workers_per_gather = ${MAX_WORKERS_PER_GATHER:-$workers}
max_wal_size = '${max_wal}MB'
min_wal_size = '$((max_wal / 3))MB'
default_statistics_target = ${STATS_TARGET:-10000}
jit = $(if is_on NO_USE_JIT; then echo off; else echo on; fi)
shared_preload_libraries = 'pg_stat_statements$(if is_on FLOWDB_ENABLE_POSTGRES_DEBUG_MODE; then echo ,plugin_debugger; fi)'
log_destination = '$FLOWDB_LOG_DEST'
SETTINGS
    [ "$FLOWDB_LOG_DEST" = stderr ] || cat <<SETTINGS
# One file for each day of the week.
logging_collector = on
log_directory = 'pg_log'
log_filename = 'flowdb-%a.log'
log_rotation_age = '1d'
log_rotation_size = 0
log_truncate_on_rotation = on
SETTINGS
}
