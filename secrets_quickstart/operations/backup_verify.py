"""`backup.verify`: a backup opened, its databases restored beside what runs, held against it, and taken away again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.material.sealing import Opener
from secrets_quickstart.operations.amounts import Meter
from secrets_quickstart.operations.backup import FILES
from secrets_quickstart.operations.backup_answers import Comparison
from secrets_quickstart.operations.backup_folder import Backup, require_whole
from secrets_quickstart.operations.backup_manifest import Manifest
from secrets_quickstart.operations.refill import Refill, Spot
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, volumes
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import vault_lock


@dataclass(frozen=True, slots=True)
class Verified:
    """A backup that was found good."""

    manifest: Manifest
    databases: Mapping[str, Comparison]
    """By component."""


def verify(
    settings: Settings, folder: Path, opener: Callable[[bytes | None], Opener], tell: Tell, command: str
) -> Verified:
    """Open every file and restore every database in a container without a network; nothing of it is left.

    Raises HostError or MaterialError for files that are not as they were written, VerificationFailed for databases.
    """
    with vault_lock(settings.vault_path, command):
        engine = Engine(settings.base_environment)
        backup = Backup.open(folder, opener)
        whole(backup, tell)
        json.loads(backup.read(FILES))
        refill = Refill(settings, engine, backup, tell)
        databases = {name: _verified(refill, settings.stack, name) for name in backup.manifest.databases}
        return Verified(backup.manifest, databases)


def whole(backup: Backup, tell: Tell) -> None:
    """Read every file to its end; raises HostError for one that is not as it was written."""
    for name, part in backup.manifest.files.items():
        meter = Meter(tell, name, part.bytes)
        require_whole(backup.folder, {name: part}, lambda _, read, meter=meter: meter(read))  # type: ignore[misc]


def _verified(refill: Refill, stack: str, component: str) -> Comparison:
    name = verifying(stack, component)
    discard(refill.engine, stack, component)
    try:
        volumes.make(refill.engine, stack, name)
        return refill.fill(Spot(component, name, name))
    finally:
        discard(refill.engine, stack, component)


def verifying(stack: str, component: str) -> str:
    """Of the container, and of the volume, in which a copy is held against its backup."""
    return f"{stack}_{component}_verifying"


def discard(engine: Engine, stack: str, component: str) -> None:
    """Remove both; nothing happens if there are none."""
    name = verifying(stack, component)
    containers.discard(engine, name)
    volumes.remove(engine, name)
