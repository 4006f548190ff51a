"""Whether a database's data and the vault belong together.  Looks and judges; what to do about it is in `steps.data`.

The vault remembers which data directory or volume it gave its passwords to (a claim), and, once a database is there,
the identifier that PostgreSQL gave it.  So an empty disk in place of a full one, another deployment's directory, and a
vault that has been made anew are all told apart.  So are data of another PostgreSQL, and tables that an upgrade would
change for good: those are looked for in the files, and a server that runs on them has the last word.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from secrets_quickstart.catalog.databases import DATABASES, POSTGRESQL, Database, Older
from secrets_quickstart.checks.dump_note import DumpNote, note_path
from secrets_quickstart.errors import QuickstartError
from secrets_quickstart.host import database_files
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.vault import Origin, Vault

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
    postgresql: str = POSTGRESQL
    """The major version of the server that is to start on it; "" when that cannot be said."""
    note: Path | None = None
    """Where a dump of it is noted."""

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Self | None:
        """Where the settings put it; None for a database elsewhere, whose data is not in our care."""
        if database.address and urlsplit(settings[database.address]).hostname != database.service:
            return None
        directory = settings[database.directory] if database.directory else None
        return cls(
            database,
            directory,
            f"{settings.stack}_{database.volume}",
            _postgresql(settings, database),
            note_path(settings, database),
        )

    @property
    def identity(self) -> str:
        """How the vault knows it."""
        return f"{self.database.name} in {self}"

    def __str__(self) -> str:
        return f"directory {self.directory}" if self.directory is not None else f"volume {self.volume}"


def _postgresql(settings: Settings, database: Database) -> str:
    """The official postgres image has the version of its tag, such as 15-bookworm."""
    if not database.owner or settings.images == "local":
        return POSTGRESQL
    found = re.match(r"\d+", settings["POSTGRES_TAG"])
    return found[0] if found is not None else ""


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
    postgresql: str = ""
    """The major version of the database, "" without one."""
    outdated: bool = False
    """Whether it has the tables of the database's `older`."""
    dumped: bool = False
    """Whether a dump of it is noted."""

    @property
    def known(self) -> str:
        """The identifier of the database that the vault knows to be there, "" for none yet."""
        return str((self.claim or {}).get("identifier", ""))

    @property
    def startable(self) -> bool:
        """Whether the server is of the PostgreSQL that made it, as far as that is known."""
        return not self.postgresql or self.place.postgresql in {"", self.postgresql}

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
    content, identifier, postgresql = (Content.NOTHING, "", "") if directory is None else _content(directory)
    outdated = directory is not None and _is_outdated(engine, place, directory, content)
    note = DumpNote.read(place.note) if place.note is not None else None
    dumped = note is not None and (note.identifier == identifier or content is Content.HIDDEN)
    return Data(place, content, identifier, claim, imported, postgresql, outdated, dumped)


def _mountpoint(engine: Engine, volume: str) -> Path | None:
    import docker.errors

    with translated(f"the volume {volume} cannot be looked at"):
        try:
            return Path(engine.api.inspect_volume(volume)["Mountpoint"])
        except docker.errors.NotFound:
            return None


def _content(directory: Path) -> tuple[Content, str, str]:
    """With the database's identifier and PostgreSQL's major version."""
    try:
        names = {path.name for path in directory.iterdir()} - IGNORED
    except FileNotFoundError:
        return Content.NOTHING, "", ""
    except OSError:
        return Content.HIDDEN, "", ""
    if not names:
        return Content.NOTHING, "", ""
    if database_files.VERSION_FILE not in names:
        return Content.UNFINISHED, "", ""
    try:
        return Content.DATABASE, database_files.identifier(directory), database_files.major(directory)
    except PermissionError:
        return Content.HIDDEN, "", ""
    except (OSError, struct.error):
        return Content.UNFINISHED, "", ""


def _is_outdated(engine: Engine, place: Place, directory: Path, content: Content) -> bool:
    """What the files say is asked of a server that runs on them: they may lag behind it."""
    older = place.database.older
    if older is None or content not in {Content.DATABASE, Content.HIDDEN}:
        return False
    try:
        found = database_files.lacks_column(directory, older.table, older.column)
    except OSError:
        found = content is Content.HIDDEN
    if not found:
        return False
    said = _asked(engine, place, older)
    return content is Content.DATABASE if said is None else said


def _asked(engine: Engine, place: Place, older: Older) -> bool | None:
    """Of whatever container runs on the data, of a stack or not; None when none can say."""
    query = (
        f"SELECT to_json(count(*) > 0 AND count(*) FILTER (WHERE column_name = '{older.column}') = 0) "  # noqa: S608  ours
        f"FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{older.table}'"
    )
    for name in containers.using(engine, place.volume):
        with contextlib.suppress(QuickstartError, ValueError):
            return bool(Postgresql(engine, name, {}).ask(query))
    return None


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
        case Content.DATABASE if not data.startable:
            return _of_another_postgresql(data)
        case Content.DATABASE | Content.HIDDEN if database.older is not None and data.outdated and not data.dumped:
            return Refusal(
                f"the {data.place} holds the database of an {database.older.title}, and no dump of it was taken",
                f"{database.older.upgrade}; nothing but a dump leads back",
                f"{database.taken_over_with}, which takes one; then run this again",
            )
        case Content.DATABASE if data.claim is None and not data.imported:
            return Refusal(
                f"the {data.place} holds a database that this vault does not know",
                "its passwords were set by another deployment, and only its vault has them",
                "bring back that vault (FLOWKIT_VAULT), or if it runs: invoke secrets.adopt, or "
                f"import {_listed(database.secrets)} with invoke secrets.import, or {_another(data.place)}",
            )
        case Content.DATABASE if data.claim is None and database.taken_over_with and not data.dumped:
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


def _of_another_postgresql(data: Data) -> Refusal:
    place, database, old = data.place, data.place.database, data.postgresql
    whose = f", of an {database.older.title}" if database.older is not None and data.outdated else ""
    if database.owner:
        run = f"docker run --detach --rm --name old --volume {place.volume}:/var/lib/postgresql/data postgres:{old}"
        dump = f"docker exec old pg_dump --format=custom --username={database.owner} {database.owner} > old.dump"
        fix = f"take a dump ({run}; {dump}; docker stop --time 60 old), and bring it in as {database.guide} says"
    else:
        fix = f"dump it where it ran (pg_dumpall) and restore it into a new one, or {_another(place)}"
    return Refusal(
        f"the {place} holds a database of PostgreSQL {old}{whose}, and {database.title} is {place.postgresql}",
        "PostgreSQL reads no data of another major version",
        fix,
    )


def _another(place: Place) -> str:
    if place.directory is not None:
        return f"choose another {place.database.directory}"
    if place.database.directory:
        return f"choose a {place.database.directory}"
    return "choose another FLOWKIT_STACK"


def _listed(names: tuple[str, ...]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
