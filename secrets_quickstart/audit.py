"""The audit log: what was changed by which command, a JSON line each, appended to a file of the stack's; no values.

What a command is about to change is written before it is done, and how it ended afterwards: a run that was killed has
left what it was at.  A command that changes nothing writes nothing.  It imports nothing of ours; the guard around each
command (`tasks.task`) begins and ends, and whoever changes something notes it.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "audit.jsonl"
_lock = threading.RLock()


@dataclass(slots=True)
class _Run:
    """The command that is at work."""

    command: str
    flags: Sequence[str]
    user: str
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    file: Path | None = None
    stack: str = ""
    noted: bool = False
    problem: str = ""
    """Why the first line that could not be written was not."""


_run: _Run | None = None


def begin(command: str, flags: Sequence[str], user: str) -> None:
    """From now on it is this command that changes things; `flags` are names, never what was given with them."""
    global _run
    with _lock:
        _run = _Run(command, flags, user)


def place(folder: Path, stack: str) -> None:
    """Where the log of the command's stack is; without it nothing is written."""
    if _run is not None:
        _run.file, _run.stack = folder / FILE, stack


def note(*actions: object) -> None:
    """Write what is about to be changed, as people are told it.  A failure to write is kept for `end`."""
    with _lock:
        if _run is None or _run.file is None or not actions:
            return
        _run.noted = True
        about = {"command": _run.command, "flags": list(_run.flags), "user": _run.user, "stack": _run.stack}
        _append(_run, {**about, "actions": [str(action) for action in actions]})


def forget() -> None:
    """The log goes with the stack: nothing more is written of this command."""
    with _lock:
        if _run is not None:
            _run.file = None


def end(status: int) -> str:
    """Write how the command ended, if it changed anything; why the log is not whole, "" if it is."""
    global _run
    with _lock:
        run, _run = _run, None
        if run is None:
            return ""
        if run.noted and run.file is not None:
            _append(run, {"status": status})
        return run.problem


def _append(run: _Run, record: dict[str, Any]) -> None:
    if run.file is None:
        return
    line = json.dumps({"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "run": run.id, **record}, ensure_ascii=False)
    try:
        run.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(run.file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size and os.pread(descriptor, 1, size - 1) != b"\n"  # by a full disk, or a machine that went down
            os.write(descriptor, f"{chr(10) if torn else ''}{line}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        run.problem = run.problem or f"{run.file}: {(error.strerror or type(error).__name__).lower()}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one command did."""

    time: datetime
    """When it began to change things, in UTC."""
    command: str
    flags: tuple[str, ...]
    user: str
    stack: str
    actions: tuple[str, ...]
    status: int | None
    """Its exit status; None while it is at work, and for one that was killed."""

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "time": f"{self.time:%Y-%m-%dT%H:%M:%SZ}"}


def read(folder: Path, since: datetime | None = None) -> list[Entry]:
    """The commands that have changed something, the earliest first; none where there is no log.

    A line that is no record of ours is passed over.  Raises OSError for a log that may not be read.
    """
    try:
        lines = (folder / FILE).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    runs: dict[str, list[dict[str, Any]]] = {}
    for record in _records(lines):
        runs.setdefault(str(record["run"]), []).append(record)
    entries = [_entry(records) for records in runs.values() if "command" in records[0]]
    return [entry for entry in entries if since is None or entry.time >= since]


def _records(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            record = json.loads(line)
            if _is_ours(record):
                yield {"run": "", **record}
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def _is_ours(record: dict[str, Any]) -> bool:
    """Raises TypeError, ValueError or KeyError for much that is not."""
    zone = datetime.fromisoformat(record["time"]).tzinfo
    begins = {"command", "flags", "user", "stack", "actions"} <= record.keys()
    lists = all(isinstance(record.get(name, []), list) for name in ("flags", "actions"))
    return zone is not None and lists and (begins or "status" in record)


def _entry(records: Sequence[dict[str, Any]]) -> Entry:
    first = records[0]
    ended = [record["status"] for record in records if "status" in record]
    return Entry(
        datetime.fromisoformat(first["time"]),
        first["command"],
        tuple(first["flags"]),
        first["user"],
        first["stack"],
        tuple(action for record in records for action in record.get("actions", ())),
        ended[-1] if ended else None,
    )
