"""FlowAuth's database on this machine, running or brought up for a moment; what is done with it is in `migration`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from secrets_quickstart.catalog.components import SERVICES
from secrets_quickstart.catalog.databases import FLOWAUTH
from secrets_quickstart.checks.data import Content, Data, Place, look, refusal
from secrets_quickstart.errors import HostError, NotConverged, UsageError
from secrets_quickstart.operations import course
from secrets_quickstart.operations import images as image_sources
from secrets_quickstart.operations.flowauth_tables import NOTE
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, services
from secrets_quickstart.swarm.convergence import Expectation
from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import Service
from secrets_quickstart.swarm.watching import events, looks, wait_until_up
from secrets_quickstart.vault import Vault, key_of, storage, vault_lock

SERVICE = "flowauth"
PATH = "/var/lib/postgresql/data"
OWNER = "999:999"
"""As in the stack file."""
SERVER = """
trap 'kill -INT $server' INT TERM
exec 3<&0
"$(command -v entrypoint.sh || command -v docker-entrypoint.sh)" postgres </dev/null &
server=$!
{ cat <&3 >/dev/null; kill -INT $server; } &
wait $server
wait $server
"""
"""The server of our image or the official one, for as long as somebody holds the script's input."""

Tell = Callable[[Mapping[str, str]], None]


@dataclass(frozen=True, slots=True)
class Site:
    """The stack's FlowAuth and its database."""

    settings: Settings
    engine: Engine
    vault: Vault
    data: Data
    runs: bool
    """Whether the database's own service runs; otherwise it is up for as long as this command is at it."""
    tell: Tell

    @property
    def place(self) -> Place:
        return self.data.place

    @property
    def note(self) -> Path:
        return self.settings.state_dir / NOTE

    def new_dump(self, folder: Path | None) -> Path:
        """Where the next dump goes."""
        name = f"flowauth-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.dump"
        return (folder or dumps(self.settings)) / name

    @contextmanager
    def database(self) -> Iterator[Postgresql]:
        """The database, answering; one that does not run is brought up without a network, and stopped again."""
        container = containers.of_service(self.engine, self.settings.stack, FLOWAUTH.service)
        if container is not None:
            yield self._answering(container)
            return
        users = containers.using(self.engine, self.place.volume)
        name = temporary_name(self.settings.stack)
        if set(users) - {name}:
            raise HostError(
                f"the {self.place} is in use",
                why=f"by the container {', '.join(users)}, which is no running {FLOWAUTH.service} of this stack",
                fix="wait until it runs, or stop it; then run this again",
            )
        uri = urlsplit(self.settings["DB_URI"])
        owner = {"POSTGRES_USER": uri.username or "", "POSTGRES_DB": uri.path.removeprefix("/")}
        with containers.temporary(
            self.engine,
            name,
            self._image(),
            SERVER,
            user=OWNER,
            environment=owner,
            bind=f"{self.place.volume}:{PATH}",
        ) as temporary:
            yield self._answering(temporary)

    def flowauth(self) -> str | None:
        """The container of a running FlowAuth."""
        return containers.of_service(self.engine, self.settings.stack, SERVICE)

    def stop_flowauth(self) -> None:
        """Return when no container of it is left; nothing happens if it is not deployed.  Raises NotConverged."""
        service = self._service()
        if service is None:
            return
        if service.replicas:
            services.scale(self.engine, service, 0)
        label = {"label": f"com.docker.swarm.service.name={self.settings.stack}_{SERVICE}"}
        with events(self.engine) as happened:
            for left in looks(lambda: self.engine.api.containers(filters=label), happened, self._end()):
                self.tell({SERVICE: f"{len(left)} left"})
                if not left:
                    return
        raise NotConverged("FlowAuth did not stop in time", fix="run this again")

    def start_flowauth(self) -> None:
        """Return when as many as the settings say are up; nothing happens if it is not deployed."""
        service = self._service()
        if service is None:
            return
        since = self.engine.now()
        services.scale(self.engine, service, self.settings["FLOWAUTH_REPLICAS"])
        expected = {SERVICE: Expectation(SERVICES[SERVICE].needs)}
        deadline = self.settings.deadline
        wait_until_up(self.engine, self.settings.stack, expected, since=since, deadline=deadline, tell=self.tell)

    def _service(self) -> Service | None:
        if not self.engine.membership().usable:
            return None
        return services.state(self.engine, self.settings.stack).services.get(SERVICE)

    def _answering(self, container: str) -> Postgresql:
        found = Postgresql(self.engine, container, self.settings.base_environment)
        found.wait(self.settings.deadline)
        found.end_what_was_left()
        return found

    def _image(self) -> str:
        step = image_sources.step(self.settings, self.engine, ("postgres",), self.settings.images, self.tell)
        course.carry_out([[step]])
        chosen = {"POSTGRES_TAG": str(self.settings["POSTGRES_TAG"]), "POSTGRES_PIN": "", **step.environment()}
        return "{POSTGRES_IMAGE}:{POSTGRES_TAG}{POSTGRES_PIN}".format(**chosen)

    def _end(self) -> float:
        return time.monotonic() + self.settings.deadline


@contextmanager
def site(settings: Settings, command: str, tell: Tell) -> Iterator[Site]:
    """The settings' FlowAuth, with nobody else at work on the stack.

    Raises HostError for data that is not the vault's; one from elsewhere is, as soon as its secrets were imported.
    """
    place = Place.of(settings, FLOWAUTH)
    if place is None:
        raise UsageError(
            "FlowAuth's database is not in this stack's care",
            why="DB_URI names one elsewhere",
            fix="dump it there (pg_dump), then run `flask db upgrade` in FlowAuth's container",
        )
    with vault_lock(settings.vault_path, command):
        engine = Engine(settings.base_environment)
        there = storage.exists(settings.vault_path)
        vault = Vault.open(settings.vault_path, key_of(settings)) if there else Vault.in_memory()
        data = look(engine, place, vault)
        to_be_taken_over = data.content is Content.DATABASE and data.claim is None and data.imported
        reason = refusal(data)
        if reason is not None and not to_be_taken_over:
            raise HostError(reason.what, why=reason.why, fix=reason.fix)
        runs = containers.of_service(engine, settings.stack, FLOWAUTH.service) is not None
        if data.content is Content.NOTHING and not runs:
            raise HostError(
                f"there is no FlowAuth database in the {place}",
                fix="deploy FlowAuth first; or set FLOWKIT_STACK to the stack whose volume holds it",
            )
        yield Site(settings, engine, vault, data, runs, tell)


def temporary_name(stack: str) -> str:
    """Of the container in which a database that does not run is brought up."""
    return f"{stack}_flowauth_migration"


def dumps(settings: Settings) -> Path:
    """Where dumps go unless a folder is named."""
    return settings.state_dir / "dumps"
