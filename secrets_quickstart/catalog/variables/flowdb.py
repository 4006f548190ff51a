"""The variables of FlowDB."""

from __future__ import annotations

from secrets_quickstart.catalog.variables.quantities import (
    MB,
    TB,
    Duration,
    Flag,
    Integer,
    Number,
    Port,
    Size,
    group_id,
    user_id,
)
from secrets_quickstart.catalog.variables.variable import Variable
from secrets_quickstart.catalog.variables.words import Choice, Fixed, Location, RoleName

PLANNED = "planned from this machine's memory and CPUs; `invoke doctor` shows the plan."
HOST_USER = "with FLOWDB_DATA_DIR the owner of that directory, or of this account; otherwise the image's postgres."

VARIABLES = (
    Variable("FLOWDB_HOST_PORT", Port(published=True), "9000", "The port of this machine where FlowDB answers."),
    Variable(
        "FLOWDB_DATA_DIR",
        Location(),
        None,
        "The directory of this machine that holds FlowDB's data.",
        otherwise="a Docker volume holds it.",
    ),
    Variable(
        "FLOWDB_ETL_DIR",
        Location(),
        ".flowkit/etl",
        "The directory with files to load; FlowDB sees it, read-only, as /etl.",
    ),
    Variable(
        "FLOWDB_HOST_USER_ID",
        user_id(),
        None,
        "The uid that FlowDB runs as; it owns FLOWDB_DATA_DIR. Only of use with that.",
        otherwise=HOST_USER,
    ),
    Variable("FLOWDB_HOST_GROUP_ID", group_id(), None, "The gid that FlowDB runs as, likewise.", otherwise=HOST_USER),
    Variable(
        "FLOWMACHINE_FLOWDB_USER",
        Fixed("flowmachine", "FlowMachine gives its tables to a role of that name, whatever this says"),
        "flowmachine",
        "FlowMachine's role in FlowDB.",
    ),
    Variable(
        "FLOWAPI_FLOWDB_USER", RoleName(), "flowapi", "FlowAPI's role in FlowDB; not changed after the first start."
    ),
    Variable(
        "CACHE_SIZE",
        Size(low=1, high=1024 * TB, plain=True),
        None,
        "How large the query cache may grow. Read at the first start only, like the next two.",
        otherwise="a tenth of the space that is free in the data directory.",
    ),
    Variable("CACHE_PROTECTED_PERIOD", Duration(low=0), "86400", "How long a new cache table is safe from clean-up."),
    Variable("CACHE_HALF_LIFE", Number(999_999_999), "1000", "How fast cache tables expire that are not used."),
    Variable(
        "MAX_CPUS",
        Integer(1, 1024),
        None,
        "How many CPUs may be used to run queries in parallel.",
        otherwise=PLANNED,
    ),
    Variable("MAX_WORKERS", Integer(0, 1024), None, "How many CPUs one query may use.", otherwise=PLANNED),
    Variable(
        "MAX_WORKERS_PER_GATHER",
        Integer(0, 1024),
        None,
        "How many CPUs one part of a query may use.",
        otherwise=PLANNED,
    ),
    Variable(
        "SHARED_BUFFERS_SIZE",
        Size(low=MB, high=8 * TB),
        None,
        "PostgreSQL's own cache.",
        otherwise=PLANNED,
    ),
    Variable(
        "EFFECTIVE_CACHE_SIZE",
        Size(low=MB, high=8 * TB),
        None,
        "How much cache PostgreSQL supposes there is, its own and the kernel's together.",
        otherwise=PLANNED,
    ),
    Variable(
        "MAX_LOCKS_PER_TRANSACTION",
        Integer(10, 1_000_000),
        None,
        "How many tables one transaction may touch. FlowKit's own 36500 take 3 GB of memory.",
        otherwise=PLANNED,
    ),
    Variable(
        "FLOWDB_SHM_SIZE",
        Size(low=64 * MB, high=8 * TB, plain=True),
        None,
        "The size of /dev/shm, which parallel queries work in.",
        otherwise=PLANNED,
    ),
    Variable(
        "FLOWDB_MEMORY_LIMIT",
        Size(low=256 * MB, high=64 * TB),
        None,
        "FlowDB's container is stopped if it takes more than this.",
        otherwise=PLANNED,
    ),
    Variable("STATS_TARGET", Integer(1, 10000), "10000", "How thoroughly tables are analysed for the query planner."),
    Variable("NO_USE_JIT", Flag(), "false", "Whether just-in-time compilation of queries is turned off."),
    Variable(
        "FLOWDB_LOG_DEST",
        Choice(("jsonlog", "csvlog", "stderr")),
        None,
        "The form of PostgreSQL's log: stderr is what `invoke logs` shows, the others are files among the data.",
        otherwise="jsonlog with official images, stderr with local ones.",
    ),
    Variable("FLOWDB_ENABLE_POSTGRES_DEBUG_MODE", Flag(), "false", "Whether pgAdmin's debugger can be used."),
    Variable(
        "FLOWDB_SAMPLE_DATA",
        Flag(),
        "false",
        "Whether a new FlowDB is filled with made-up call records (local images only). "
        "`invoke quickstart` does so unless this says false.",
    ),
    Variable("FLOWDB_SAMPLE_SUBSCRIBERS", Integer(400, 100_000), "400", "How many subscribers are made up."),
    Variable("FLOWDB_SAMPLE_DAYS", Integer(1, 366), "7", "For how many days."),
    Variable("FLOWDB_SAMPLE_SEED", Integer(0, 999_999_999), "1", "The same number gives the same records."),
)
