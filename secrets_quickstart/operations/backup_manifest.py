"""The manifest of a backup: what is in it, in clear; not the files that it lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from secrets_quickstart.errors import HostError

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1 << 26


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the folder."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DatabasePart:
    """What is known of a database that is in it."""

    kind: str
    """physical or logical."""
    version: str
    """PostgreSQL's."""
    identifier: str
    """PostgreSQL's own name for it; one that is restored from a dump gets another."""
    answers: tuple[Mapping[str, Any], Mapping[str, Any]]
    """What was counted and asked before and after it was copied."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup; in clear, so it holds no secret, and sealed too, so that nobody changes it."""

    stack: str
    created: str
    flowkit: str
    """The release that the settings name."""
    components: tuple[str, ...]
    services: Mapping[str, Mapping[str, str]]
    """The stack as it was deployed: each service's image, as it was named and as the engine knows it."""
    environment: tuple[str, ...]
    """Names of the settings that came from the environment, not from `.env`: no value of theirs is kept."""
    elsewhere: tuple[str, ...]
    """Components whose database is not in this stack's care, and not in it."""
    databases: Mapping[str, DatabasePart] = field(default_factory=dict)
    """By component."""
    files: Mapping[str, Part] = field(default_factory=dict)
    format: int = FORMAT

    def encoded(self) -> bytes:
        return json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def decoded(cls, content: bytes, source: Path) -> Self:
        """Raises HostError for what is no manifest, or of a later format."""
        try:
            found = json.loads(content)
            if found["format"] != FORMAT:
                raise HostError(
                    f"{source} cannot be read",
                    why=f"its format is {found['format']}, and this version knows {FORMAT}",
                    fix="use the version of this repository that wrote it, or a later one",
                )
            files = {name: Part(**part) for name, part in found.pop("files").items()}
            databases = {
                name: DatabasePart(**{**part, "answers": tuple(part["answers"])})
                for name, part in found.pop("databases").items()
            }
            for name in ("components", "environment", "elsewhere"):
                found[name] = tuple(found[name])
            made = cls(**found, databases=databases, files=files)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise no_backup(source.parent, "its manifest is damaged") from None
        if any(Path(name).name != name for name in made.files):
            raise no_backup(source.parent, "its manifest names files elsewhere")
        return made


def read(folder: Path) -> Manifest:
    """The manifest of a backup, of which nothing is proven yet; raises HostError."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            return Manifest.decoded(file.read(LARGEST_MANIFEST), path)
    except OSError as error:
        raise no_backup(folder, f"{MANIFEST}: {(error.strerror or str(error)).lower()}") from None


def no_backup(folder: Path, why: str) -> HostError:
    return HostError(f"{folder} is no whole backup", why=why, fix="name a folder that invoke backup has made")
