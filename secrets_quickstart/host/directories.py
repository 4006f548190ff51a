"""Directories of this machine that are mounted into services: found, judged and made; not which they are.

What is in a directory is never touched: only an empty one, or one that we make, gets another owner or mode.
"""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from secrets_quickstart.errors import HostError


class Kind(Enum):
    """What is at a path."""

    MISSING = "missing"
    DIRECTORY = "a directory"
    OTHER = "not a directory"
    HIDDEN = "out of our sight"


@dataclass(frozen=True, slots=True)
class Directory:
    """What a directory should be."""

    variable: str
    path: Path
    uid: int
    gid: int
    mode: int
    owned: bool
    """True for one that the service writes to and must own; False for one that it only reads: then whoever makes it
    owns it."""
    below: Path
    """Where missing parents may be made; above it a missing one is an error, such as a disk that is not mounted."""
    service: str
    """Who uses it, for people."""
    database: bool = False
    """True for one in which PostgreSQL is to set up a database."""

    @property
    def by_hand(self) -> str:
        """The command that makes it."""
        if not self.owned:
            return f"sudo install -d -m {self.mode:04o} {shlex.quote(str(self.path))}"
        return f"sudo install -d -o {self.uid} -g {self.gid} -m {self.mode:04o} {shlex.quote(str(self.path))}"


@dataclass(frozen=True, slots=True)
class Found:
    """What is there; from `uid` on it only counts for a directory."""

    kind: Kind
    parent: Path
    """The nearest directory above that is there."""
    parent_writable: bool
    read_only: bool = False
    """True when that directory is on a file system that cannot be written at all."""
    uid: int = -1
    gid: int = -1
    mode: int = 0
    entries: tuple[str, ...] = ()
    """Some of the names in it."""
    readable: bool = True
    """False when we could not list it: it may hold anything."""

    @property
    def empty(self) -> bool:
        return self.readable and not self.entries


@dataclass(frozen=True, slots=True)
class Right:
    """Nothing has to be done."""


@dataclass(frozen=True, slots=True)
class Make:
    """It has to be made."""


@dataclass(frozen=True, slots=True)
class Adjust:
    """It is empty, and has to get its owner and mode."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A person has to do something."""

    why: str
    fix: str


def look(path: Path) -> Found:
    """What is at the path.  Changes nothing and raises nothing."""
    parent = path.parent
    while not os.path.lexists(parent) and parent != parent.parent:
        parent = parent.parent
    writable = parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
    try:
        found = path.stat()
    except FileNotFoundError:
        dangling = os.path.lexists(path)
        read_only = parent.is_dir() and bool(os.statvfs(parent).f_flag & os.ST_RDONLY)
        return Found(Kind.OTHER if dangling else Kind.MISSING, parent, writable, read_only)
    except NotADirectoryError:
        return Found(Kind.MISSING, parent, parent_writable=False)
    except OSError:
        return Found(Kind.HIDDEN, parent, writable)
    if not stat.S_ISDIR(found.st_mode):
        return Found(Kind.OTHER, parent, writable)
    try:
        with os.scandir(path) as entries:
            names = tuple(sorted(entry.name for entry, _ in zip(entries, range(5), strict=False)))
        readable = True
    except OSError:
        names, readable = (), False
    return Found(
        Kind.DIRECTORY,
        parent,
        writable,
        uid=found.st_uid,
        gid=found.st_gid,
        mode=stat.S_IMODE(found.st_mode),
        entries=names,
        readable=readable,
    )


