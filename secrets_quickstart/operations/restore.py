"""`restore`: from a backup's folder to the same system, on a machine that has nothing of it yet."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self

from secrets_quickstart import audit, report
from secrets_quickstart.checks.data import Content, Place, look, places
from secrets_quickstart.errors import HostError, UsageError, VaultError
from secrets_quickstart.host import files
from secrets_quickstart.material.sealing import Opener
from secrets_quickstart.operations import course
from secrets_quickstart.operations.backup import DAGS, FILES, LOGICAL, ROLES, SETTINGS, VAULT, VAULT_KEY
from secrets_quickstart.operations.backup_answers import Comparison
from secrets_quickstart.operations.backup_folder import Backup
from secrets_quickstart.operations.backup_manifest import Manifest
from secrets_quickstart.operations.backup_verify import whole
from secrets_quickstart.operations.deploy import Outcome, deploy
from secrets_quickstart.operations.deployment import Order, order_of
from secrets_quickstart.operations.refill import Refill, Spot
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import FILE, Settings, load
from secrets_quickstart.steps.directories import POSTGRES, DirectoriesStep
from secrets_quickstart.swarm import services, volumes
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import KeyFile, Vault, key_of, storage, vault_lock

NOTE = "restore.json"


@dataclass(slots=True)
class Note:
    """How far a restore has come, beside the vault; a later run of it goes on from there."""

    path: Path
    mark: str
    """Of the backup."""
    filled: list[str] = field(default_factory=list)
    """Components whose database is there."""
    done: bool = False

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None if there is none, or it cannot be made out."""
        try:
            found = json.loads(storage.read(path)) if storage.exists(path) else {}
            return cls(path, str(found["mark"]), [str(name) for name in found["filled"]], bool(found["done"]))
        except (VaultError, ValueError, KeyError, TypeError):
            return None

    def write(self) -> None:
        encoded = json.dumps({"mark": self.mark, "filled": self.filled, "done": self.done}).encode()
        if not storage.write_new(self.path, encoded):
            storage.replace(self.path, encoded)


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it."""

    settings: Settings
    manifest: Manifest
    order: Order
    databases: Mapping[str, Comparison]
    """Those that this run filled, by component."""
    outcome: Outcome | None
    """None where it had been restored before."""


def restore(
    settings: Settings, folder: Path, opener: Callable[[bytes | None], Opener], tell: Tell, command: str
) -> Restored:
    """Bring back settings, vault, files and databases, then deploy and verify.  A run that was cut off is carried on.

    Nothing that is there is written over: raises HostError or UsageError, as long as nothing has been changed, where
    there is another vault, other data or other settings; MaterialError for a backup that is damaged.
    """
    backup = Backup.open(folder, opener)
    whole(backup, tell)
    contents = {name: b64decode(text) for name, text in json.loads(backup.read(FILES)).items()}
    settings = _with_settings(settings, backup.manifest, contents.get(SETTINGS))
    order = _order(backup.manifest)
    with vault_lock(settings.vault_path, command):
        engine = Engine(settings.base_environment)
        note = Note.read(settings.state_dir / NOTE)
        if note is None:
            _require_nothing(settings, engine, order, contents)
            note = Note(settings.state_dir / NOTE, backup.mark)
            note.write()
        elif note.mark != backup.mark:
            raise HostError(
                f"the stack {settings.stack} was restored from another backup{'' if note.done else ', not to its end'}",
                fix=f"invoke purge --stack {settings.stack} deletes all that is there; then run this again",
            )
        if note.done:
            return Restored(settings, backup.manifest, order, {}, None)
        _put_vault(settings, contents)
        _put_files(settings, order, contents)
        databases = _fill(Refill(settings, engine, backup, tell), note, order)
    outcome = deploy(settings, order, command)
    note.done = True
    note.write()
    return Restored(settings, backup.manifest, order, databases, outcome)


def _with_settings(settings: Settings, manifest: Manifest, content: bytes | None) -> Settings:
    """Those of the backup, in `.env`; raises HostError where there are others, UsageError for another stack's."""
    path = settings.folder / FILE
    written = False
    if content is not None:
        outcome = files.write_new(path, [content], 0o600)
        if outcome is files.Outcome.OTHER:
            raise HostError(
                f"{path} is not the backup's", why="what is there is never written over", fix=f"move {path} away"
            )
        if written := outcome is files.Outcome.WRITTEN:
            settings = load(settings.folder)
    if settings.stack != manifest.stack:
        if written:
            path.unlink()
        raise UsageError(
            f"the backup is of the stack {manifest.stack}, and the settings' is {settings.stack}",
            fix=f"set FLOWKIT_STACK={manifest.stack}",
        )
    if written:
        report.say(f"restore: wrote {path}")
    missing = [name for name in manifest.environment if name not in settings.given]
    if missing:
        report.say(f"warning: these were set in the environment when it was backed up: {', '.join(missing)}")
    return settings


