"""Files that people name, and files that are written for them: each whole or not at all, never in another's place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from secrets_quickstart.errors import HostError, UsageError

UNFINISHED = ".unfinished"
"""How the name of a file ends that is not complete: a run that was killed leaves it."""


class Outcome(Enum):
    """What came of writing a file."""

    WRITTEN = "written"
    SAME = "there already"
    OTHER = "left as it is: it differs"


def typed(text: str) -> Path:
    """The path that somebody typed, where `~` is a home.  Raises UsageError for the home of somebody unknown."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UsageError(
            f"{text} is no path", why="this machine knows no such user's home", fix="write the path in full"
        ) from None


def write_new(path: Path, content: Iterable[bytes], mode: int = 0o644) -> Outcome:
    """Write what the chunks make up, beside the path first; the file has its name when all of it is on the disk.

    What is there already is compared and left alone; then only as many chunks are taken as that needs.  The directory
    must be there.  Raises HostError.
    """
    try:
        if os.path.lexists(path):
            return _compared(path, content)
        file, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent)
        unfinished = Path(name)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.writelines(content)
                os.fchmod(file, mode)
                stream.flush()
                os.fsync(file)
            return Outcome.WRITTEN if _named(unfinished, path) else Outcome.OTHER
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(
            f"{path} cannot be written",
            why=(error.strerror or str(error)).lower(),
            fix="make room or give the right, or choose another place; no part of it is there",
        ) from error


def _compared(path: Path, content: Iterable[bytes]) -> Outcome:
    if not path.is_file():
        return Outcome.OTHER
    with path.open("rb") as there:
        same = all(there.read(len(chunk)) == chunk for chunk in content) and not there.read(1)
    return Outcome.SAME if same else Outcome.OTHER


def _named(unfinished: Path, path: Path) -> bool:
    """Give it its name, unless somebody has put another file there meanwhile."""
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        unfinished.rename(path)
    return True
