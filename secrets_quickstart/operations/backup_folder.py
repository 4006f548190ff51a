"""A backup's folder: its sealed files, its draft, and which ones are old; not what is backed up.

<stack>-<UTC time>/  manifest.json  manifest.age  [key.age]  and a sealed file for each part.  It gets this name when
all of it is on the disk; until then it is a hidden draft, which the next run removes.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from secrets_quickstart import audit
from secrets_quickstart.errors import HostError
from secrets_quickstart.material.sealing import Opener, Sealer, Sink, Source
from secrets_quickstart.operations.backup_manifest import MANIFEST, Manifest, Part, no_backup, read
from secrets_quickstart.vault import storage

SEALED_MANIFEST, KEY = "manifest.age", "key.age"
TIME = "%Y%m%dT%H%M%SZ"
DRAFT = ".draft-"
AT_ONCE = 1 << 20

Told = Callable[[int], None]
"""Is told how many bytes have come, again and again."""


class Draft:
    """A folder that is being filled."""

    def __init__(self, path: Path, sealer: Sealer) -> None:
        self.path = path
        self._sealer = sealer
        self.parts: dict[str, Part] = {}
        if sealer.key is not None:
            self.parts[KEY] = self._write(KEY, lambda sink: sink.write(sealer.key or b""))

    def seal(self, name: str, source: Source, told: Told = lambda _: None) -> None:
        """A new file of all that the source gives; raises OSError."""
        counted = Counted(source, told)
        self.parts[name] = self._write(name, lambda sink: self._sealer.seal(counted, sink))

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, in clear and sealed: whoever changes one has not the key for the other."""
        content = manifest.encoded()
        self._write(SEALED_MANIFEST, lambda sink: self._sealer.seal(io.BytesIO(content), sink))
        self._write(MANIFEST, lambda sink: sink.write(content))

    def _write(self, name: str, fill: Callable[[Sink], Any]) -> Part:
        """A new file, safely on the disk."""
        with (self.path / name).open("xb") as file:
            tally = Tally(file)
            fill(tally)
            file.flush()
            os.fsync(file.fileno())
        return tally.part


class Counted:
    """A source that tells how much was read of it."""

    def __init__(self, source: Source, told: Told) -> None:
        self._source, self._told, self._bytes = source, told, 0

    def read(self, size: int, /) -> bytes:
        content = self._source.read(size)
        self._bytes += len(content)
        self._told(self._bytes)
        return content


class Tally:
    """A sink that knows the size and the hash of what went through it."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._bytes, self._hash = sink, 0, hashlib.sha256()

    def write(self, content: bytes, /) -> None:
        self._hash.update(content)
        self._bytes += len(content)
        self._sink.write(content)

    @property
    def part(self) -> Part:
        return Part(self._bytes, self._hash.hexdigest())


@contextmanager
def drafted(directory: Path, stack: str, sealer: Sealer) -> Iterator[tuple[Draft, Path]]:
    """A draft, and the name that it has when the block ends; it is gone if the block raises.

    Raises HostError for what the disk refuses.
    """
    final = directory / f"{stack}-{datetime.now(UTC).strftime(TIME)}"
    draft = directory / f".{final.name}{DRAFT}{socket.gethostname()}"
    try:
        directory.mkdir(exist_ok=True)
        _remove_drafts(directory, stack)
        if final.exists():
            raise HostError(f"{final} is there already", fix="wait a second, and run this again")
        draft.mkdir(mode=0o700)
        try:
            yield Draft(draft, sealer), final
            storage.settle(draft)
            audit.note(f"back up into {final}")
            draft.rename(final)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        storage.settle(directory)
    except OSError as error:
        raise HostError(
            f"the backup cannot be written to {directory}",
            why=(error.strerror or str(error)).lower(),
            fix="make room or give the right, or choose another directory; no part of it is there",
        ) from error


def _remove_drafts(directory: Path, stack: str) -> None:
    """What runs that were killed left, on this machine: another may be at work in the same directory."""
    pattern = re.compile(rf"\.{_title(stack)}{re.escape(DRAFT + socket.gethostname())}")
    for path in list(directory.iterdir()):
        if pattern.fullmatch(path.name):
            shutil.rmtree(path)


def _title(stack: str) -> str:
    return rf"{re.escape(stack)}-\d{{8}}T\d{{6}}Z"


def listed(directory: Path, stack: str) -> list[Path]:
    """The stack's backups in a directory, the oldest first."""
    pattern = re.compile(_title(stack))
    found = (path for path in directory.iterdir() if pattern.fullmatch(path.name) and (path / MANIFEST).is_file())
    return sorted(found, key=lambda path: path.name)


def prune(directory: Path, stack: str, keep: int) -> list[Path]:
    """Delete all but the newest `keep`, and return those that are gone; one that is being deleted is no backup."""
    old = listed(directory, stack)[:-keep]
    for path in old:
        doomed = path.with_name(f".{path.name}{DRAFT}{socket.gethostname()}")
        audit.note(f"delete the backup {path}")
        path.rename(doomed)
        shutil.rmtree(doomed)
    return old


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole backup that was opened, its manifest proven to be the one that was written."""

    folder: Path
    manifest: Manifest
    opener: Opener

    @classmethod
    def open(cls, folder: Path, opener: Callable[[bytes | None], Opener]) -> Self:
        """`opener` makes one of the folder's key, None without one.  Raises HostError or MaterialError."""
        manifest = read(folder)
        key = folder / KEY
        if KEY in manifest.files:
            require_whole(folder, {KEY: manifest.files[KEY]})
        opened = opener(key.read_bytes() if key.is_file() else None)
        proof, sealed = io.BytesIO(), folder / SEALED_MANIFEST
        if not sealed.is_file():
            raise no_backup(folder, f"{SEALED_MANIFEST}: no such file or directory")
        with sealed.open("rb") as file:
            opened.open(file, proof, SEALED_MANIFEST)
        if Manifest.decoded(proof.getvalue(), folder / SEALED_MANIFEST) != manifest:
            raise no_backup(folder, f"{MANIFEST} was changed")
        return cls(folder, manifest, opened)

    @property
    def mark(self) -> str:
        """By what this backup is known again."""
        return hashlib.sha256(self.manifest.encoded()).hexdigest()

    def read(self, name: str) -> bytes:
        """What is sealed in a small file."""
        content = io.BytesIO()
        self.pour(name, content)
        return content.getvalue()

    def pour(self, name: str, sink: Sink, told: Told = lambda _: None) -> None:
        """What is sealed in a file; raises MaterialError when it turns out to be damaged."""
        with (self.folder / name).open("rb") as file:
            self.opener.open(Counted(file, told), sink, name)


def require_whole(folder: Path, files: Mapping[str, Part], told: Callable[[str, int], None] = lambda *_: None) -> None:
    """Read every file; raises HostError for one that is missing, or not what was written."""
    for name, part in files.items():
        try:
            found = _part(folder / name, lambda read, name=name: told(name, read))  # type: ignore[misc]
        except OSError as error:
            raise no_backup(folder, f"{name}: {(error.strerror or str(error)).lower()}") from None
        if found != part:
            why = f"it has {found.bytes} bytes, not {part.bytes}" if found.bytes != part.bytes else "it was changed"
            raise no_backup(folder, f"{name}: {why}")


def _part(path: Path, told: Told) -> Part:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while content := file.read(AT_ONCE):
            digest.update(content)
            size += len(content)
            told(size)
    return Part(size, digest.hexdigest())
