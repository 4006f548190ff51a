"""Whether FlowDB's data and the vault belong together.  Looks and judges; what to do about it is in `steps.data`.

The vault remembers which data directory or volume it gave its passwords to (a claim), and, once a database is there,
the identifier that PostgreSQL gave it.  So an empty disk in place of a full one, another deployment's directory, and a
vault that has been made anew are all told apart.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self

from secrets_quickstart.catalog.secrets import DATABASE_PASSWORDS
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
    """Where FlowDB's data is: a directory, or else a Docker volume of this name."""

    directory: Path | None
    volume: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Where the settings put it."""
        return cls(settings["FLOWDB_DATA_DIR"], f"{settings.stack}_flowdb_data")

    @property
    def identity(self) -> str:
        """How the vault knows it."""
        return f"flowdb in {self}"

    def __str__(self) -> str:
        return f"directory {self.directory}" if self.directory is not None else f"volume {self.volume}"


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
    """Whether an operator gave the vault the passwords of an existing database."""

    @property
    def known(self) -> str:
        """The identifier of the database that the vault knows to be there, "" for none yet."""
        return str((self.claim or {}).get("identifier", ""))


def look(engine: Engine, place: Place, vault: Vault) -> Data:
    """The data as it is now; changes nothing."""
    claim = vault.claims.get(place.identity)
    imported = all(name in vault and vault.entry(name).origin is Origin.IMPORTED for name in DATABASE_PASSWORDS)
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
    """Why FlowDB must not be started on this data."""

    what: str
    why: str
    fix: str


def refusal(data: Data) -> Refusal | None:
    """The reason not to go on, or None."""
    match data.content:
        case Content.DATABASE if data.claim is None and not data.imported:
            return Refusal(
                f"the {data.place} holds a database that this vault does not know",
                "its passwords were set by another deployment, and only its vault has them",
                "bring back that vault (FLOWKIT_VAULT), or import all three passwords with "
                "invoke secrets.import, or choose another FLOWDB_DATA_DIR",
            )
        case Content.DATABASE if data.known and data.known != data.identifier:
            return Refusal(
                f"the {data.place} holds another database than the one this vault knows",
                f"its identifier is {data.identifier}, the vault knows {data.known}",
                "mount the right disk, or bring back the vault that belongs to this database",
            )
        case Content.NOTHING if data.known:
            return Refusal(
                f"the {data.place} is empty, but this vault knows a database there",
                "the disk may not be mounted, or the data was deleted",
                "mount the disk; if the data is gone for good, say so with --start-empty",
            )
        case Content.UNFINISHED if data.claim is None or data.known:
            return Refusal(
                f"the {data.place} holds files, but no database",
                "FlowDB would have to start among them",
                "choose an empty directory as FLOWDB_DATA_DIR, or empty this one",
            )
        case _:
            return None
