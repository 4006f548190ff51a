"""Restoring, with the databases and the deployment left out: what is written when, and what is left alone."""

import functools
import io
import json
from base64 import b64encode

import pytest

from secrets_quickstart.errors import HostError, UsageError
from secrets_quickstart.material.sealing import Opener, Sealer
from secrets_quickstart.operations import course
from secrets_quickstart.operations import restore as operation
from secrets_quickstart.operations.backup_answers import Comparison
from secrets_quickstart.operations.backup_folder import drafted
from secrets_quickstart.operations.backup_manifest import DatabasePart, Manifest
from secrets_quickstart.operations.deploy import Outcome
from secrets_quickstart.operations.refill import Refill
from secrets_quickstart.operations.restore import restore
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.vault import KeyFile, Origin, Vault
from tests.deployments import Killed
from tests.fakes import FakeEngine

PASSPHRASE = Sensitive("correct horse")
ENV = b"FLOWKIT_STACK=one\n"
ROWS: dict[str, int] = {}
ANSWERS = ({"rows": ROWS}, {"rows": ROWS})


@pytest.fixture(scope="module")
def sealer():
    return Sealer.with_passphrase(PASSPHRASE)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """A vault and its key, as they were before the machine was lost."""
    folder = tmp_path_factory.mktemp("lost")
    folder.chmod(0o700)
    made = Vault.create(folder / "vault", KeyFile(folder / "key"))
    made.put("REDIS_PASSWORD", Sensitive("as before"), Origin.GENERATED)
    made.claim("flowdb in volume one_flowdb_data", {"identifier": "5", "sample": True})
    return (folder / "vault").read_bytes(), (folder / "key").read_bytes()


@functools.cache
def opener(key):
    return Opener.with_passphrase(PASSPHRASE, key)


def backup(directory, sealer, vault, **files):
    contents = {"vault": vault[0], "vault.key": vault[1], "settings": ENV, "roles.yml": b"roles: {}\n"}
    contents |= {"dags/load.py": b"load", "dags/sub/sql.sql": b"sql", **files}
    with drafted(directory, "one", sealer) as (draft, final):
        encoded = {name: b64encode(content).decode() for name, content in contents.items()}
        draft.seal("files.age", io.BytesIO(json.dumps(encoded).encode()))
        draft.finish(
            Manifest(
                stack="one",
                created="2026-11-26T01:00:00+00:00",
                flowkit="1.34.0",
                components=("flowdb", "flowmachine", "flowetl"),
                services={"flowmachine": {"image": "", "id": "", "replicas": "0"}},
                environment=("FLOWDB_HOST_PORT",),
                elsewhere=(),
                databases={
                    "flowdb": DatabasePart("physical", "15.20", "5", ANSWERS),
                    "flowetl": DatabasePart("physical", "15.20", "6", ANSWERS),
                },
                files=draft.parts,
            )
        )
    return final


