"""What there is to adopt: the secret values that the running tasks of a stack have, and its data; changes nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from secrets_quickstart.catalog.components import COMPONENTS, SERVICES
from secrets_quickstart.catalog.databases import FLOWDB
from secrets_quickstart.catalog.secrets import BY_NAME
from secrets_quickstart.checks.data import Data, look, places
from secrets_quickstart.errors import QuickstartError, ServiceError, SettingsError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, membership, secrets, services
from secrets_quickstart.swarm.dumps import DATA
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.secrets import SecretObject
from secrets_quickstart.swarm.services import Service, StackState, Task
from secrets_quickstart.vault import Vault


@dataclass(frozen=True, slots=True)
class Reading:
    """One Docker secret as the tasks of a stack have it."""

    name: str
    """The file that it is mounted as: the documented name."""
    object: str
    """The Docker secret's name."""
    services: tuple[str, ...]
    value: Sensitive | None
    source: str = ""
    """The service in whose container it was read."""
    why: str = ""
    """Why it could not be read."""

    @property
    def ended(self) -> bool:
        """Whether only jobs had it, which have ended."""
        return self.value is None and all(name in SERVICES and SERVICES[name].runs_once for name in self.services)


@dataclass(frozen=True, slots=True)
class Facts:
    """A running stack, as far as a vault has to know it."""

    stack: str
    components: tuple[str, ...]
    readings: tuple[Reading, ...]
    objects: Mapping[str, SecretObject]
    data: tuple[Data, ...]
    """Of the databases that run and have their data in our care."""
    sample: bool
    """Whether FlowDB was told to make up records."""
    variables: Mapping[str, str]


def gather(settings: Settings, engine: Engine, vault: Vault) -> Facts:
    """The facts as they are now.

    Raises ServiceError when nothing runs, and SettingsError when a database has its data elsewhere than the settings
    say: the next deploy would start it on other data.
    """
    here = engine.membership()
    membership.require_usable(here)
    state = services.state(engine, settings.stack)
    if not any(task.state == task.desired == "running" for task in state.tasks):
        raise ServiceError(
            f"nothing of the stack {settings.stack} runs, so that no value can be read",
            why="Docker gives the value of a secret to running tasks and to nobody else",
            fix="set FLOWKIT_STACK to the stack that runs, or start it: while its Docker secrets are there, "
            "docker stack deploy needs no value",
        )
    components = tuple(part.name for part in COMPONENTS if any(one.name in state.services for one in part.services))
    found = [place for place in places(settings, components) if place.database.service in state.services]
    for place in found:
        source = _source(state.services[place.database.service])
        if source not in {"", str(place.directory or place.volume)}:
            variable = place.database.directory
            raise SettingsError(
                f"{place.database.title} has its data in {source}, and by the settings it would be in the {place}",
                why="the next deploy would start it on other data",
                fix=f"set {variable}={source} in .env" if variable and source.startswith("/") else "see FLOWKIT_STACK",
            )
    flowdb = state.services.get(FLOWDB.service)
    return Facts(
        settings.stack,
        components,
        tuple(_readings(engine, here.node_id, state)),
        secrets.listed(engine),
        tuple(look(engine, place, vault) for place in found),
        flowdb is not None and "FLOWDB_SAMPLE_DATA=true" in (flowdb.container.get("Env") or ()),
        settings.texts(),
    )


def _source(service: Service) -> str:
    """The directory or volume that it has its data in; "" when it mounts none there."""
    mounts = service.container.get("Mounts") or ()
    return next((str(mount.get("Source", "")) for mount in mounts if mount.get("Target") == DATA), "")


def _readings(engine: Engine, node_id: str, state: StackState) -> Iterator[Reading]:
    """Each Docker secret that tasks or services have under a name of the catalogue, read once."""
    users: dict[tuple[str, str], dict[str, list[Task]]] = {}
    for service in state.services.values():
        for mount in service.secret_names.items():
            users.setdefault(mount, {}).setdefault(service.name, [])
        for task in state.tasks_of(service):
            if task.state == task.desired == "running":
                for mount in services.secret_names(task.spec["ContainerSpec"]).items():
                    users.setdefault(mount, {}).setdefault(service.name, []).append(task)
    for (name, title), found in users.items():
        if name in BY_NAME:
            tasks = [(service, task) for service, own in found.items() for task in own]
            value, said = _read(engine, node_id, state, name, tasks)
            if value is None:
                yield Reading(name, title, tuple(found), None, why=said or f"no task of {' or '.join(found)} runs")
            else:
                yield Reading(name, title, tuple(found), value, source=said)


def _read(
    engine: Engine, node_id: str, state: StackState, name: str, tasks: Sequence[tuple[str, Task]]
) -> tuple[Sensitive | None, str]:
    """The value and the service that gave it; or None and why no task does, "" when there is none."""
    why = ""
    for service, task in tasks:
        if task.node_id != node_id:
            node = state.nodes.get(task.node_id)
            why = f"{service} runs on {node.name if node is not None else 'another node'}: run this there"
            continue
        into = io.BytesIO()
        try:
            done = containers.execute(engine, task.container_id, ["cat", f"/run/secrets/{name}"], to=into)
        except QuickstartError as error:
            why = str(error)
            continue
        if not done.status:
            return Sensitive(into.getvalue()), service
        why = f"the container of {service} does not give it: {' '.join(done.log)}"
    return None, why
