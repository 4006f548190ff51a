"""Waits for a stack: to come up, or to be gone.  What counts as up is judged in `convergence`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from secrets_quickstart.errors import EngineError, NotConverged
from secrets_quickstart.report import Tell
from secrets_quickstart.swarm import services
from secrets_quickstart.swarm.convergence import Expectation, Phase, Standing, judge
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.logs import last_lines

T = TypeVar("T")

LONGEST_LOOKAWAY = 0.25
"""Seconds between two looks when no event comes: a task's state is no event of its own, and changes just after one."""

SHORTEST_LOOKAWAY = 0.1
"""Seconds between two looks in a shower of events."""

LEADERLESS = 60.0
"""Seconds for which a swarm may answer nothing: electing a leader took 18 s when one was lost."""


@contextmanager
def events(engine: Engine) -> Iterator[threading.Event]:
    """A flag that is set whenever something happens to a container, service or network."""
    import docker.errors
    import requests.exceptions

    happened = threading.Event()
    with translated("the engine's events cannot be watched"):
        stream = engine.api.events(filters={"type": ["container", "service", "network", "node"]})

    def listen() -> None:
        with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException, OSError):
            for _ in stream:
                happened.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield happened
    finally:
        with contextlib.suppress(OSError, AttributeError):
            stream.close()


def wait_until_up(
    engine: Engine,
    stack: str,
    expected: Mapping[str, Expectation],
    *,
    since: datetime,
    deadline: float,
    tell: Tell,
) -> None:
    """Return when every expected service is up.

    `since` is the engine's time before the deployment, `deadline` is in seconds.  Raises NotConverged as soon as one
    cannot come up, with the last log lines of the task that failed, or when the time is over.
    """

    def look() -> Mapping[str, Standing]:
        return judge(services.state(engine, stack), expected, since, engine.now())

    end = time.monotonic() + deadline
    with events(engine) as happened:
        for standings in looks(look, happened, end):
            tell({name: standing.detail for name, standing in standings.items()})
            failed = next((s for s in standings.values() if s.phase is Phase.FAILED), None)
            if failed is not None:
                raise failure(engine, failed)
            if all(standing.phase is Phase.CONVERGED for standing in standings.values()):
                return
    late = [f"{s.service} ({s.detail})" for s in standings.values() if s.phase is not Phase.CONVERGED]
    raise NotConverged(
        f"not everything came up within {deadline:.0f} s",
        why=", ".join(late),
        fix="run this again to go on waiting, or raise FLOWKIT_DEADLINE in .env",
    )


def looks(look: Callable[[], T], happened: threading.Event, end: float) -> Iterator[T]:
    """What `look` sees, again and again until `end` (monotonic): after each event, and now and then without one.

    An engine that does not answer, or a swarm without a leader, is asked again for a while before its error is raised.
    """
    silent_since: float | None = None
    while True:
        happened.clear()
        try:
            seen = look()
        except EngineError:
            now = time.monotonic()
            silent_since = silent_since or now
            if now >= min(silent_since + LEADERLESS, end):
                raise
        else:
            silent_since = None
            yield seen
        if time.monotonic() >= end:
            return
        happened.wait(LONGEST_LOOKAWAY)
        time.sleep(SHORTEST_LOOKAWAY)


def remove_and_wait(
    engine: Engine,
    stack: str,
    *,
    deadline: float,
    tell: Tell,
    needs: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> None:
    """Remove the stack; return when no service, container or network of it is left.  Raises NotConverged when late.

    `needs` says which services each one needs to end well: those are removed after its last container has stopped.
    A deployment that follows a removal too closely fails: the network it wants is still being taken down.
    """
    end = time.monotonic() + deadline
    left: Mapping[str, int] = {}
    with events(engine) as happened:
        for left in looks(lambda: _remove_what_is_left(engine, stack, needs), happened, end):
            tell({name: f"{count} left" for name, count in left.items()})
            if not any(left.values()):
                return
    raise NotConverged(
        f"the stack {stack} was not gone within {deadline:.0f} s",
        why=", ".join(f"{count} {name} left" for name, count in left.items() if count),
        fix="run this again; a container that does not stop shows in `docker ps`",
    )


def _remove_what_is_left(engine: Engine, stack: str, needs: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Remove what can be removed now; how much of each kind was there, or still is."""
    found = services.state(engine, stack).services
    containers = services.containers(engine, stack)
    there = {*found, *(name for name, running in containers if running)}
    needed = {need for name in there for need in needs.get(name, ())}
    for name, service in found.items():
        if name not in needed:
            services.remove(engine, service)
    if not containers:
        services.remove_networks(engine, stack)
    return {
        "services": len(found),
        "containers": len(containers),
        "networks": len(services.networks(engine, stack)),
    }


def failure(engine: Engine, failed: Standing) -> NotConverged:
    """The error that says why a service cannot come up, with its last words."""
    return NotConverged(
        f"{failed.service} does not come up",
        why=failed.detail,
        fix=failed.fix,
        log=last_lines(engine, failed.task) if failed.task is not None else (),
    )