def judge(wanted: Directory, found: Found, me: int) -> Right | Make | Adjust | Wrong:
    """What has to be done, by a process of the user `me`; pure."""
    quoted = shlex.quote(str(wanted.path))
    owner = f"{wanted.uid}:{wanted.gid}"
    match found.kind:
        case Kind.HIDDEN:
            return Wrong("we may not look at it", f"run as somebody who may, or allow it: sudo ls -ld {quoted}")
        case Kind.OTHER:
            return Wrong(
                "something else than a directory is there", f"move it away, or set {wanted.variable} to another"
            )
        case Kind.MISSING:
            return _judge_missing(wanted, found, me)
        case Kind.DIRECTORY:
            pass
    if not wanted.owned:
        if _reads(wanted, found):
            return Right()
        if found.empty and me in (0, found.uid) and wanted.path.is_relative_to(wanted.below):
            return Adjust()  # we made it, and came no further
        return Wrong(f"the user {owner} may not read it", f"sudo chmod a+rx {quoted}")
    if wanted.database and found.entries == ("lost+found",):
        return Wrong(
            "it is the root of a file system, where PostgreSQL sets up no database because of lost+found",
            f"set {wanted.variable} to a directory below it, such as {wanted.path / 'flowdb'}",
        )
    owned = (found.uid, found.gid) == (wanted.uid, wanted.gid)
    # the group may read what a service has set up for itself, as PostgreSQL has it
    private = not found.mode & ~(wanted.mode if found.empty else wanted.mode | 0o050) & 0o777
    if owned and private:
        return Right()
    commands = [] if owned else [f"sudo chown {'' if found.empty else '-R '}{owner} {quoted}"]
    commands += [] if private else [f"sudo chmod {wanted.mode:04o} {quoted}"]
    if found.empty and (me in (0, found.uid) if owned else me == 0):
        return Adjust()
    if owned:
        return Wrong(f"others than {owner} may get at it (mode {found.mode:04o})", commands[0])
    why = f"it belongs to {found.uid}:{found.gid}, and {wanted.service} runs as {owner}"
    if not found.empty:
        why += "; there is something in it, which may be another's"
    return Wrong(
        why, f"if it is {wanted.service}'s: {' && '.join(commands)}" if not found.empty else " && ".join(commands)
    )


def _judge_missing(wanted: Directory, found: Found, me: int) -> Make | Wrong:
    if found.parent != wanted.path.parent and not wanted.path.is_relative_to(wanted.below):
        return Wrong(
            f"{wanted.path.parent} is not there either",
            f"mount what belongs there, or make it: sudo mkdir -p {shlex.quote(str(wanted.path.parent))}",
        )
    if found.read_only:
        return Wrong(
            f"{found.parent} is on a read-only file system", f"remount it, or set {wanted.variable} to another place"
        )
    if not found.parent_writable:
        return Wrong(f"we may not make it in {found.parent}", wanted.by_hand)
    if wanted.owned and me not in (0, wanted.uid):
        return Wrong(f"only root can give it to the user {wanted.uid}", wanted.by_hand)
    return Make()


def _reads(wanted: Directory, found: Found) -> bool:
    """Whether the user may list the directory and open what is in it."""
    if found.uid == wanted.uid:
        bits = found.mode >> 6
    elif found.gid == wanted.gid:
        bits = found.mode >> 3
    else:
        bits = found.mode
    return bits & 0o5 == 0o5


def make(wanted: Directory) -> None:
    """Make it, and what is missing above it; safe to repeat.  Raises HostError."""
    try:
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        wanted.path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _refused(wanted, "cannot be made", error) from error
    adjust(wanted)


def adjust(wanted: Directory) -> None:
    """Give an empty directory its owner and mode.  Raises HostError, also if it is not empty any more."""
    try:
        file = os.open(wanted.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(file) as entries:
                filled = any(entries)
            if filled:
                raise HostError(f"{wanted.path} is not empty any more", fix="run the same command again")
            found = os.fstat(file)
            if wanted.owned and (found.st_uid, found.st_gid) != (wanted.uid, wanted.gid):
                os.fchown(file, wanted.uid, wanted.gid)
            os.fchmod(file, wanted.mode)
        finally:
            os.close(file)
    except OSError as error:
        raise _refused(wanted, "cannot be prepared", error) from error


def _refused(wanted: Directory, what: str, error: OSError) -> HostError:
    return HostError(f"{wanted.variable}: {wanted.path} {what}", why=error.strerror or str(error), fix=wanted.by_hand)
