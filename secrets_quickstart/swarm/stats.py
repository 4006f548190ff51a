"""What the containers of a stack take of this node, as its engine counts it; other nodes' engines are not asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from secrets_quickstart.swarm.containers import Container
from secrets_quickstart.swarm.engine import Engine, translated

AT_ONCE = 32
"""The engine takes one or two seconds for each, nearly all of it waiting for its next count."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one container takes.  Network and block I/O are all since it came up."""

    service: str
    task: str
    cpu: float
    """Percent of one processor, over the last second."""
    memory: int
    """Bytes, without the files that the kernel keeps in memory as long as nobody needs the room."""
    memory_limit: int
    """Bytes; the machine's memory where the service has no limit."""
    received: int
    sent: int
    read: int
    written: int
    processes: int
    """With their threads, as the kernel counts them against a limit."""


def usage(engine: Engine, containers: Sequence[Container]) -> list[Usage]:
    """What each of them takes, asked side by side; one that has ended meanwhile is left out."""
    if not containers:
        return []
    engine.client  # noqa: B018  # connect here, not in each thread
    with ThreadPoolExecutor(min(len(containers), AT_ONCE), thread_name_prefix="stats") as pool:
        found = list(pool.map(lambda container: _ask(engine, container), containers))
    return [item for item in found if item is not None]


def _ask(engine: Engine, container: Container) -> Usage | None:
    import docker.errors

    with translated(f"it cannot be seen what {container.task} takes"):
        try:
            stats = engine.api.stats(container.id, stream=False)
        except docker.errors.NotFound:
            return None
    if not stats.get("memory_stats", {}).get("usage"):  # it stopped while the engine counted
        return None
    return read(container, stats)


def read(container: Container, stats: Mapping[str, Any]) -> Usage:
    """The engine's figures for one container, as `docker stats` takes them."""
    memory = stats["memory_stats"]
    details = memory.get("stats") or {}
    idle = details.get("total_inactive_file", details.get("inactive_file", 0))  # cgroup v1, v2
    networks = (stats.get("networks") or {}).values()
    blocks = (stats.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return Usage(
        service=container.service,
        task=container.task,
        cpu=_cpu(stats["cpu_stats"], stats["precpu_stats"]),
        memory=memory["usage"] - idle if idle < memory["usage"] else memory["usage"],
        memory_limit=memory.get("limit", 0),
        received=sum(one["rx_bytes"] for one in networks),
        sent=sum(one["tx_bytes"] for one in networks),
        read=_bytes(blocks, "read"),
        written=_bytes(blocks, "write"),
        processes=(stats.get("pids_stats") or {}).get("current", 0),
    )


def _cpu(now: Mapping[str, Any], before: Mapping[str, Any]) -> float:
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    return round(100 * used / passed * now.get("online_cpus", 1), 1) if passed > 0 and used > 0 else 0.0


def _bytes(blocks: Iterable[Mapping[str, Any]], direction: str) -> int:
    return sum(int(one["value"]) for one in blocks if str(one["op"]).lower() == direction)
