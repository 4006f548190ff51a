"""Taking a stack down, and purging it; nothing is deleted but by a verb that says so."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart import audit
from secrets_quickstart.catalog.components import NEEDS
from secrets_quickstart.catalog.databases import DATABASES
from secrets_quickstart.catalog.labels import STACK
from secrets_quickstart.checks.data import Content, Place, look, places
from secrets_quickstart.checks.dump_note import note_path
from secrets_quickstart.errors import HostError
from secrets_quickstart.operations import backup_verify, restore
from secrets_quickstart.operations.deploy import VERIFIED
from secrets_quickstart.operations.flowauth_tables import NOTE
from secrets_quickstart.operations.postgresql import dumps, temporary_name
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.dags import DagsStep
from secrets_quickstart.steps.hosts_entry import HostsEntryStep
from secrets_quickstart.steps.step import Plan
from secrets_quickstart.swarm import containers, membership, secrets, services, volumes
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.watching import remove_and_wait
from secrets_quickstart.vault import KeyFile, Vault, key_of, storage, vault_lock

FILLED = (restore.restoring, backup_verify.verifying)
"""How the containers are called in which databases are filled from a backup."""


@dataclass(frozen=True, slots=True)
class Belongings:
    """All that a stack has on this machine and in its swarm."""

    services: tuple[str, ...]
    networks: tuple[str, ...]
    secrets: tuple[str, ...]
    volumes: tuple[str, ...]
    directories: tuple[Path, ...]
    """With a database of ours."""
    hosts_entry: bool
    node_label: str
    """"" when this node has none, or another stack of ours needs it."""
    swarm: bool
    """Made by us, and nothing of anybody else is in it."""
    examples: tuple[Path, ...]
    """DAGs that nobody has changed; none while another stack of ours may run them."""
    dumps: tuple[Path, ...]
    record: Path | None
    """The audit log."""
    vault: Path | None
    key: Path | None

    def lines(self) -> list[str]:
        """What a purge deletes, for people."""
        rows = [
            *(f"service {name}" for name in self.services),
            *(f"network {name}" for name in self.networks),
            *(f"secret {name}" for name in self.secrets),
            *(f"volume {name}, with all that is in it" for name in self.volumes),
        ]
        rows += [f"everything in {directory}" for directory in self.directories]
        if self.hosts_entry:
            rows.append("the names in the hosts file")
        if self.node_label:
            rows.append(f"this node's label {self.node_label}")
        if self.swarm:
            rows.append("the swarm of this node, which was made for it")
        rows += [
            f"{path}" for path in (*self.examples, *self.dumps, self.record, self.vault, self.key) if path is not None
        ]
        return rows


def belongings(settings: Settings, engine: Engine) -> Belongings:
    """What is there now."""
    found = engine.membership()
    usable = found.usable
    name = settings.stack
    owned = _own_secrets(engine, name) if usable else {}
    label = settings["FLOWKIT_DATA_NODE_LABEL"]
    nodes = services.nodes(engine) if usable else []
    labelled = any(node.id == found.node_id and label in node.labels for node in nodes)
    vault, record = settings.vault_path, settings.state_dir / audit.FILE
    key = key_of(settings)
    shared = usable and _has_other_stacks(engine, name)
    return Belongings(
        services=tuple(services.state(engine, name).services) if usable else (),
        networks=tuple(services.networks(engine, name)),
        secrets=tuple(owned),
        volumes=tuple(volumes.of_stack(engine, name)),
        directories=_own_directories(settings, engine),
        hosts_entry=bool(_hosts_removal(settings).actions),
        node_label=label if labelled and not shared else "",
        swarm=usable and membership.is_ours(engine) and not _strangers(engine, name, set(owned)),
        examples=() if _others_have_the_dags(settings, engine) else DagsStep(settings).as_written(),
        dumps=tuple(sorted(dumps(settings).glob("*"))),
        record=record if storage.exists(record) else None,
        vault=vault if storage.exists(vault) else None,
        key=key.path if isinstance(key, KeyFile) and storage.exists(key.path) else None,
    )


def down(settings: Settings, command: str, tell: Tell) -> tuple[str, ...]:
    """Stop the stack; secrets, data and vault stay.  Returns the names of the services that were there."""
    with vault_lock(settings.vault_path, command):
        engine = Engine(settings.base_environment)
        membership.require_usable(engine.membership())
        found = services.state(engine, settings.stack)
        audit.note(*(f"stop the service {name}" for name in found.services))
        remove_and_wait(engine, settings.stack, deadline=settings.deadline, tell=tell, needs=NEEDS)
        return tuple(found.services)


def purge(settings: Settings, command: str, tell: Tell) -> Belongings:
    """Delete all that the stack has, its data and its vault too.  The vault goes last: a crash before loses nothing."""
    with vault_lock(settings.vault_path, command):
        engine = Engine(settings.base_environment)
        found = belongings(settings, engine)
        audit.note(*(f"delete {line}" for line in found.lines()))
        if found.services or found.networks:
            remove_and_wait(engine, settings.stack, deadline=settings.deadline, tell=tell, needs=NEEDS)
        if found.secrets:
            for item in _own_secrets(engine, settings.stack).values():
                secrets.remove(engine, item)
        for place in _places(settings) if found.volumes else ():  # a killed run left it, with its volume
            component = place.database.component
            for left in (temporary_name(settings.stack, place), *(name(settings.stack, component) for name in FILLED)):
                containers.discard(engine, left)
        for name in found.volumes:
            volumes.remove(engine, name)
        for directory in found.directories:
            _empty(directory)
        if found.hosts_entry:
            HostsEntryStep(settings).act(_hosts_removal(settings).actions)
        if found.swarm:
            membership.leave(engine)
        elif found.node_label:
            membership.label_this_node(engine, found.node_label, None)
        dumped = (note_path(settings, database) for database in DATABASES)
        notes = (*(settings.state_dir / name for name in (VERIFIED, NOTE, restore.NOTE)), *dumped)
        record = settings.state_dir / audit.FILE
        for path in (*notes, *found.examples, *found.dumps, record, found.vault, found.key):
            if path is not None:
                path.unlink(missing_ok=True)
        audit.forget()
    lock = settings.vault_path.with_name(f"{settings.vault_path.name}.lock")
    lock.unlink(missing_ok=True)
    state = settings.state_dir
    folders = [dumps(settings), state, *(state.parent / name for name in ("etl", "dags")), state.parent]
    if found.key is not None:
        folders.append(found.key.parent)
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only what is empty
    return found


def _hosts_removal(settings: Settings) -> Plan:
    step = HostsEntryStep(settings)
    return step.plan_removal(step.look())


def _own_secrets(engine: Engine, name: str) -> dict[str, secrets.SecretObject]:
    return {title: item for title, item in secrets.listed(engine).items() if item.labels.get(STACK) == name}


def _places(settings: Settings) -> tuple[Place, ...]:
    return places(settings, {database.component for database in DATABASES})


def _own_directories(settings: Settings, engine: Engine) -> tuple[Path, ...]:
    """Data directories that the vault knows; one that it does not know is never emptied."""
    in_directories = [place for place in _places(settings) if place.directory is not None]
    if not in_directories or not storage.exists(settings.vault_path):
        return ()
    vault = Vault.open(settings.vault_path, key_of(settings))
    looked = [look(engine, place, vault) for place in in_directories]
    return tuple(
        data.place.directory
        for data in looked
        if data.place.directory is not None and data.claim is not None and data.content is not Content.NOTHING
    )


def _has_other_stacks(engine: Engine, name: str) -> bool:
    """Whether another deployment of ours, running or not, has its secrets in the swarm."""
    return any(item.labels.get(STACK, name) != name for item in secrets.listed(engine).values())


def _others_have_the_dags(settings: Settings, engine: Engine) -> bool:
    """Whether another stack of this folder, running or not, or any other service that runs may want the DAGs."""
    own = f"{settings.stack}_"
    noted = (
        path for name in (settings.vault_path.name, VERIFIED) for path in settings.state_dir.parent.glob(f"*/{name}")
    )
    if any(path.parent != settings.state_dir for path in noted):
        return True
    if not engine.membership().usable:
        return False
    with translated("the swarm's services cannot be listed"):
        specifications = [item["Spec"] for item in engine.api.services()]
    directory = str(settings["FLOWETL_HOST_DAG_DIR"])
    return any(
        mount.get("Source") == directory
        for spec in specifications
        if not spec["Name"].startswith(own)
        for mount in spec["TaskTemplate"]["ContainerSpec"].get("Mounts") or ()
    )


def _strangers(engine: Engine, name: str, own: set[str]) -> bool:
    """Whether the swarm holds anything that is not the stack's."""
    own_services = {f"{name}_{service}" for service in services.state(engine, name).services}
    with translated("the swarm's services cannot be listed"):
        foreign = {item["Spec"]["Name"] for item in engine.api.services()} - own_services
    return bool(foreign or set(secrets.listed(engine)) - own or len(services.nodes(engine)) > 1)


def _empty(directory: Path) -> None:
    """Delete what is in a directory, not the directory: it may be a mount point."""
    try:
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise HostError(
            f"{directory} cannot be emptied", why=error.strerror or str(error), fix="run this as root"
        ) from error
