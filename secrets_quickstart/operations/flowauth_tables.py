"""What is in FlowAuth's database, whichever FlowAuth made it, and the note of a migration that is under way."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.vault import storage

BEFORE_ROLES = frozenset({"user", "server", "group", "server_capability"})
"""Tables of FlowAuth before 1.18.1, as far as they tell it."""
SINCE_ROLES = frozenset({"user", "server", "role", "scope", "token_history", "alembic_version"})

NOTE = "flowauth-migration.json"
"""The note's file, beside the vault."""

IDENTIFIER = "SELECT to_json(system_identifier::text) FROM pg_control_system()"
TABLES = "SELECT json_agg(table_name) FROM information_schema.tables WHERE table_schema = 'public'"
CONTENT = """
SELECT json_build_object(
    'users', (SELECT coalesce(json_agg(username ORDER BY username), '[]') FROM "user"),
    'servers', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM server),
    'two_factor', (SELECT count(*) FROM two_factor_auth))
"""
WITHOUT_SCOPES = """
SELECT json_agg(name ORDER BY name) FROM server
WHERE NOT EXISTS (SELECT FROM scope WHERE scope.server_id = server.id)
"""


@dataclass(frozen=True, slots=True)
class Census:
    """Who and what is in FlowAuth's database; no password, no token."""

    tables: frozenset[str]
    users: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    two_factor: int = 0
    """Users with a two-factor secret, which is encrypted with the Fernet key."""
    without_scopes: tuple[str, ...] = ()
    """Servers whose specification has to be uploaded."""

    @property
    def is_flowauth(self) -> bool:
        return {"user", "server"} <= self.tables

    @property
    def is_old(self) -> bool:
        """Of FlowAuth before 1.18.1."""
        return self.tables >= BEFORE_ROLES and "role" not in self.tables

    @property
    def is_new(self) -> bool:
        return self.tables >= SINCE_ROLES and "group" not in self.tables

    def __str__(self) -> str:
        return f"{len(self.users)} users, {len(self.servers)} servers"

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        tables = "groups" if self.is_old else "roles" if self.is_new else "none"
        return {"tables": tables, "users": len(self.users), "servers": len(self.servers)}


def census(database: Postgresql) -> Census:
    """What is there now."""
    tables = frozenset(database.ask(TABLES) or ())
    if not {"user", "server", "two_factor_auth"} <= tables:
        return Census(tables)
    found = database.ask(CONTENT)
    without = (database.ask(WITHOUT_SCOPES) or ()) if "scope" in tables else found["servers"]
    return Census(tables, tuple(found["users"]), tuple(found["servers"]), int(found["two_factor"]), tuple(without))


def identifier(database: Postgresql) -> str:
    """PostgreSQL's own name for it, as the vault knows it."""
    return str(database.ask(IDENTIFIER))


@dataclass(frozen=True, slots=True)
class Note:
    """What a migration has to remember until it is checked: names, no value."""

    identifier: str
    dump: Path
    users: tuple[str, ...]
    servers: tuple[str, ...]
    checked: bool = False

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None if there is none, or it cannot be made out."""
        if not storage.exists(path):
            return None
        try:
            found = json.loads(storage.read(path))
            users, servers = tuple(map(str, found["users"])), tuple(map(str, found["servers"]))
            return cls(str(found["identifier"]), Path(found["dump"]), users, servers, bool(found["checked"]))
        except (ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        content = {
            "identifier": self.identifier,
            "dump": str(self.dump),
            "users": self.users,
            "servers": self.servers,
            "checked": self.checked,
        }
        encoded = json.dumps(content).encode()
        if not storage.write_new(path, encoded):
            storage.replace(path, encoded)


def forget(path: Path) -> None:
    """Remove the note; nothing happens if there is none."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
