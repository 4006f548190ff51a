"""One writing run at a time; not a lock on a vault's content, which the key is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from secrets_quickstart.errors import Busy, VaultError
from secrets_quickstart.vault import storage

BETWEEN_TRIES = 0.1


@contextmanager
def vault_lock(path: Path, command: str, wait: float = 0) -> Iterator[None]:
    """Hold the lock of the vault at `path`, which need not exist yet; `command` is what others are told.

    Raises Busy, naming the run that holds it, if that has not ended within `wait` seconds.  The system frees the lock
    of a run that dies.  Readers need no lock.
    """
    path = storage.real(path)
    place = path.with_name(f"{path.name}.lock")
    storage.make_folder(place.parent)
    try:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise VaultError(
            f"{place} cannot be opened",
            why=(error.strerror or type(error).__name__).lower(),
            fix="run this as the owner of that file and its folder",
        ) from error
    try:
        _acquire(descriptor, time.monotonic() + wait)
        note = {"command": command, "pid": os.getpid(), "started": datetime.now().astimezone().isoformat()}
        _write(descriptor, json.dumps(note).encode())
        storage.remove_drafts(path)
        yield
        _write(descriptor, b"")
    finally:
        os.close(descriptor)  # frees it


def _acquire(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _busy(os.pread(descriptor, 4096, 0)) from None
            time.sleep(min(BETWEEN_TRIES, left))
        else:
            return


def _busy(note: bytes) -> Busy:
    why, fix = "it has not said which", "wait until it has ended"
    with contextlib.suppress(ValueError, TypeError, KeyError):
        holder = json.loads(note)
        since = datetime.fromisoformat(holder["started"])
        why = f"`{holder['command']}`, process {int(holder['pid'])}, since {since:%Y-%m-%d %H:%M:%S}"
        fix = f"wait until it has ended, or stop it: kill {int(holder['pid'])}"
    return Busy("another run is at work on this stack", why=why, fix=fix)


def _write(descriptor: int, note: bytes) -> None:
    """A full disk keeps the note from others, not the lock from us."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)
