"""The variables of FlowMachine, its cache cleaner and its redis."""

from __future__ import annotations

from secrets_quickstart.catalog.variables.quantities import MB, TB, Duration, Flag, Integer, Port, Size
from secrets_quickstart.catalog.variables.variable import Variable
from secrets_quickstart.catalog.variables.words import Choice

LEVELS = Choice(("critical", "error", "warning", "info", "debug"))
MEMORY = Size(low=64 * MB, high=64 * TB)

VARIABLES = (
    Variable("FLOWMACHINE_PORT", Port(), "5555", "The port where FlowAPI reaches FlowMachine; not published."),
    Variable("FLOWMACHINE_SERVER_DEBUG_MODE", Flag(), "false", "Whether asyncio's debug mode is on."),
    Variable(
        "FLOWMACHINE_SERVER_DISABLE_DEPENDENCY_CACHING",
        Flag(),
        "false",
        "Whether the parts of running queries are not cached beforehand.",
    ),
    Variable("FLOWMACHINE_CACHE_PRUNING_FREQUENCY", Duration(), "86400", "How often the cache is cleaned up."),
    Variable("FLOWMACHINE_CACHE_PRUNING_TIMEOUT", Duration(), "600", "How long one clean-up may take."),
    Variable("FLOWMACHINE_LOG_LEVEL", LEVELS, "error", "How much FlowMachine says."),
    Variable(
        "FLOWMACHINE_SERVER_THREADPOOL_SIZE",
        Integer(1, 4096),
        None,
        "How many threads look after running queries.",
        otherwise="FlowMachine decides, by the number of CPUs.",
    ),
    Variable(
        "DB_CONNECTION_POOL_SIZE",
        Integer(1, 150),  # FlowDB takes 200 connections in all
        "5",
        "How many connections to FlowDB are kept, which is how many queries run at once.",
    ),
    Variable("DB_CONNECTION_POOL_OVERFLOW", Integer(0, 150), "1", "How many more may be opened if need be."),
    Variable(
        "FLOWMACHINE_REPLICAS",
        Integer(0, 16),
        "1",
        "How many FlowMachine servers run; none when it is used as a library only.",
    ),
    Variable("FLOWMACHINE_MEMORY_LIMIT", MEMORY, "2GB", "FlowMachine's container is stopped if it takes more."),
    Variable("REDIS_HOST_PORT", Port(published=True), "6379", "The port of this machine where redis answers."),
    Variable("REDIS_MEMORY_LIMIT", MEMORY, "1GB", "Redis's container is stopped if it takes more."),
)
