"""The vault: values in generations, written whole, and shown to nobody who does not ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrets_quickstart.errors import VaultError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.vault import KeyFile, Origin, Vault, storage
from secrets_quickstart.vault.contents import Contents, Stored, decoded

ROOT = Path(__file__).parents[1]

VALUE = "correct-horse-battery"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state" / "core.vault"


@pytest.fixture
def key(tmp_path):
    return KeyFile(tmp_path / "keys" / "core.key")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_value_comes_back_after_reopening(place, key):
    vault = Vault.create(place, key)
    vault.put("REDIS_PASSWORD", Sensitive(VALUE), Origin.GENERATED)

    again = Vault.open(place, key)

    assert again.value("REDIS_PASSWORD").text() == VALUE
    assert again.id == vault.id
    assert again.entry("REDIS_PASSWORD").origin is Origin.GENERATED


def test_any_bytes_can_be_a_value(place, key):
    value = Sensitive(bytes(range(256)))
    Vault.create(place, key).put("BINARY", value, Origin.IMPORTED)

    assert Vault.open(place, key).value("BINARY") == value


def test_a_second_value_is_another_generation_and_the_first_stays(place, key):
    vault = Vault.create(place, key)

    assert vault.put("A", Sensitive("old"), Origin.GENERATED) == 1
    assert vault.put("A", Sensitive("new"), Origin.IMPORTED) == 2

    again = Vault.open(place, key)
    assert again.generation("A") == 2
    assert again.value("A").text() == "new"
    assert again.value("A", 1).text() == "old"
    assert [again.entry("A", number).origin for number in (1, 2)] == ["generated", "imported"]
    assert again.names() == ("A",)


def test_numbers_that_others_have_given_away_are_left_out(place, key):
    vault = Vault.create(place, key)
    vault.leave_out("A", 3)
    vault.leave_out("A", 2)
    assert (vault.left_out("A"), vault.following("A"), "A" in vault) == (3, 4, False)

    assert vault.put("A", Sensitive("first"), Origin.IMPORTED) == 4
    vault.leave_out("A", 6)
    assert vault.put("A", Sensitive("second"), Origin.GENERATED) == 7

    again = Vault.open(place, key)
    assert again.generations("A") == (4, 7)
    assert (again.generation("A"), again.value("A").text(), again.value("A", 4).text()) == (7, "second", "first")
    assert again.entry("A").generation == 7
    with pytest.raises(VaultError, match="it has 4, 7"):
        again.value("A", 5)
    again.forget(["A"])
    assert again.following("A") == 1


def test_a_vault_that_was_written_before_numbers_were_left_out_is_read():
    made = Contents()
    made.values["A"] = [Stored(Sensitive(text), datetime.now(UTC), Origin.IMPORTED, 0) for text in ("old", "new")]
    record = json.loads(made.encoded())
    del record["left_out"]
    for one in record["values"]["A"]:
        del one["generation"]

    assert [one.generation for one in decoded(json.dumps(record).encode()).values["A"]] == [1, 2]


@pytest.mark.parametrize("ask", [lambda v: v.value("B"), lambda v: v.value("A", 2), lambda v: v.value("A", 0)])
def test_asking_for_what_is_not_there_is_an_error_that_says_so(place, key, ask):
    vault = Vault.create(place, key)
    vault.put("A", Sensitive(VALUE), Origin.GENERATED)

    with pytest.raises(VaultError, match="holds no"):
        ask(vault)


def test_files_and_folders_are_the_owners_alone(place, key):
    os.umask(0)
    try:
        Vault.create(place, key).put("A", Sensitive(VALUE), Origin.GENERATED)
    finally:
        os.umask(0o022)

    assert [mode(path) for path in (place, key.path)] == [0o600, 0o600]
    assert [mode(path.parent) for path in (place, key.path)] == [0o700, 0o700]


def test_nothing_of_a_value_or_its_name_is_readable_in_the_file(place, key):
    Vault.create(place, key).put("REDIS_PASSWORD", Sensitive(VALUE), Origin.GENERATED)

    assert VALUE.encode() not in place.read_bytes()
    assert b"REDIS_PASSWORD" not in place.read_bytes()
    assert list(place.parent.iterdir()) == [place]


def test_creating_does_not_replace_a_vault(place, key):
    Vault.create(place, key).put("A", Sensitive(VALUE), Origin.GENERATED)
    before = place.read_bytes()

    with pytest.raises(VaultError, match="there is one already"):
        Vault.create(place, key)

    assert place.read_bytes() == before


def test_a_key_left_by_a_run_that_died_is_used(place, key):
    Vault.create(place, key)
    before = key.path.read_bytes()
    place.unlink()

    Vault.create(place, key)

    assert key.path.read_bytes() == before
    assert Vault.open(place, key).names() == ()


def test_a_key_that_is_there_already_can_lie_in_a_folder_that_is_only_read(place, key, tmp_path):
    Vault.create(place, key)
    before = key.path.parent.stat().st_mtime_ns

    Vault.create(tmp_path / "state" / "other.vault", key)

    assert key.path.parent.stat().st_mtime_ns == before


def test_a_link_stays_a_link_when_its_vault_is_written(place, key, tmp_path):
    elsewhere = tmp_path / "disk" / "core.vault"
    Vault.create(elsewhere, key)
    place.parent.mkdir(mode=0o700)
    place.symlink_to(elsewhere)

    Vault.open(place, key).put("A", Sensitive(VALUE), Origin.GENERATED)

    assert place.is_symlink()
    assert Vault.open(elsewhere, key).names() == ("A",)


@given(
    values=st.dictionaries(st.text(max_size=20), st.lists(st.binary(max_size=80), min_size=1, max_size=3), max_size=4)
)
@settings(deadline=None, max_examples=30)
def test_whatever_was_put_comes_back(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("any") / "state"
    vault = Vault.create(folder / "v", KeyFile(folder / "k"))
    for name, generations in values.items():
        for value in generations:
            vault.put(name, Sensitive(value), Origin.IMPORTED)

    again = Vault.open(folder / "v", KeyFile(folder / "k"))

    assert again.names() == tuple(values)
    for name, generations in values.items():
        assert [again.value(name, n + 1).reveal() for n in range(len(generations))] == generations


def test_a_batch_is_one_write(place, key, monkeypatch):
    vault = Vault.create(place, key)
    writes = []
    monkeypatch.setattr(storage, "replace", lambda path, content: writes.append(path))

    with vault.batch():
        vault.put("A", Sensitive("1"), Origin.GENERATED)
        with vault.batch():
            vault.put("B", Sensitive("2"), Origin.GENERATED)
        assert vault.value("B").text() == "2"

    assert writes == [place]


def test_without_a_change_nothing_is_written(place, key):
    vault = Vault.create(place, key)
    vault.claim("volume", {"x": 1})
    before = place.read_bytes()

    with vault.batch():
        vault.claim("volume", {"x": 1})
        vault.forget(["NEVER_THERE"])

    assert place.read_bytes() == before


def test_a_batch_that_fails_changes_nothing(place, key):
    vault = Vault.create(place, key)
    vault.put("A", Sensitive("1"), Origin.GENERATED)
    before = place.read_bytes()

    def half_of_it():
        with vault.batch():
            vault.put("A", Sensitive("2"), Origin.GENERATED)
            vault.put("B", Sensitive("2"), Origin.GENERATED)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_of_it()

    assert place.read_bytes() == before
    assert vault.names() == ("A",)
    assert vault.generation("A") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes what belongs to somebody else")
def test_root_leaves_a_vault_to_its_owner(place, key):
    vault = Vault.create(place, key)
    os.chown(place, 1234, 1234)

    vault.put("A", Sensitive(VALUE), Origin.GENERATED)

    assert place.stat().st_uid == 1234
    assert mode(place) == 0o600


def test_forgetting_takes_every_generation(place, key):
    vault = Vault.create(place, key)
    for name in ("A", "A", "B"):
        vault.put(name, Sensitive(VALUE), Origin.GENERATED)

    vault.forget(["A", "NEVER_THERE"])

    assert Vault.open(place, key).names() == ("B",)


def test_claims_are_kept_and_taken_back(place, key):
    vault = Vault.create(place, key)
    vault.claim("/srv/flowdb", {"FLOWDB_POSTGRES_PASSWORD": 1})
    vault.claim("volume", {"x": [1]})
    vault.claim("volume", {"x": [2]})

    again = Vault.open(place, key)
    assert again.claims == {"/srv/flowdb": {"FLOWDB_POSTGRES_PASSWORD": 1}, "volume": {"x": [2]}}
    again.release("volume")
    again.release("never there")
    assert list(Vault.open(place, key).claims) == ["/srv/flowdb"]


def test_a_claim_cannot_be_changed_behind_the_vaults_back(place, key):
    vault = Vault.create(place, key)
    record = {"x": [1]}
    vault.claim("volume", record)

    record["x"].append(2)
    vault.claims["volume"]["x"].append(3)

    assert vault.claims == {"volume": {"x": [1]}}


def test_a_fingerprint_recognises_a_value_in_one_vault_only(place, key, tmp_path):
    vault = Vault.create(place, key)
    other = Vault.create(tmp_path / "state" / "other.vault", key)
    for one in (vault, other):
        one.put("A", Sensitive(VALUE), Origin.GENERATED)
    vault.put("A", Sensitive("another"), Origin.GENERATED)
    vault.put("A", Sensitive(VALUE), Origin.GENERATED)
    vault.put("B", Sensitive(VALUE), Origin.GENERATED)

    assert vault.fingerprint("A") == vault.fingerprint("A", 1) == Vault.open(place, key).fingerprint("A")
    assert len({vault.fingerprint("A"), vault.fingerprint("A", 2), vault.fingerprint("B"), other.fingerprint("A")}) == 4
    assert len(vault.fingerprint("A")) == 32


def test_a_vault_in_memory_works_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vault = Vault.in_memory()

    vault.put("A", Sensitive(VALUE), Origin.GENERATED)

    assert vault.value("A").text() == VALUE
    assert vault.id == ""
    assert list(tmp_path.iterdir()) == []


def test_no_repr_shows_a_value(place, key):
    vault = Vault.create(place, key)
    vault.put("A", Sensitive(VALUE), Origin.GENERATED)

    shown = f"{vault!r} {vault._contents!r} {vault.entry('A')!r} {vars(vault._file)!r}"

    assert VALUE not in shown
    assert key.path.read_text().split()[1] not in shown


def test_importing_the_vault_does_not_import_cryptography():
    code = "import sys, secrets_quickstart.vault; sys.exit('cryptography' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert done.returncode == 0
