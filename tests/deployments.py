"""A folder, a fake engine and a fuse: whole deployments, cut off wherever one likes; no test is here."""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.databases import FLOWAUTH
from secrets_quickstart.catalog.labels import FINGERPRINT, GENERATION, IMAGE, INPUTS, NAME
from secrets_quickstart.clients.specification import Specification
from secrets_quickstart.errors import VerificationFailed
from secrets_quickstart.host import directories, files, hosts_file, processes
from secrets_quickstart.host.processes import Completed
from secrets_quickstart.material import keys
from secrets_quickstart.operations import deploy, links, remove
from secrets_quickstart.operations.deploy import Outcome
from secrets_quickstart.operations.deployment import order
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings, load
from secrets_quickstart.swarm import images, watching
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of, storage
from tests.fakes import FakeEngine
from tests.flowauth_in_memory import FlowauthInMemory
from tests.flowauth_running import SCOPES

ROOT = Path(__file__).parents[1]
USED = {service.image for part in COMPONENTS for service in part.services}


class Killed(BaseException):
    """The process is gone, as with SIGKILL: nobody may catch this."""


class Fuse:
    """Blows before the n-th thing that is written anywhere; never, if that is 0."""

    def __init__(self) -> None:
        self.burnt = 0
        self.blows_at = 0
        self.error: BaseException = Killed()

    def set(self, number: int, error: BaseException | None = None) -> None:
        self.burnt, self.blows_at = 0, number
        self.error = error or Killed()

    def burn(self) -> None:
        self.burnt += 1
        if self.burnt == self.blows_at:
            raise self.error

    def before(self, function: Any) -> Any:
        @functools.wraps(function)
        def fused(*arguments: Any, **options: Any) -> Any:
            self.burn()
            return function(*arguments, **options)

        return fused


