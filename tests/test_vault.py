from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secrets_quickstart.errors import Busy, QuickstartError, VaultError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.vault import KeyFile, Origin, PassphraseFile, Vault, envelope, storage, vault_lock
from secrets_quickstart.vault.key import Scrypt

ROOT = Path(__file__).parents[1]
VALUE = "correct-horse-battery"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state" / "core.vault"


@pytest.fixture
def key(tmp_path):
    return KeyFile(tmp_path / "keys" / "core.key")


@pytest.fixture
def passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_text("a long passphrase\n")
    return PassphraseFile(path)


def refusal(path: Path, key: KeyFile | PassphraseFile) -> VaultError:
    """The error of opening, which must explain itself, show no value and leave the file as it is."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(VaultError) as caught:
        Vault.open(path, key)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert caught.value.what
    assert caught.value.why
    assert caught.value.fix
    assert VALUE not in f"{caught.value} {caught.value.fix}"
    return caught.value


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


def test_what_the_header_tells_of_the_key_is_no_part_of_what_seals(monkeypatch):
    """HKDF gives the shorter of two keys as the beginning of the longer, unless their purposes differ."""
    from cryptography.hazmat.primitives.ciphers import aead

    used: list[bytes] = []
    real = aead.ChaCha20Poly1305

    def noted(key):
        used.append(key)
        return real(key)

    monkeypatch.setattr(aead, "ChaCha20Poly1305", noted)
    master = Sensitive(bytes(32))
    headers = [envelope.new_header(master, None) for _ in range(2)]

    for header in headers:
        envelope.seal(header, master, b"content")

    assert len({*used, master.reveal()}) == 3
    assert not any(key.hex().startswith(header.key) for key in used for header in headers)


def test_a_vault_without_its_key_is_refused_and_no_key_is_made(place, key):
    Vault.create(place, key)
    key.path.unlink()

    error = refusal(place, key)

    assert "is missing" in error.why
    with pytest.raises(VaultError, match="is missing"):
        Vault.open_or_create(place, key)
    assert not key.path.exists()


def test_another_key_is_told_from_damage(place, key, tmp_path):
    Vault.create(place, key)
    other = KeyFile(tmp_path / "keys" / "other.key")
    Vault.create(tmp_path / "state" / "other.vault", other)

    assert "another vault's" in refusal(place, other).why


@pytest.mark.parametrize(
    "content", [b"", b"flowkit-vault-key \n", b"hello\n", b"flowkit-vault-key AAAA\n", b"\xff" * 60]
)
def test_a_file_that_is_no_key_is_refused(place, key, content):
    Vault.create(place, key)
    key.path.write_bytes(content)

    assert "damaged" in refusal(place, key).why
    assert key.path.read_bytes() == content


def test_a_passphrase_opens_what_it_locked_and_another_does_not(place, passphrase, key):
    Vault.create(place, passphrase).put("A", Sensitive(VALUE), Origin.GENERATED)

    assert Vault.open(place, passphrase).value("A").text() == VALUE
    assert "locked with a passphrase" in refusal(place, key).why
    passphrase.path.write_text("another\n")
    assert refusal(place, passphrase).why == "the passphrase is wrong"


def test_the_cost_of_a_passphrase_is_kept_beside_what_it_locks(place, passphrase):
    Vault.create(place, passphrase)

    header = json.loads(place.read_bytes().split(b"\n")[1])

    assert header["scrypt"]["n"] == Scrypt("00").n >= 2**17


@pytest.mark.parametrize("text", ["", "\n", "  \n"])
def test_an_empty_passphrase_is_refused(place, passphrase, text):
    passphrase.path.write_text(text)

    with pytest.raises(VaultError, match="it is empty"):
        Vault.create(place, passphrase)

    assert not place.exists()


def test_a_passphrase_that_others_can_read_is_refused(place, passphrase):
    passphrase.path.chmod(0o644)

    with pytest.raises(VaultError, match="open to others"):
        Vault.create(place, passphrase)


def test_a_missing_passphrase_file_is_named(place, tmp_path):
    with pytest.raises(VaultError, match="nowhere"):
        Vault.create(place, PassphraseFile(tmp_path / "nowhere"))


def test_a_passphrase_does_not_open_a_vault_with_a_key_file(place, key, passphrase):
    Vault.create(place, key)

    assert "key file" in refusal(place, passphrase).why


@pytest.mark.parametrize("which", ["vault", "its folder", "key", "its key's folder"])
@pytest.mark.parametrize("bits", [0o040, 0o004, 0o020])
def test_what_others_may_read_or_write_is_refused_with_the_command_that_mends_it(place, key, which, bits):
    Vault.create(place, key)
    path = {"vault": place, "its folder": place.parent, "key": key.path, "its key's folder": key.path.parent}[which]
    usual = mode(path)
    path.chmod(usual | bits)

    error = refusal(place, key)

    assert error.fix == f"chmod {usual:o} {path}"
    path.chmod(usual)
    Vault.open(place, key)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"PASSWORD=1\n", "does not begin"),
        (b"\x89PNG\r\n", "does not begin"),
        (b"flowkit-vault 2\n{}\n", "format is 2"),
        (b"flowkit-vault 1\n", "damaged"),
        (b"flowkit-vault 1\n" + b"[" * 4000 + b"\nx", "damaged"),
        (b'flowkit-vault 1\n{"id": "00", "key": "00", "scrypt": {"salt": "00", "n": 1073741824}}\nx', "damaged"),
        (b'flowkit-vault 1\n{"id": "00", "key": "00", "scrypt": {"salt": "00", "n": 3}}\nx', "damaged"),
        (b'flowkit-vault 1\n{"id": 7, "key": "00", "scrypt": null}\nx', "damaged"),
    ],
    ids=["empty", "text", "binary", "later", "first line", "deep", "greedy", "odd", "number"],
)
def test_a_file_that_is_no_vault_is_refused(place, key, content, why):
    Vault.create(place, key)
    place.write_bytes(content)

    assert why in refusal(place, key).why


def test_a_directory_in_its_place_is_refused(place, key):
    place.mkdir(parents=True, mode=0o700)

    assert "directory" in refusal(place, key).why


def test_a_vault_that_is_not_there_is_not_made_by_opening(place, key):
    refusal(place, key)

    assert not place.parent.exists()
    assert not key.path.exists()


def test_a_link_that_leads_nowhere_is_not_filled(place, key, tmp_path):
    place.parent.mkdir(mode=0o700)
    place.symlink_to(tmp_path / "unmounted" / "core.vault")

    with pytest.raises(VaultError, match="broken link"):
        Vault.open_or_create(place, key)

    assert not (tmp_path / "unmounted").exists()


def test_a_link_stays_a_link_when_its_vault_is_written(place, key, tmp_path):
    elsewhere = tmp_path / "disk" / "core.vault"
    Vault.create(elsewhere, key)
    place.parent.mkdir(mode=0o700)
    place.symlink_to(elsewhere)

    Vault.open(place, key).put("A", Sensitive(VALUE), Origin.GENERATED)

    assert place.is_symlink()
    assert Vault.open(elsewhere, key).names() == ("A",)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    folder.chmod(0o700)
    path, key = folder / "core.vault", KeyFile(folder / "core.key")
    Vault.create(path, key).put("REDIS_PASSWORD", Sensitive(VALUE), Origin.GENERATED)
    return path, key, path.read_bytes()


@given(data=st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_is_found(sealed, data):
    path, key, whole = sealed
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)

    refusal(path, key)


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_truncation_is_found(sealed, data):
    path, key, whole = sealed
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])

    refusal(path, key)


@given(extra=st.binary(min_size=1, max_size=50), data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_addition_is_found(sealed, extra, data):
    path, key, whole = sealed
    place = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:place] + extra + whole[place:])

    refusal(path, key)


@given(content=st.binary(max_size=400))
@settings(deadline=None)
def test_taking_any_bytes_apart_ends_in_a_header_or_a_clear_error(content):
    for raw in (content, b"flowkit-vault 1\n" + content, b'flowkit-vault 1\n{"id": ' + content):
        with pytest.raises(VaultError):
            envelope.parse(raw, Path("v"))


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


def test_a_full_disk_leaves_the_file_whole_and_nothing_beside_it(place, key, monkeypatch):
    vault = Vault.create(place, key)
    before = place.read_bytes()

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(VaultError, match="no space left"):
        vault.put("A", Sensitive(VALUE), Origin.GENERATED)

    assert place.read_bytes() == before
    assert list(place.parent.iterdir()) == [place]
    assert "A" not in vault


KILLED = """
import os, sys
from pathlib import Path
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.vault import KeyFile, Origin, Vault
place, key, victim = sys.argv[1:]
vault = Vault.open(Path(place), KeyFile(Path(key)))
module, name = victim.split(".")
setattr(os if module == "os" else Path, name, lambda *a, **k: os._exit(9))
vault.put("B", Sensitive("2"), Origin.GENERATED)
"""


@pytest.mark.parametrize("victim", ["os.fsync", "Path.rename", "os.close"])
def test_a_run_killed_while_writing_loses_nothing_and_its_draft_is_tidied_up(place, key, victim):
    Vault.create(place, key).put("A", Sensitive("1"), Origin.GENERATED)

    died = subprocess.run([sys.executable, "-c", KILLED, place, key.path, victim], cwd=ROOT, check=False)

    assert died.returncode == 9
    assert Vault.open(place, key).value("A").text() == "1"
    with vault_lock(place, "deploy"):
        Vault.open(place, key).put("C", Sensitive("3"), Origin.GENERATED)
    assert sorted(path.name for path in place.parent.iterdir()) == ["core.vault", "core.vault.lock"]
    assert {"A", "C"} <= set(Vault.open(place, key).names())


def test_what_another_run_wrote_in_the_meantime_is_not_lost(place, key):
    vault = Vault.create(place, key)
    Vault.open(place, key).put("A", Sensitive("theirs"), Origin.GENERATED)

    with pytest.raises(VaultError, match="another run has changed it"):
        vault.put("B", Sensitive("ours"), Origin.GENERATED)

    assert Vault.open(place, key).names() == ("A",)


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


def open_or_create(place: Path, key: Path, gate, answers) -> None:
    gate.wait()
    try:
        answers.put(Vault.open_or_create(place, KeyFile(key)).id)
    except QuickstartError as error:
        answers.put(f"{error}")


def test_processes_that_create_at_once_end_with_the_same_vault(place, key):
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(4), context.Queue()
    runs = [context.Process(target=open_or_create, args=(place, key.path, gate, answers)) for _ in range(4)]
    for run in runs:
        run.start()
    found = {answers.get(timeout=30) for _ in runs}
    for run in runs:
        run.join()

    assert found == {Vault.open(place, key).id}


HOLDER = """
import sys
from pathlib import Path
from secrets_quickstart.vault import vault_lock
with vault_lock(Path(sys.argv[1]), "deploy --target flowapi"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_told_who_holds_the_lock(place):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        with pytest.raises(Busy) as caught, vault_lock(place, "rotate"):
            pass

        assert "`deploy --target flowapi`" in caught.value.why
        assert f"process {holder.pid}" in caught.value.why
        assert f"kill {holder.pid}" in caught.value.fix
        holder.kill()
        holder.wait()
        with vault_lock(place, "rotate"):  # the dead hold nothing
            pass


def test_a_lock_can_be_waited_for(place):
    held, release = threading.Event(), threading.Event()

    def hold():
        with vault_lock(place, "deploy"):
            held.set()
            release.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    started = time.monotonic()
    with pytest.raises(Busy), vault_lock(place, "rotate", wait=0.3):
        pass
    waited = time.monotonic() - started
    threading.Timer(0.1, release.set).start()
    with vault_lock(place, "rotate", wait=10):
        pass
    holder.join()

    assert 0.3 <= waited < 5


def test_a_note_that_cannot_be_read_still_means_busy(place):
    with vault_lock(place, "deploy"):
        place.with_name("core.vault.lock").write_bytes(b"\xff{")

        with pytest.raises(Busy), vault_lock(place, "rotate"):
            pass


def test_a_failure_inside_frees_the_lock(place):
    with pytest.raises(RuntimeError), vault_lock(place, "deploy"):
        raise RuntimeError

    with vault_lock(place, "deploy"):
        pass


def test_readers_need_no_lock(place, key):
    Vault.create(place, key)

    with vault_lock(place, "deploy"):
        assert Vault.open(place, key).names() == ()


def test_importing_the_vault_does_not_import_cryptography():
    code = "import sys, secrets_quickstart.vault; sys.exit('cryptography' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert done.returncode == 0
