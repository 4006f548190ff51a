"""The table of what services take beside FlowDB, whose own share is planned; limits are variables."""

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
    count: str = ""
    """The variable that says how many tasks it has; one if there is none."""


NEEDS = (
    Need("redis", 8 * MB),
    Need("flowmachine", 300 * MB),
    Need("cache_cleaner", 130 * MB),
    Need("flowapi", 100 * MB),
    Need("flowauth_postgres", 50 * MB),
    Need("flowauth_redis", 8 * MB),
    Need("flowauth", 140 * MB, "FLOWAUTH_REPLICAS"),
    Need("edge", 16 * MB),
    Need("flowetl_db", 79 * MB),
    Need("flowetl_redis", 8 * MB),
    Need("flowetl_scheduler", 190 * MB),
    Need("flowetl_webserver", 266 * MB),  # two processes
    Need("flowetl_worker", 450 * MB, "FLOWETL_WORKER_COUNT"),  # of four tasks at once
    Need("flowetl_triggerer", 200 * MB),
    Need("flowetl_flower", 118 * MB),
    Need("flowetl_log_cleaner", 4 * MB),
)
"""All services but FlowDB and jobs that end."""
