"""The table of what services take beside FlowDB, whose own share is planned, and of what bounds them."""

from __future__ import annotations

from dataclasses import dataclass

from secrets_quickstart.catalog.variables.quantities import MB


@dataclass(frozen=True, slots=True)
class Need:
    """The memory of one task of a service, in bytes: measured with `docker stats` when it had nothing to do.

    Work comes on top: a query's result in FlowMachine, a task in a worker.  Limits are well above.
    """

    service: str
    idle: int
    limit: str
    """The variable beyond which a task of it is stopped."""
    count: str = ""
    """The variable that says how many tasks it has; one if there is none."""


NEEDS = (
    Need("redis", 8 * MB, "REDIS_MEMORY_LIMIT"),
    Need("flowmachine", 300 * MB, "FLOWMACHINE_MEMORY_LIMIT"),
    Need("cache_cleaner", 130 * MB, "FLOWMACHINE_MEMORY_LIMIT"),
    Need("flowapi", 100 * MB, "FLOWAPI_MEMORY_LIMIT"),
    Need("flowauth_postgres", 50 * MB, "FLOWAUTH_MEMORY_LIMIT"),
    Need("flowauth_redis", 8 * MB, "FLOWAUTH_MEMORY_LIMIT"),
    Need("flowauth", 140 * MB, "FLOWAUTH_MEMORY_LIMIT", "FLOWAUTH_REPLICAS"),
    Need("edge", 16 * MB, "EDGE_MEMORY_LIMIT"),
    Need("flowetl_db", 79 * MB, "FLOWETL_MEMORY_LIMIT"),
    Need("flowetl_redis", 8 * MB, "FLOWETL_MEMORY_LIMIT"),
    Need("flowetl_scheduler", 190 * MB, "FLOWETL_MEMORY_LIMIT"),
    Need("flowetl_webserver", 266 * MB, "FLOWETL_MEMORY_LIMIT"),  # two processes
    Need("flowetl_worker", 450 * MB, "FLOWETL_MEMORY_LIMIT", "FLOWETL_WORKER_COUNT"),  # of four tasks at once
    Need("flowetl_triggerer", 200 * MB, "FLOWETL_MEMORY_LIMIT"),
    Need("flowetl_flower", 118 * MB, "FLOWETL_MEMORY_LIMIT"),
    Need("flowetl_log_cleaner", 4 * MB, "FLOWETL_MEMORY_LIMIT"),
)
"""All services but FlowDB and jobs that end."""
