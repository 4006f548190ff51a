"""How a stack stands, as rows; it changes nothing, and asks only the swarm (asking the services is `verify`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from secrets_quickstart.catalog.components import COMPONENTS, SERVICES
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import membership, services
from secrets_quickstart.swarm.convergence import Expectation, Phase, judge
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import Service

REMEMBERED = timedelta(minutes=5)
"""How far back a crash counts for a service that is not up now."""

STATES = {Phase.CONVERGED: "up", Phase.STARTING: "starting", Phase.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Row:
    """One service."""

    service: str
    state: str
    """up, starting or failed."""
    tasks: str
    since: str
    """When its newest running task came up, by the engine's clock; "" if none runs."""
    port: str
    image: str

    def document(self) -> dict[str, Any]:
        return asdict(self)


def look(settings: Settings) -> list[Row]:
    """The services of the stack, by name."""
    engine = Engine(settings.base_environment)
    membership.require_usable(engine.membership())
    state = services.state(engine, settings.stack)
    expected = {name: _expectation(name) for name in sorted(state.services)}
    now = engine.now()
    standings = judge(state, expected, now - REMEMBERED, now)
    rows = []
    for name, standing in standings.items():
        service = state.services[name]
        running = [task for task in state.tasks_of(service) if task.state == "running"]
        since = f"{running[0].changed:%Y-%m-%d %H:%M:%S}" if running else ""
        rows.append(Row(name, STATES[standing.phase], standing.detail, since, _ports(service), service.image))
    return rows


def deployed(engine: Engine, stack: str) -> tuple[str, ...]:
    """Names of the components that the stack has a service of.  Raises ServiceError when it has none."""
    membership.require_usable(engine.membership())
    found = present(engine, stack)
    if not found:
        raise ServiceError(
            f"the stack {stack} has no services", fix="deploy it: invoke --help deploy shows the targets"
        )
    return found


def present(engine: Engine, stack: str) -> tuple[str, ...]:
    """The same, and none where there is none; this node has to be a manager."""
    running = services.state(engine, stack).services
    return tuple(part.name for part in COMPONENTS if any(service.name in running for service in part.services))


def _expectation(name: str) -> Expectation:
    row = SERVICES.get(name)
    return Expectation(row.needs, row.runs_once) if row else Expectation()


def _ports(service: Service) -> str:
    return ", ".join(str(port.get("PublishedPort", "")) for port in service.ports)
