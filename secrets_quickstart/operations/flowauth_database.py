"""FlowAuth's database on this machine, running or brought up for a moment; what is done with it is in `migration`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from secrets_quickstart.catalog.components import SERVICES
from secrets_quickstart.catalog.databases import FLOWAUTH
from secrets_quickstart.checks.data import Content, Data, Place, look, refusal
from secrets_quickstart.errors import HostError, NotConverged, UsageError
from secrets_quickstart.operations.flowauth_tables import NOTE
from secrets_quickstart.operations.postgresql import Whereabouts, new_dump
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, services
from secrets_quickstart.swarm.convergence import Expectation
from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import Service
from secrets_quickstart.swarm.watching import events, looks, wait_until_up
from secrets_quickstart.vault import Vault, key_of, storage, vault_lock

SERVICE = "flowauth"


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
        return new_dump(self.settings, "flowauth", folder)

    def database(self) -> AbstractContextManager[Postgresql]:
        """The database, answering; one that does not run is brought up without a network, and stopped again."""
        uri = urlsplit(self.settings["DB_URI"])
        role, name = uri.username or "", uri.path.removeprefix("/")
        return Whereabouts(self.settings, self.engine, self.place, role, name, self.tell).answering()

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
        label = {"label": f"{services.SERVICE_NAME}={self.settings.stack}_{SERVICE}"}
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
        unclaimed = data.content is Content.DATABASE and data.claim is None
        to_be_taken_over = unclaimed and data.imported and data.startable
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
