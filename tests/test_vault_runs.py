"""Several runs at one vault, and runs that are cut off: nothing is lost, and who waits is told for whom."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secrets_quickstart.errors import Busy, QuickstartError, VaultError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.vault import KeyFile, Origin, Vault, vault_lock

ROOT = Path(__file__).parents[1]

VALUE = "correct-horse-battery"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state" / "core.vault"


@pytest.fixture
def key(tmp_path):
    return KeyFile(tmp_path / "keys" / "core.key")


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