class World:
    """An empty machine, and what becomes of it."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        folder.mkdir()
        self.engine = FakeEngine()
        self.filled = []
        self.orders = []
        self.killed_at = ""
        monkeypatch.setattr(operation, "Engine", lambda _: self.engine)
        monkeypatch.setattr(Refill, "fill", lambda _, spot: self.fill(spot))
        monkeypatch.setattr(operation, "deploy", self.deploy)
        monkeypatch.setattr(operation, "DirectoriesStep", lambda *_: None)
        monkeypatch.setattr(course, "carry_out", lambda _: [])

    def fill(self, spot):
        assert self.state("vault").exists(), "whoever deploys now must be told that the data is not there yet"
        self.filled.append((spot.component, spot.data))
        self.kill(spot.component)
        return Comparison(1, 2, None, ())

    def deploy(self, _settings, order, _command):
        self.orders.append(order)
        self.kill("deploy")
        return Outcome((), verified=True)

    def kill(self, where):
        if self.killed_at == where:
            self.killed_at = ""
            raise Killed

    def state(self, name):
        return self.folder / ".flowkit" / "one" / name

    def restore(self, folder):
        return restore(load(self.folder), folder, opener, lambda _: None, "invoke restore")

    def files(self):
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path / "machine", monkeypatch)


@pytest.fixture
def folder(tmp_path, sealer, vault):
    return backup(tmp_path / "backups", sealer, vault)


def test_an_empty_machine_gets_everything(world, folder, vault, capsys):
    done = world.restore(folder)

    assert (world.folder / ".env").read_bytes() == ENV
    assert world.state("vault").read_bytes() == vault[0]
    assert (world.folder / ".config" / "flowkit" / "one.key").read_bytes() == vault[1]
    assert (world.folder / ".flowkit" / "dags" / "sub" / "sql.sql").read_bytes() == b"sql"
    assert (world.folder / "docs" / "roles.yml").read_bytes() == b"roles: {}\n"
    assert world.filled == [("flowdb", "one_flowdb_data"), ("flowetl", "one_flowetl_db_data")]
    assert [order.components for order in world.orders] == [("flowdb", "flowmachine", "flowetl")]
    assert world.orders[0].target.overrides == {"FLOWMACHINE_REPLICAS": "0"}
    assert set(done.databases) == {"flowdb", "flowetl"}
    assert "FLOWDB_HOST_PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("where", "again"), [("flowdb", ["flowdb", "flowetl"]), ("flowetl", ["flowetl"]), ("deploy", [])]
)
def test_a_run_that_was_killed_is_carried_on_and_a_third_has_nothing_to_do(world, folder, where, again):
    world.killed_at = where
    with pytest.raises(Killed):
        world.restore(folder)
    world.filled.clear()

    assert world.restore(folder).outcome is not None
    assert [component for component, _ in world.filled] == again
    assert world.restore(folder).outcome is None
    assert len(world.filled) == len(again)


def test_another_vault_is_left_alone(world, folder):
    path = world.state("vault")
    path.parent.mkdir(parents=True, mode=0o700)
    Vault.create(path, KeyFile(path.with_name("other.key")))
    before = path.read_bytes()

    with pytest.raises(HostError, match="there is another vault"):
        world.restore(folder)

    assert path.read_bytes() == before
    assert world.filled == []


def test_other_settings_are_left_alone(world, folder):
    (world.folder / ".env").write_text("FLOWKIT_STACK=one\n\n")
    before = world.files()

    with pytest.raises(HostError, match="is not the backup's"):
        world.restore(folder)

    assert world.files() == before


def test_a_stack_of_another_name_is_refused(world, folder, monkeypatch):
    monkeypatch.setenv("FLOWKIT_STACK", "two")

    with pytest.raises(UsageError, match="of the stack one, and the settings' is two") as caught:
        world.restore(folder)

    assert world.files() == {}
    assert caught.value.fix == "set FLOWKIT_STACK=one"


def test_data_that_is_there_is_left_alone(world, folder, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "something").write_text("")
    world.engine.volumes["one_flowdb_data"] = data

    with pytest.raises(HostError, match="the volume one_flowdb_data is not empty"):
        world.restore(folder)

    assert world.filled == []
    assert not world.state("vault").exists()


def test_a_stack_that_runs_is_left_alone(world, folder):
    world.engine.add_service("one", "redis")

    with pytest.raises(HostError, match="runs already"):
        world.restore(folder)


def test_another_backup_is_not_restored_over_the_first(world, folder, tmp_path, sealer, vault):
    world.restore(folder)
    other = backup(tmp_path / "other", sealer, vault, **{"dags/load.py": b"other"})

    with pytest.raises(HostError, match="restored from another backup"):
        world.restore(other)


def test_a_dag_that_is_there_and_differs_is_left_alone_and_the_backups_is_put_beside_it(world, folder, capsys):
    path = world.folder / ".flowkit" / "dags" / "load.py"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")

    world.restore(folder)

    assert path.read_bytes() == b"mine"
    assert path.with_name("load.py.restored").read_bytes() == b"load"
    assert f"{path} is left as it is" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["dags/../../evil", "dags//etc/evil"])
def test_no_file_is_written_outside_the_dags(world, tmp_path, sealer, vault, name):
    folder = backup(tmp_path / "b", sealer, vault, **{name: b"evil"})

    world.restore(folder)

    assert b"evil" not in world.files().values()
