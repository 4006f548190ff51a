"""A quickstart from nothing with images present, against the start of each of its services alone.

Alone means: the service's specification, as quickstart deployed it, created anew through the Engine's API on networks
and with secrets that are there already, until its task is healthy, or done if it is a job.  Databases have empty
volumes; a service that needs others finds those running, since it does not start without.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any

from secrets_quickstart.catalog.components import SERVICES
from tests.bench.place import STACK, machine
from tests.bench.row import Row
from tests.swarm.machine import Machine, engine, objects

TIMES = 5
LOOK = 0.03
"""Seconds between two looks at a task."""

PATIENCE = 120
"""Seconds for what should take less than ten."""


def measure() -> Iterator[Row]:
    with machine() as here:
        here.invoke("images.build")
        rounds = [_round(here) for _ in range(TIMES)]
    up, done = (median(column) for column in zip(*(times for times, _ in rounds), strict=True))
    alone = {name: median(starts[name] for _, starts in rounds) for name in rounds[0][1]}
    longest = max(alone, key=lambda name: alone[name])
    chain = longest_chain(alone)
    for name, what in ((f"{longest}'s own start", (longest,)), (f"{', '.join(chain)} in turn", chain)):
        against = sum(alone[each] for each in what)
        yield Row("quickstart, until all is up", up, yardstick=name, against=against, most_ratio=1.3)
        yield Row("quickstart, verified", done, yardstick=name, against=against)
    for name, value in alone.items():
        yield Row(f"{name} alone, until healthy", value)


def _round(here: Machine) -> tuple[tuple[float, float], dict[str, float]]:
    """Seconds of a quickstart until all is up and until its end, then of each service alone; purged afterwards."""
    quick = quickstart(here)
    starts = alone()
    here.invoke("purge", "--stack", STACK)
    return quick, starts


def quickstart(here: Machine) -> tuple[float, float]:
    """Seconds until everything is up, which is when verification begins, and until the end."""
    start = time.perf_counter()
    up = 0.0
    lines = []
    with here.start("quickstart") as process:
        for raw in process.stderr or ():
            lines.append(raw.decode())
            if not up and lines[-1].startswith("verify:"):
                up = time.perf_counter() - start
    done = time.perf_counter() - start
    if process.returncode or not up:
        raise AssertionError("".join(lines))
    return up, done


def alone() -> dict[str, float]:
    """Seconds until each service of the running stack is healthy, when it is created anew by itself."""
    api = engine()
    listed = api.services(filters={"label": f"com.docker.stack.namespace={STACK}"})
    specifications = {item["Spec"]["Name"].removeprefix(f"{STACK}_"): item["Spec"] for item in listed}
    _remove(api, specifications)
    return {name: _start(api, specifications[name]) for name in in_order(specifications)}


def in_order(names: Iterable[str]) -> list[str]:
    """Each after those that it needs."""
    left, order = sorted(names), list[str]()
    while left:
        ready = [name for name in left if not {*SERVICES[name].needs} & {*left}]
        order += ready
        left = [name for name in left if name not in ready]
    return order


def longest_chain(seconds: Mapping[str, float]) -> tuple[str, ...]:
    """The services of which each needs the one before it, and whose starts in turn take the longest."""
    chains: dict[str, tuple[str, ...]] = {}
    for name in in_order(seconds):
        before = [chains[need] for need in SERVICES[name].needs if need in chains]
        chains[name] = (*max(before, key=lambda chain: _sum(chain, seconds), default=()), name)
    return max(chains.values(), key=lambda chain: _sum(chain, seconds))


def _sum(chain: Iterable[str], seconds: Mapping[str, float]) -> float:
    return sum(seconds[name] for name in chain)


def _remove(api: Any, specifications: dict[str, Any]) -> None:
    """Remove services and data; networks and secrets stay."""
    for name in specifications:
        api.remove_service(f"{STACK}_{name}")
    _until(lambda: not api.containers(all=True, filters={"label": f"com.docker.stack.namespace={STACK}"}))
    for name in objects(STACK)["volumes"]:
        api.remove_volume(name)


def _start(api: Any, specification: dict[str, Any]) -> float:
    name = specification["Name"]
    wanted = "complete" if SERVICES[name.removeprefix(f"{STACK}_")].runs_once else "running"
    start = time.perf_counter()
    api.create_service(
        specification["TaskTemplate"],
        name=name,
        labels=specification["Labels"],
        mode=specification["Mode"],
        endpoint_spec=specification["EndpointSpec"],
    )
    _until(lambda: any(task["Status"]["State"] == wanted for task in api.tasks(filters={"service": name})))
    return time.perf_counter() - start


def _until(holds: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"it took longer than {PATIENCE} s")
        time.sleep(LOOK)