def _order(manifest: Manifest) -> Order:
    """The same components, FlowMachine as a library where it was one."""
    library = manifest.services.get("flowmachine", {}).get("replicas") == "0"
    return order_of(manifest.components, without_server=library)


def _require_nothing(settings: Settings, engine: Engine, order: Order, contents: Mapping[str, bytes]) -> None:
    """Raises HostError or VaultError for anything that is there already."""
    taken = {settings.vault_path: VAULT}
    key = key_of(settings)
    if isinstance(key, KeyFile) and VAULT_KEY in contents:
        taken[key.path] = VAULT_KEY
    for path, name in taken.items():
        if storage.exists(path) and storage.read(path) != contents[name]:
            raise HostError(
                f"there is another {'vault' if name == VAULT else 'key'} at {path}",
                why="its passwords would be lost",
                fix=f"if it is of no use any more: invoke purge --stack {settings.stack}; or move it away",
            )
    if engine.membership().usable and services.state(engine, settings.stack).services:
        raise HostError(
            f"the stack {settings.stack} runs already",
            fix=f"restore it elsewhere, or invoke purge --stack {settings.stack} first, which deletes all it has",
        )
    for place in places(settings, order.components):
        found = look(engine, place, Vault.in_memory())
        if found.content is not Content.NOTHING:
            raise HostError(
                f"the {place} is not empty",
                why=f"it holds {found.content.value}",
                fix="restore into another one, or delete what is in it",
            )


def _put_vault(settings: Settings, contents: Mapping[str, bytes]) -> None:
    """The key first: a vault without one looks lost."""
    key = key_of(settings)
    if VAULT_KEY in contents and isinstance(key, KeyFile) and storage.write_new(key.path, contents[VAULT_KEY]):
        report.say(f"restore: wrote {key.path}")
    if storage.write_new(settings.vault_path, contents[VAULT]):
        report.say(f"restore: wrote {settings.vault_path}")
        audit.note(f"write {settings.vault_path} from a backup")
    Vault.open(settings.vault_path, key)  # says what is missing before anything is filled


def _put_files(settings: Settings, order: Order, contents: Mapping[str, bytes]) -> None:
    """Directories, DAGs and roles; a file that is there and differs is left alone, and said to be."""
    course.carry_out([[DirectoriesStep(settings, order.components)]])
    targets = {}
    if ROLES in contents:
        targets[Path(settings["FLOWAUTH_ROLES_FILE"])] = contents[ROLES]
    for name, content in contents.items():
        relative = PurePosixPath(name.removeprefix(DAGS))
        if name.startswith(DAGS) and not relative.is_absolute() and ".." not in relative.parts:
            targets[settings["FLOWETL_HOST_DAG_DIR"] / relative] = content
    for path, content in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        outcome = files.write_new(path, [content])
        if outcome is files.Outcome.OTHER:
            beside = path.with_name(f"{path.name}.restored")
            files.write_new(beside, [content])
            report.say(f"warning: {path} is left as it is; the backup's is {beside}")


def _fill(refill: Refill, note: Note, order: Order) -> dict[str, Comparison]:
    settings, databases = refill.settings, refill.backup.manifest.databases
    found = {}
    for place in places(settings, order.components):
        component = place.database.component
        if component not in databases or component in note.filled:
            continue
        report.say(f"restore: {component} into the {place}")
        audit.note(f"restore {component} into the {place}")
        if place.directory is None:
            volumes.make(refill.engine, settings.stack, place.volume)
        found[component] = refill.fill(spot(settings, place))
        if databases[component].kind == LOGICAL:
            know_again(Vault.open(settings.vault_path, key_of(settings)), refill.engine, place)
        note.filled.append(component)
        note.write()
    return found


def spot(settings: Settings, place: Place) -> Spot:
    """Where a database has its data for good."""
    name = restoring(settings.stack, place.database.component)
    if place.directory is None:
        return Spot(place.database.component, name, place.volume)
    owner = [settings[name] for name in ("FLOWDB_HOST_USER_ID", "FLOWDB_HOST_GROUP_ID")]
    uid, gid = (unset if number is None else number for number, unset in zip(owner, POSTGRES, strict=True))
    return Spot(place.database.component, name, str(place.directory), f"{uid}:{gid}")


def know_again(vault: Vault, engine: Engine, place: Place) -> None:
    """What was made anew and filled from a dump has another identifier than the one that the vault knows."""
    claim = vault.claims.get(place.identity) or {}
    vault.claim(place.identity, {**claim, "identifier": look(engine, place, vault).identifier})


def restoring(stack: str, component: str) -> str:
    """Of the container in which a database is filled."""
    return f"{stack}_{component}_restoring"
