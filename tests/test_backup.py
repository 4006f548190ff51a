"""What a database is copied by, and what goes into a backup besides databases; no server is here."""

import io
import json
from base64 import b64decode
from contextlib import contextmanager

import pytest

from secrets_quickstart.errors import Busy, HostError, ServiceError
from secrets_quickstart.material.sealing import Opener, Sealer
from secrets_quickstart.operations import backup
from secrets_quickstart.operations.amounts import Meter, amount
from secrets_quickstart.operations.backup_answers import COUNTS, IDENTITY, SUBSCRIBERS
from secrets_quickstart.operations.backup_folder import Draft
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.swarm import copies
from secrets_quickstart.vault import KeyFile, PassphraseFile, Vault, vault_lock


class Server:
    """Says what it is told to."""

    def __init__(self, wal_level="replica", senders=5, tablespaces=0):
        self.found = {"wal_level": wal_level, "senders": senders, "tablespaces": tablespaces, "bytes": 1000}

    def ask(self, query):
        return {
            copies.STREAMABLE: self.found,
            IDENTITY: {"version": "15.20", "identifier": "5"},
            COUNTS: {"a": 1},
            SUBSCRIBERS: {"day": "2016-01-01", "subscribers": 3},
        }[query]


@pytest.fixture
def draft(tmp_path, monkeypatch):
    @contextmanager
    def stream(kind):
        yield io.BytesIO(kind)

    for kind in ("physical", "logical", "roles"):
        monkeypatch.setattr(copies, kind, lambda _, kind=kind: stream(kind.encode()))
    sealer = Sealer("age1uxvel053vpfhe426un5n4yaxaqck44aed53faafc8gqz9uy7fu9q8hpcuc", None)
    return Draft(tmp_path, sealer)


def copy(draft, server, component="flowdb", *, logical=False):
    return backup._copy(draft, component, server, lambda _: None, logical=logical)


def test_a_server_that_can_stream_is_copied_file_by_file(draft):
    part = copy(draft, Server())

    assert (part.kind, part.identifier, part.version) == ("physical", "5", "15.20")
    assert set(draft.parts) == {"flowdb.tar.age"}
    assert part.answers[0] == {"rows": {"a": 1}, "query": {"day": "2016-01-01", "subscribers": 3}}


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (Server(wal_level="minimal", senders=0), "its wal_level is minimal"),
        (Server(senders=0), "it has no WAL senders"),
        (Server(tablespaces=1), "it has tablespaces"),
    ],
)
def test_a_flowdb_that_cannot_stream_is_dumped_with_its_roles_and_that_is_said(draft, capsys, server, why):
    assert copy(draft, server).kind == "logical"

    assert set(draft.parts) == {"flowdb.dump.age", "flowdb.roles.age"}
    assert why in capsys.readouterr().err


def test_who_asks_for_a_dump_is_told_nothing_new(draft, capsys):
    assert copy(draft, Server(), logical=True).kind == "logical"
    assert capsys.readouterr().err == ""


def test_another_database_that_cannot_stream_fails_the_backup(draft):
    with pytest.raises(ServiceError, match="flowauth cannot be copied while it runs: its wal_level is minimal"):
        copy(draft, Server(wal_level="minimal"), "flowauth")

    assert draft.parts == {}


@pytest.fixture
def settings(tmp_path):
    (tmp_path / ".env").write_text("FLOWKIT_STACK=one\n")
    made = load(tmp_path, {})
    made.vault_path.parent.mkdir(mode=0o700, parents=True)
    Vault.create(made.vault_path, KeyFile(made.vault_key_file))
    dags = made["FLOWETL_HOST_DAG_DIR"]
    (dags / "sub" / "__pycache__").mkdir(parents=True)
    (dags / "load.py").write_text("load")
    (dags / "sub" / "sql.sql").write_text("sql")
    (dags / "sub" / "__pycache__" / "x.pyc").write_text("")
    return made


def files(settings, components):
    return {name: b64decode(text) for name, text in backup._files(settings, components).items()}


def test_the_small_files_are_the_vault_its_key_the_settings_and_the_dags(settings):
    found = files(settings, ("flowdb", "flowetl"))

    assert found == {
        "vault": settings.vault_path.read_bytes(),
        "vault.key": settings.vault_key_file.read_bytes(),
        "settings": b"FLOWKIT_STACK=one\n",
        "dags/load.py": b"load",
        "dags/sub/sql.sql": b"sql",
    }
    assert not [name for name in files(settings, ("flowdb",)) if name.startswith("dags/")]


def test_a_vault_that_a_passphrase_locks_goes_without_it(settings, tmp_path):
    path = tmp_path / "passphrase"
    path.write_text("secret")
    path.chmod(0o600)
    settings.vault_path.unlink()
    Vault.create(settings.vault_path, PassphraseFile(path))

    found = files(settings.with_overrides({"FLOWKIT_VAULT_PASSPHRASE_FILE": str(path)}), ("flowdb",))

    assert "vault.key" not in found
    assert b"secret" not in b"".join(found.values())


def test_data_among_the_dags_is_refused(settings, monkeypatch):
    monkeypatch.setattr(backup, "LARGEST_FILES", 1000)
    (settings["FLOWETL_HOST_DAG_DIR"] / "calls.csv").write_bytes(b"x" * 1001)

    with pytest.raises(HostError, match="too large for a backup"):
        files(settings, ("flowetl",))


def test_how_far_it_has_come_is_told_now_and_then(monkeypatch):
    now = iter([0.0, 1.0, 6.0, 10.0])
    monkeypatch.setattr("secrets_quickstart.operations.amounts.time.monotonic", lambda: next(now))
    told: list[dict[str, str]] = []
    meter = Meter(lambda states: told.append(dict(states)), "flowdb", 3_000_000_000)

    meter(100_000_000)
    meter(600_000_000)
    meter.done()

    assert told == [{"flowdb": "600.0 MB of about 3.0 GB, 100 MB/s"}, {"flowdb": "600.0 MB, 60 MB/s"}]
    assert amount(1_500_000_000) == "1.5 GB"


def test_an_opener_reads_what_a_backup_of_a_recipient_holds(tmp_path):
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    draft = Draft(tmp_path, Sealer.for_recipient(str(identity.to_public())))
    draft.seal("files.age", io.BytesIO(json.dumps({"vault": ""}).encode()))
    sink = io.BytesIO()

    with (tmp_path / "files.age").open("rb") as file:
        Opener.with_identity(Sensitive(str(identity))).open(file, sink, "files.age")

    assert json.loads(sink.getvalue()) == {"vault": ""}
    assert not (tmp_path / "key.age").exists()


def test_a_second_run_is_refused_with_the_first_ones_name(settings, tmp_path):
    sealer = Sealer("age1uxvel053vpfhe426un5n4yaxaqck44aed53faafc8gqz9uy7fu9q8hpcuc", None)

    with (
        vault_lock(settings.vault_path, "invoke backup /first"),
        pytest.raises(Busy, match="`invoke backup /first`, process"),
    ):
        backup.backup(settings, tmp_path / "b", sealer, print, logical=False, keep=None, command="invoke backup /b")

    assert not (tmp_path / "b").exists()
