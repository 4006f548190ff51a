"""`backup`: all that a stack is made of, sealed into one folder; how the folder looks is in `backup_folder`."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from secrets_quickstart import report
from secrets_quickstart.checks.data import Content, Place, look, places
from secrets_quickstart.errors import HostError, ServiceError
from secrets_quickstart.material.sealing import Sealer
from secrets_quickstart.operations import backup_folder, upgrade_note
from secrets_quickstart.operations.amounts import Meter
from secrets_quickstart.operations.backup_answers import IDENTITY, answers
from secrets_quickstart.operations.backup_folder import Draft
from secrets_quickstart.operations.backup_manifest import DatabasePart, Manifest
from secrets_quickstart.operations.status import deployed
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import FILE, Settings
from secrets_quickstart.swarm import containers, copies, services
from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.vault import KeyFile, Vault, key_of, storage, vault_lock

FILES = "files.age"
"""The vault, its key, the settings, the DAGs and the roles, as JSON of base64."""
PHYSICAL, LOGICAL = "physical", "logical"
SUFFIXES = {PHYSICAL: ".tar.age", LOGICAL: ".dump.age"}
ROLES_SUFFIX = ".roles.age"
VAULT, VAULT_KEY, SETTINGS, ROLES, DAGS = "vault", "vault.key", "settings", "roles.yml", "dags/"
LARGEST_FILES = 1 << 28
"""Bytes of DAGs and the like: they are held in memory, since no temporary file shall have them in clear."""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it."""

    folder: Path
    manifest: Manifest
    pruned: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.manifest.files.values())


def backup(
    settings: Settings, directory: Path, sealer: Sealer, tell: Tell, *, logical: bool, keep: int | None, command: str
) -> Made:
    """Make one whole backup in the directory, or none; then delete this stack's oldest beyond `keep`.

    Nothing else changes the stack meanwhile, and what runs goes on.  Raises QuickstartError.
    """
    with vault_lock(settings.vault_path, command):
        return taken(settings, directory, sealer, tell, logical=logical, keep=keep)


def taken(
    settings: Settings, directory: Path, sealer: Sealer, tell: Tell, *, logical: bool = False, keep: int | None = None
) -> Made:
    """The same, for one who holds the vault's lock."""
    engine = Engine(settings.base_environment)
    components = deployed(engine, settings.stack)
    vault = Vault.open(settings.vault_path, key_of(settings))  # one that cannot be opened is no backup
    upgrade_note.require_none(vault)  # it would be carried on wherever the backup is restored
    found = _running(settings, engine, components, vault)
    with backup_folder.drafted(directory, settings.stack, sealer) as (draft, final):
        draft.seal(FILES, io.BytesIO(json.dumps(_files(settings, components)).encode()))
        databases = {
            component: _copy(draft, component, database, tell, logical=logical and component == "flowdb")
            for component, database in found.items()
        }
        manifest = Manifest(
            stack=settings.stack,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            flowkit=str(settings["CONTAINER_TAG"]),
            components=components,
            services=_services(engine, settings.stack),
            environment=tuple(sorted(n for n in settings.given if not settings.where(n).startswith(FILE))),
            elsewhere=tuple(name for name in ("flowauth",) if name in components and name not in found),
            databases=databases,
            files=draft.parts,
        )
        draft.finish(manifest)
    pruned = backup_folder.prune(directory, settings.stack, keep) if keep is not None else []
    return Made(final, manifest, tuple(pruned))


def _running(settings: Settings, engine: Engine, components: tuple[str, ...], vault: Vault) -> dict[str, Postgresql]:
    """The databases in this stack's care, by component; raises ServiceError for one that does not run."""
    found = {}
    for place in places(settings, components):
        container = containers.of_service(engine, settings.stack, place.database.service)
        if container is None:
            raise ServiceError(
                f"{place.database.title} cannot be backed up",
                why=f"the service {place.database.service} does not run",
                fix="see why (invoke status), or bring it up again: invoke deploy",
            )
        _require_own(engine, place, vault)
        database = Postgresql(engine, container, settings.base_environment)
        database.wait(settings.deadline)
        database.end_what_was_left()
        found[place.database.component] = database
    return found


