"""What is on this machine's disks: the size of a directory with all that is below it, and the room that is left."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.errors import HostError

BLOCK = 512
"""Bytes in what stat counts blocks in, whatever the file system's own are."""


@dataclass(frozen=True, slots=True)
class Room:
    """The file system of a path, in bytes."""

    free: int
    """For whom is not root."""
    total: int


def room(path: Path) -> Room:
    """Raises HostError."""
    try:
        found = os.statvfs(path)
    except OSError as error:
        raise _unseen(path, error) from None
    return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def size(path: Path, within: float) -> int:
    """Bytes that a directory takes, as `du` counts them; what goes away meanwhile is not counted, no link is followed.

    Raises HostError for what may not be looked at, and when it takes longer than so many seconds.
    """
    end = time.monotonic() + within
    total, seen, waiting = 0, set[tuple[int, int]](), [path]
    while waiting:
        folder = waiting.pop()
        if time.monotonic() > end:
            raise HostError(
                f"{path} is not measured in {within:g} s", why="there are too many files", fix=f"sudo du -sh {path}"
            )
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif found.st_nlink > 1:
                        if (found.st_dev, found.st_ino) in seen:
                            continue
                        seen.add((found.st_dev, found.st_ino))
                    total += found.st_blocks * BLOCK
        except FileNotFoundError:
            if folder == path:
                raise HostError(f"{path} is not there", fix="deploy what uses it, or mount its disk") from None
        except OSError as error:
            raise _unseen(folder, error) from None
    return total


def _unseen(path: Path, error: OSError) -> HostError:
    return HostError(f"{path} cannot be looked at", why=(error.strerror or str(error)).lower(), fix="run this as root")
