"""A database filled from a backup, and held against it; not which place it is filled in, and why."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from secrets_quickstart.catalog.components import SERVICES
from secrets_quickstart.catalog.databases import DATABASES
from secrets_quickstart.catalog.secrets import DATABASE_PASSWORDS
from secrets_quickstart.errors import VerificationFailed
from secrets_quickstart.operations import images
from secrets_quickstart.operations.amounts import Meter
from secrets_quickstart.operations.backup import LOGICAL, PHYSICAL, ROLES_SUFFIX, SUFFIXES
from secrets_quickstart.operations.backup_answers import IDENTITY, Comparison, answers, compared
from secrets_quickstart.operations.backup_folder import Backup
from secrets_quickstart.operations.postgresql import OWNER, SERVER
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, copies
from secrets_quickstart.swarm.dumps import DATA, Postgresql
from secrets_quickstart.swarm.engine import Engine

BY_COMPONENT = {database.component: database for database in DATABASES}
HELD = """
trap exit INT TERM
exec 3<&0
cat <&3 >/dev/null &
wait
"""
"""A container that does nothing, for as long as somebody holds its input."""
FLOWDB_OWNER = "flowdb"
THROWAWAY = ("POSTGRES_PASSWORD", *DATABASE_PASSWORDS)
"""What FlowDB's images want before they make a database.  It gets a password that nobody keeps, in a container without
a network: the roles of the backup bring their own."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a database is filled in."""

    component: str
    container_name: str
    """The name of the container that does it, one at a time."""
    data: str
    """A volume, or a directory of this machine."""
    user: str = OWNER
    image: str = ""
    """Whose server it is; that of the settings if not given."""

    @contextmanager
    def container(self, settings: Settings, engine: Engine, image: str, script: str) -> Iterator[Postgresql]:
        """A container on the data, without a network, for as long as the block lasts; `script` is what runs in it.

        No other container may be on the data.
        """
        owner = BY_COMPONENT[self.component].owner or FLOWDB_OWNER
        environment = {"POSTGRES_USER": owner, "POSTGRES_DB": owner, "SHARED_BUFFERS_SIZE": "128MB"}
        environment |= dict.fromkeys(THROWAWAY, secrets.token_hex(16))
        bind = f"{self.data}:{DATA}"
        with containers.temporary(
            engine, self.container_name, image, script, user=self.user, environment=environment, bind=bind
        ) as container:
            yield Postgresql(engine, container, settings.base_environment)


@dataclass(frozen=True, slots=True)
class Refill:
    """Fills databases from one backup."""

    settings: Settings
    engine: Engine
    backup: Backup
    tell: Tell

    def fill(self, spot: Spot) -> Comparison:
        """Put the backup's database in the place of all that is there, and ask it what the one it is of was asked.

        A fill that is cut off leaves what no server starts on, and is begun anew.  Raises VerificationFailed when the
        copy is not what was backed up.
        """
        part = self.backup.manifest.databases[spot.component]
        image = spot.image or images.reference(self.settings, self.engine, _image(spot.component), self.tell)
        meter = Meter(self.tell, spot.component, self.backup.manifest.files[self._file(spot)].bytes)
        if part.kind == PHYSICAL:
            with self._container(spot, image, HELD) as database:
                with copies.unpacking(database) as sink:
                    self.backup.pour(self._file(spot), sink, meter)
                copies.settle(database)
        else:
            with self._container(spot, image, HELD) as database:
                copies.empty(database)
            with self._container(spot, image, SERVER) as database:
                database.wait(self.settings.deadline, "--host=127.0.0.1")  # there once it is made
                with copies.putting_roles(database) as sink:
                    self.backup.pour(f"{spot.component}{ROLES_SUFFIX}", sink)
                with copies.putting_dump(database) as sink:
                    self.backup.pour(self._file(spot), sink, meter)
        meter.done()
        return self._held_against(spot, image)

    def _held_against(self, spot: Spot, image: str) -> Comparison:
        part = self.backup.manifest.databases[spot.component]
        with self._container(spot, image, SERVER) as database:
            database.wait(self.settings.deadline, "--host=127.0.0.1")
            identifier = str(database.ask(IDENTITY)["identifier"])
            found = compared(*part.answers, answers(database, spot.component))
        differences = list(found.differences)
        if part.kind != LOGICAL and identifier != part.identifier:
            differences.append(f"its identifier is {identifier}, not {part.identifier}")
        if differences:
            raise VerificationFailed(
                f"the copy of {spot.component} is not what was backed up",
                why="; ".join(differences[:5]),
                fix="use another backup, and keep this one to find out why",
            )
        return found

    def _container(self, spot: Spot, image: str, script: str) -> AbstractContextManager[Postgresql]:
        return spot.container(self.settings, self.engine, image, script)

    def _file(self, spot: Spot) -> str:
        return f"{spot.component}{SUFFIXES[self.backup.manifest.databases[spot.component].kind]}"


def _image(component: str) -> str:
    """The row of `images` that the database's service runs."""
    return SERVICES[BY_COMPONENT[component].service].image