def _require_own(engine: Engine, place: Place, vault: Vault) -> None:
    """A vault that does not know the database has not the passwords that a restored one would want."""
    data = look(engine, place, vault)
    if data.claim is None or (data.content is Content.DATABASE and data.known and data.known != data.identifier):
        raise HostError(
            f"the {place} is not known to this vault",
            why="a backup of both could not be restored",
            fix="bring back the vault that belongs to this database, or invoke deploy, which says what is wrong",
        )


def _copy(draft: Draft, component: str, database: Postgresql, tell: Tell, *, logical: bool) -> DatabasePart:
    how = copies.streamable(database)
    if how.why_not and component != "flowdb":
        raise ServiceError(
            f"the database of {component} cannot be copied while it runs",
            why=how.why_not,
            fix="set its wal_level to replica and its max_wal_senders to 2 or more (ALTER SYSTEM), and restart it",
        )
    if how.why_not and not logical:
        report.say(f"backup: {component} is dumped (pg_dump), not copied file by file: {how.why_not}")
    kind = LOGICAL if logical or how.why_not else PHYSICAL
    identity = database.ask(IDENTITY)
    before = answers(database, component)
    meter = Meter(tell, component, how.bytes if kind == PHYSICAL else None)
    with _stream(database, kind) as stream:
        draft.seal(f"{component}{SUFFIXES[kind]}", stream, meter)
    if kind == LOGICAL:
        with copies.roles(database) as stream:
            draft.seal(f"{component}{ROLES_SUFFIX}", stream)
    after = answers(database, component)
    meter.done()
    return DatabasePart(kind, str(identity["version"]), str(identity["identifier"]), (before, after))


def _stream(database: Postgresql, kind: str) -> AbstractContextManager[BinaryIO]:
    return copies.physical(database) if kind == PHYSICAL else copies.logical(database)


def _services(engine: Engine, stack: str) -> dict[str, Mapping[str, str]]:
    """A local image has no digest of a registry's; the engine's own identity of it is one of its content."""
    import docker.errors

    found: dict[str, Mapping[str, str]] = {}
    for name, service in sorted(services.state(engine, stack).services.items()):
        with translated(f"the image of {name} cannot be looked at"):
            try:
                identity = str(engine.api.inspect_image(service.image)["Id"])
            except docker.errors.ImageNotFound:  # it is on the node that the service runs on
                identity = ""
        found[name] = {"image": service.image, "id": identity, "replicas": str(service.replicas)}
    return found


def _files(settings: Settings, components: tuple[str, ...]) -> dict[str, str]:
    """The small files by what they are, in base64."""
    found = {VAULT: storage.read(settings.vault_path)}
    key = key_of(settings)
    if isinstance(key, KeyFile):
        found[VAULT_KEY] = storage.read(key.path)
    single = {SETTINGS: settings.folder / FILE, ROLES: settings["FLOWAUTH_ROLES_FILE"]}
    try:
        found |= {name: path.read_bytes() for name, path in single.items() if path.is_file()}
        if "flowetl" in components:
            found |= _dags(settings["FLOWETL_HOST_DAG_DIR"])
    except OSError as error:
        raise HostError(
            f"{error.filename} cannot be read", why=(error.strerror or str(error)).lower(), fix="give the right"
        ) from error
    size = sum(map(len, found.values()))
    if size > LARGEST_FILES:
        raise HostError(
            f"the DAGs' directory is too large for a backup: {size / 1e6:.0f} MB",
            why="it is for DAGs, and not for data",
            fix=f"move what is no DAG out of {settings['FLOWETL_HOST_DAG_DIR']}",
        )
    return {name: b64encode(content).decode() for name, content in found.items()}


def _dags(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {f"{DAGS}{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}
