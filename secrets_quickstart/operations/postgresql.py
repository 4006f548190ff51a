"""A PostgreSQL of this stack on this machine, running or brought up for a moment; not what is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from secrets_quickstart.checks.data import Place
from secrets_quickstart.errors import HostError
from secrets_quickstart.operations import images as image_sources
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.dumps import DATA, Postgresql
from secrets_quickstart.swarm.engine import Engine

OWNER = "999:999"
"""As in the stack files."""
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


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Which PostgreSQL, and who it belongs to."""

    settings: Settings
    engine: Engine
    place: Place
    role: str
    """Its superuser."""
    database: str
    tell: Tell

    @contextmanager
    def answering(self) -> Iterator[Postgresql]:
        """The database, answering; one that does not run is brought up without a network, and stopped again."""
        service = self.place.database.service
        container = containers.of_service(self.engine, self.settings.stack, service)
        if container is not None:
            yield self._answering(container)
            return
        name = temporary_name(self.settings.stack, self.place)
        users = containers.using(self.engine, self.place.volume)
        if set(users) - {name}:
            raise HostError(
                f"the {self.place} is in use",
                why=f"by the container {', '.join(users)}, which is no running {service} of this stack",
                fix="wait until it runs, or stop it; then run this again",
            )
        with containers.temporary(
            self.engine,
            name,
            self._image(),
            SERVER,
            user=OWNER,
            environment={"POSTGRES_USER": self.role, "POSTGRES_DB": self.database},
            bind=f"{self.place.volume}:{DATA}",
        ) as temporary:
            yield self._answering(temporary)

    def _answering(self, container: str) -> Postgresql:
        found = Postgresql(self.engine, container, self.settings.base_environment)
        found.wait(self.settings.deadline)
        found.end_what_was_left()
        return found

    def _image(self) -> str:
        return image_sources.reference(self.settings, self.engine, "postgres", self.tell)


def temporary_name(stack: str, place: Place) -> str:
    """Of the container in which a database that does not run is brought up."""
    return f"{stack}_{place.database.component}_migration"


def dumps(settings: Settings) -> Path:
    """Where dumps go unless a folder is named."""
    return settings.state_dir / "dumps"


def new_dump(settings: Settings, title: str, folder: Path | None) -> Path:
    """Where the next dump goes."""
    return (folder or dumps(settings)) / f"{title}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.dump"
