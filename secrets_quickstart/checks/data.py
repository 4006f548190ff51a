"""Whether a database's data and the vault belong together.  Looks and judges; what to do about it is in `steps.data`.

The vault remembers which data directory or volume it gave its passwords to (a claim), and, once a database is there,
the identifier that PostgreSQL gave it.  So an empty disk in place of a full one, another deployment's directory, and a
vault that has been made anew are all told apart.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from secrets_quickstart.catalog.databases import DATABASES, Database
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.vault import Origin, Vault

CONTROL_FILE = Path("global") / "pg_control"
IGNORED = frozenset({"lost+found"})
"""What a file system puts into an empty disk."""


class Content(Enum):
    """What is found in a place."""

    NOTHING = "nothing"
    DATABASE = "a database"
    UNFINISHED = "files, but no database"
    HIDDEN = "something that cannot be looked at from here"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database's data is: a directory, or else a Docker volume of this name."""

    database: Database
    directory: Path | None
    volume: str

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Self | None:
        """Where the settings put it; None for a database elsewhere, whose data is not in our care."""
        if database.address and urlsplit(settings[database.address]).hostname != database.service:
            return None
        directory = settings[database.directory] if database.directory else None
        return cls(database, directory, f"{settings.stack}_{database.volume}")

    @property
    def identity(self) -> str:
        """How the vault knows it."""
        return f"{self.database.name} in {self}"

    def __str__(self) -> str:
        return f"directory {self.directory}" if self.directory is not None else f"volume {self.volume}"


def places(settings: Settings, components: Collection[str]) -> tuple[Place, ...]:
    """Where the databases of these components have their data, as far as it is in our care."""
    found = (Place.of(settings, database) for database in DATABASES if database.component in components)
    return tuple(place for place in found if place is not None)


@dataclass(frozen=True, slots=True)
class Data:
    """What is in a place, and what the vault knows of it."""

    place: Place
    content: Content
    identifier: str
    """PostgreSQL's identifier of the database, "" without one."""
    claim: Mapping[str, Any] | None
    """None when this vault never gave its passwords to the place."""
    imported: bool
    """Whether an operator gave the vault the passwords and keys of an existing database."""

    @property
    def known(self) -> str:
        """The identifier of the database that the vault knows to be there, "" for none yet."""
        return str((self.claim or {}).get("identifier", ""))

    @property
    def gone(self) -> bool:
        """Nothing is there, though the vault knows a database."""
        return self.content is Content.NOTHING and bool(self.known)


def look(engine: Engine, place: Place, vault: Vault) -> Data:
    """The data as it is now; changes nothing."""
    claim = vault.claims.get(place.identity)
    secrets = place.database.secrets
    imported = all(name in vault and vault.entry(name).origin is Origin.IMPORTED for name in secrets)
    directory = place.directory or _mountpoint(engine, place.volume)
    content, identifier = (Content.NOTHING, "") if directory is None else _content(directory)
    return Data(place, content, identifier, claim, imported)


def _mountpoint(engine: Engine, volume: str) -> Path | None:
    import docker.errors

    with translated(f"the volume {volume} cannot be looked at"):
        try:
            return Path(engine.api.inspect_volume(volume)["Mountpoint"])
        except docker.errors.NotFound:
            return None


def _content(directory: Path) -> tuple[Content, str]:
    try:
        names = {path.name for path in directory.iterdir()} - IGNORED
    except FileNotFoundError:
        return Content.NOTHING, ""
    except OSError:
        return Content.HIDDEN, ""
    if not names:
        return Content.NOTHING, ""
    if "PG_VERSION" not in names:
        return Content.UNFINISHED, ""
    try:
        with (directory / CONTROL_FILE).open("rb") as file:
            return Content.DATABASE, str(struct.unpack("<Q", file.read(8))[0])
    except PermissionError:
        return Content.HIDDEN, ""
    except (OSError, struct.error):
        return Content.UNFINISHED, ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing must be started on this data."""

    what: str
    why: str
    fix: str


def refusal(data: Data) -> Refusal | None:
    """The reason not to go on, or None."""
    database = data.place.database
    match data.content:
        case Content.DATABASE if data.claim is None and not data.imported:
            return Refusal(
                f"the {data.place} holds a database that this vault does not know",
                "its passwords were set by another deployment, and only its vault has them",
                f"bring back that vault (FLOWKIT_VAULT), or import {_listed(database.secrets)} with "
                f"invoke secrets.import, or {_another(data.place)}",
            )
        case Content.DATABASE if data.claim is None and database.taken_over_with:
            return Refusal(
                f"the {data.place} holds a database from elsewhere, of which there is no dump",
                "its tables may be changed as it is taken into use, and nothing but a dump leads back",
                f"{database.taken_over_with}, which takes one; then run this again",
            )
        case Content.DATABASE if data.known and data.known != data.identifier:
            return Refusal(
                f"the {data.place} holds another database than the one this vault knows",
                f"its identifier is {data.identifier}, the vault knows {data.known}",
                "mount the right disk, or bring back the vault that belongs to this database",
            )
        case Content.NOTHING if data.gone:
            return Refusal(
                f"the {data.place} is empty, but this vault knows a database there",
                "the disk may not be mounted, or the data was deleted",
                "mount the disk; if the data is gone for good, say so with --start-empty",
            )
        case Content.UNFINISHED if data.claim is None or data.known:
            return Refusal(
                f"the {data.place} holds files, but no database",
                f"{database.title} would have to start among them",
                f"{_another(data.place)}, or empty this one",
            )
        case _:
            return None


def _another(place: Place) -> str:
    if place.directory is not None:
        return f"choose another {place.database.directory}"
    if place.database.directory:
        return f"choose a {place.database.directory}"
    return "choose another FLOWKIT_STACK"


def _listed(names: tuple[str, ...]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
