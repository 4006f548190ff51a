"""How a stack stands, as rows; it changes nothing, and asks only the swarm (asking the services is `verify`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from secrets_quickstart.catalog.components import COMPONENTS, SERVICES
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, membership, services
from secrets_quickstart.swarm.containers import Container
from secrets_quickstart.swarm.convergence import Expectation, Phase, judge
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import Service, Task

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
    health: str
    """What its health checks say, the worst of its running tasks; unchecked where there is none, "" if no task runs."""
    digest: str
    """The registry's digest that the service asks for; "" for an image that no registry has, such as a local one."""
    image_id: str
    """The digest by which this engine knows the image that runs; "" if none runs on this node."""

    @property
    def reference(self) -> str:
        """The image by its name, without its digest."""
        return self.image.partition("@")[0]

    @property
    def short(self) -> str:
        """Of the registry's digest, or else of the one by which this engine knows the image, as much as is unique."""
        return (self.digest or self.image_id).removeprefix("sha256:")[:12]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def look(settings: Settings, engine: Engine | None = None) -> list[Row]:
    """The services of the stack, by name."""
    engine = engine or Engine(settings.base_environment)
    membership.require_usable(engine.membership())
    state = services.state(engine, settings.stack)
    expected = {name: _expectation(name) for name in sorted(state.services)}
    now = engine.now()
    standings = judge(state, expected, now - REMEMBERED, now)
    here = {container.task_id: container for container in containers.of_stack(engine, settings.stack)}
    rows = []
    for name, standing in standings.items():
        service = state.services[name]
        tasks = [task for task in state.tasks_of(service) if task.state in {"starting", "running"}]
        running = [task for task in tasks if task.state == "running"]
        found = [here[task.id] for task in tasks if task.id in here]
        rows.append(
            Row(
                service=name,
                state=STATES[standing.phase],
                tasks=standing.detail,
                since=f"{running[0].changed:%Y-%m-%d %H:%M:%S}" if running else "",
                port=_ports(service),
                image=service.image,
                health=_health(service, tasks, here),
                digest=service.image.partition("@")[2],
                image_id=found[0].image_id if found else "",
            )
        )
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


def _health(service: Service, tasks: Sequence[Task], here: Mapping[str, Container]) -> str:
    """On other nodes, as the swarm has it: a task is not running before it is healthy."""
    if not tasks:
        return ""
    if not service.has_health_check:
        return "unchecked"
    elsewhere = {"running": "healthy", "starting": "starting"}
    found = {here[task.id].health if task.id in here else elsewhere[task.state] for task in tasks}
    return next((word for word in ("unhealthy", "starting", "healthy") if word in found), "")


def _ports(service: Service) -> str:
    return ", ".join(str(port.get("PublishedPort", "")) for port in service.ports)