class Writes(list[str]):
    """What an engine has written, with a fuse in it."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def append(self, line: str) -> None:
        self._fuse.burn()
        super().append(line)


class Machine(FakeEngine):
    """An engine whose FlowDB and FlowAuth make a database where their data is, as the real ones do."""

    identifiers = itertools.count(100)

    def __init__(self, fuse: Fuse, data: Path) -> None:
        super().__init__(state="inactive")
        self.writes = Writes(fuse)
        self._fuse = fuse
        self.data = data

    def _put_service(self, stack: str, name: str, entry: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._fuse.burn()  # `docker stack deploy` makes one after the other
        super()._put_service(stack, name, entry, secrets)
        if name == "flowdb" and self.data.is_dir() and not (self.data / "PG_VERSION").exists():
            self.make_database(self.data)
        volume = f"{stack}_{FLOWAUTH.volume}"
        if name == FLOWAUTH.service and volume not in self.volumes:
            self.volumes[volume] = self.data.with_name(f"volume{next(self._ids)}")
            self.make_database(self.volumes[volume])

    def make_database(self, where: Path) -> None:
        """What custody looks at."""
        (where / "global").mkdir(parents=True)
        (where / "PG_VERSION").write_text("15\n")
        (where / "global" / "pg_control").write_bytes(struct.pack("<Q", next(self.identifiers)))


class World:
    """A fresh clone of this repository on a machine with an engine and all images."""

    def __init__(self, folder: Path, monkeypatch: Any) -> None:
        self.fuse = Fuse()
        self.folder = folder / "flowkit"
        self.folder.mkdir(parents=True)
        for name in ("compose", "docs", "images", "pipelines"):
            (self.folder / name).symlink_to(ROOT / name)
        self.home = folder / "home"
        self.home.mkdir()
        self.hosts = folder / "hosts"
        self.hosts.write_bytes(b"127.0.0.1\tlocalhost\n")
        self.data = folder / "data"
        self.engine = Machine(self.fuse, self.data)
        for recipe in recipes().values():
            self.engine.add_image(recipe.reference, {IMAGE: recipe.name})
        self.flowauth = FlowauthInMemory(self.fuse.burn)
        self.verified: list[tuple[str, ...]] = []
        self.verification: list[VerificationFailed] = []
        """What verification is to raise, once each."""
        self._patch(monkeypatch)

    def _patch(self, monkeypatch: Any) -> None:
        for module in (deploy, remove):
            monkeypatch.setattr(module, "Engine", self._engine)
        monkeypatch.setattr(deploy, "check", lambda *_: ())
        monkeypatch.setattr(deploy, "verify", self._verify)
        monkeypatch.setattr(links, "open_admin", lambda *_, **__: self.flowauth)
        monkeypatch.setattr(links, "_of_this_stack", lambda _: Specification("flowapi_server", SCOPES))
        monkeypatch.setattr(deploy.Note, "add", self.fuse.before(deploy.Note.add))
        monkeypatch.setattr(processes, "run", self._run)
        monkeypatch.setattr(watching, "LONGEST_LOOKAWAY", 0.001)
        monkeypatch.setattr(watching, "SHORTEST_LOOKAWAY", 0.0)
        monkeypatch.setattr(keys, "signing_key", lambda _: one_key())
        for module, name in (
            *((storage, name) for name in ("write_new", "replace")),
            (directories, "make"),
            (files, "write_new"),
            (hosts_file, "write"),
        ):
            monkeypatch.setattr(module, name, self.fuse.before(getattr(module, name)))
        unlink = Path.unlink

        def fused(path: Path, missing_ok: bool = False) -> None:
            if path.exists() and ".draft-" not in path.name:
                self.fuse.burn()
            unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", fused)

    def _engine(self, _environment: Mapping[str, str]) -> Engine:
        return self.engine

    def _verify(self, _settings: Settings, wanted: Any, _engine: Engine, _vault: Vault) -> None:
        self.verified.append(wanted.components)
        if self.verification:
            raise self.verification.pop()

    def _run(self, argv: Any, **options: Any) -> Completed:
        if "--help" in argv:
            return Completed(tuple(argv), 0, "--detach", "")
        return self.engine.deploy(tuple(argv), options["env"])

    def settings(self, **variables: str) -> Settings:
        given = {
            "HOME": str(self.home),
            "FLOWKIT_STACK": "s",
            "FLOWKIT_IMAGES": "local",
            "FLOWKIT_HOSTS_FILE": str(self.hosts),
            "FLOWDB_DATA_DIR": str(self.data),
            **variables,
        }
        return load(self.folder, {name: text for name, text in given.items() if text})

    def deploy(self, target: str = "flowkit", *, only: bool = False, sample: bool = False, **variables: str) -> Outcome:
        wanted = order(target, only=only, sample_data=sample, first_user=True, example_dags=True)
        return deploy.deploy(self.settings(**variables), wanted, f"invoke deploy --target {target}")

    def plan(self, target: str = "flowkit", **variables: str) -> list[str]:
        planned = deploy.plan(self.settings(**variables), order(target, first_user=True, example_dags=True))
        return [str(action) for item in planned for action in item.plan.actions]

    def purge(self) -> remove.Belongings:
        return remove.purge(self.settings(), "invoke purge", lambda _: None)

    def vault(self) -> Vault:
        chosen = self.settings()
        return Vault.open(chosen.vault_path, key_of(chosen))

    def held(self) -> dict[str, bytes]:
        """Values by name and generation, as far as there is a vault."""
        if not self.settings().vault_path.exists():
            return {}
        vault = self.vault()
        return {
            f"{name} {number}": vault.value(name, number).reveal()
            for name in vault.names()
            for number in vault.generations(name)
        }

    def files(self) -> dict[str, bytes]:
        """Everything that a deployment may have written outside the engine."""
        roots = (self.folder / ".flowkit", self.home, self.data)
        found = {str(path): path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}
        return {**found, str(self.hosts): self.hosts.read_bytes()}

    def end(self) -> dict[str, Any]:
        """What a deployment comes to, without what differs from one to the next."""
        vault = self.vault()
        secrets = {name: item["Spec"]["Labels"] for name, item in self.engine.secrets.items()}
        for labels in secrets.values():  # each is the vault's value
            right = vault.fingerprint(labels[NAME], int(labels[GENERATION]))
            if labels[FINGERPRINT] != right:
                raise AssertionError(labels)
        return {
            "values": {name: (vault.generation(name), vault.entry(name).origin) for name in vault.names()},
            "claims": [sorted(claim) for claim in vault.claims.values()],
            "secrets": sorted(secrets),
            "services": {name: self._specification(name) for name in sorted(self.engine.services)},
            "node": self.engine.labels,
            "hosts": self.hosts.read_bytes(),
            "files": sorted(name.removeprefix(str(self.folder.parent)) for name in self.files()),
            "modes": {path.name: path.stat().st_mode for path in (self.data, self.folder / ".flowkit" / "etl")},
        }

    def _specification(self, name: str) -> dict[str, Any]:
        """But for the digest of all that went into it: this world's own folder is among that."""
        spec = self.engine.services[name]["Spec"]
        return {**spec, "Labels": {label: text for label, text in spec["Labels"].items() if label != INPUTS}}


@functools.cache
def recipes() -> dict[str, images.Recipe]:
    return images.recipes(ROOT / "images", sorted(USED))


make_key = keys.signing_key


@functools.cache
def one_key() -> Sensitive:
    """Making another for each world would take longer than all the rest."""
    return make_key(2048)
