"""Private files: read only while nobody else can, written whole or not at all; not what they mean."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secrets_quickstart.errors import VaultError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
DRAFT = ".draft-"


def real(path: Path) -> Path:
    """The path without symbolic links; VaultError for one that leads nowhere, where a new file would be a mistake."""
    if path.is_symlink() and not path.exists():
        raise VaultError(f"{path} leads nowhere", why="it is a broken link", fix="mount or repair what it points to")
    return path.resolve()


def exists(path: Path) -> bool:
    """Whether anything of that name is there; VaultError when that cannot be known."""
    with _explained(path, "looked at"):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


def read(path: Path) -> bytes:
    """The content of a file that only its owner can read, in a folder that only its owner can read; or VaultError."""
    with _explained(path, "read"):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise VaultError(
                f"{path} cannot be read", why=f"it is {kind}", fix="name the file itself, or move this away"
            )
        refuse_others(path, status)
        refuse_others(path.parent, path.parent.stat())
        return path.read_bytes()


def refuse_others(path: Path, status: os.stat_result) -> None:
    """VaultError if anybody but the owner has a right on it: what was in it may be known, which a chmod cannot undo."""
    if status.st_mode & OTHERS:
        folder = stat.S_ISDIR(status.st_mode)
        raise VaultError(
            f"{path} is open to others",
            why=f"its mode is {stat.S_IMODE(status.st_mode):04o}",
            fix=f"chmod {'700' if folder else '600'} {path}",
        )


def make_folder(path: Path) -> None:
    """Create a folder and those above it as far as they are missing, for the owner alone."""
    with _explained(path, "made"):
        for folder in (*reversed(path.parents), path):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
        refuse_others(path, path.stat())


def write_new(path: Path, content: bytes) -> bool:
    """Write a file that must not exist; False, and nothing done, if it does.  Of two at once exactly one succeeds."""
    make_folder(path.parent)
    with _explained(path, "written"), _draft(path, content) as draft:
        try:
            os.link(draft, path)  # unlike a rename, it never replaces
        except FileExistsError:
            return False
        settle(path.parent)
        return True


def replace(path: Path, content: bytes) -> None:
    """Put this content in the place of a file's, keeping its owner."""
    with _explained(path, "written"), _draft(path, content) as draft:
        owner = path.stat()
        if owner.st_uid != os.geteuid():  # root works on somebody's vault, who must be able to read it afterwards
            os.chown(draft, owner.st_uid, owner.st_gid)
        draft.rename(path)
        settle(path.parent)


def remove_drafts(path: Path) -> None:
    """Remove what runs that died while writing this file left beside it."""
    with _explained(path, "tidied up"):
        for found in list(path.parent.iterdir()):
            name, draft, writer = found.name.rpartition(DRAFT)
            if name == path.name and draft and not Path("/proc", writer.partition("-")[0]).exists():
                found.unlink(missing_ok=True)


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside `path` with this content, safely on the disk; gone afterwards unless it was renamed."""
    draft = path.with_name(f"{path.name}{DRAFT}{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Bring a folder's names to the disk: without this a crash of the machine could undo a rename."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        match error:
            case FileNotFoundError():
                fix = "check the path"
            case PermissionError():
                fix = "run this as the owner of that file and its folder"
            case _:
                fix = f"see to {path.parent}: space, mount, disk"
        raise VaultError(f"{path} cannot be {done}", why=why.lower(), fix=fix) from error
