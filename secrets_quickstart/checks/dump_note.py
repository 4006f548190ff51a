"""The note that a database was dumped: which one, and where the dump went; not the dump."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from secrets_quickstart.catalog.databases import Database
from secrets_quickstart.errors import VaultError
from secrets_quickstart.settings import Settings
from secrets_quickstart.vault import storage


def note_path(settings: Settings, database: Database) -> Path:
    """Where it is, beside the vault."""
    return settings.state_dir / f"{database.name}-dump.json"


@dataclass(frozen=True, slots=True)
class DumpNote:
    """Of the last dump; a database that took another's place has another identifier."""

    identifier: str
    dump: Path

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None if there is none, or it cannot be made out."""
        try:
            found = json.loads(storage.read(path)) if storage.exists(path) else {}
            return cls(str(found["identifier"]), Path(found["dump"]))
        except (VaultError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """In the place of an earlier one."""
        encoded = json.dumps({"identifier": self.identifier, "dump": str(self.dump)}).encode()
        if not storage.write_new(path, encoded):
            storage.replace(path, encoded)
