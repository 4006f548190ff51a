"""Disks, directories and the hosts file, and how they are read; judges nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from secrets_quickstart.catalog.hosts import HOST_NAMES
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.errors import HostError
from secrets_quickstart.host import hosts_file
from secrets_quickstart.settings import Settings

SHOWN = 5
MOUNTED = (
    ("flowdb", "FLOWDB_DATA_DIR", True),
    ("flowdb", "FLOWDB_ETL_DIR", False),
    ("flowetl", "FLOWETL_HOST_DAG_DIR", False),
    ("flowetl", "FLOWETL_HOST_LOG_DIR", True),
)
"""Component, variable, and whether its services write there."""
IMAGES_UID = 999
"""The uid and gid of the user postgres in both FlowDB images, where the stack file says no other."""


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The file system below a directory; `path` is the nearest one that exists."""

    path: Path
    kind: str
    read_only: bool
    total: int
    free: int
    inodes: int
    free_inodes: int
    device: int


@dataclass(frozen=True, slots=True)
class DirectoryFacts:
    """A directory that is to be mounted into a service."""

    variable: str
    path: Path
    kind: str
    """directory, missing, other (a file or the like) or hidden (we may not look)."""
    writable: bool
    """The service writes there, it does not only read."""
    uid: int
    gid: int
    """The user and group the service runs as."""
    owner: int | None = None
    owner_group: int | None = None
    mode: int = 0
    creatable: bool = True
    """Whether we may make it, or change its owner."""
    entries: tuple[str, ...] = ()
    """The first few names in it."""
    postgresql: str = ""
    """The major version of the database cluster in it, or ""."""


@dataclass(frozen=True, slots=True)
class HostsFacts:
    """The hosts file and the names that should be in it."""

    path: Path
    writable: bool
    wanted: Mapping[str, str]
    """Address by name."""
    missing: tuple[str, ...]
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """The addresses that a name points to instead."""
    problem: str = ""
    fix: str = ""
    """Why the file cannot be used, and what to do."""


def disk_facts(path: Path) -> DiskFacts | Unknown:
    """The file system that `path` is on, or would be on when it is made."""
    import psutil

    try:
        there = existing(path).resolve()
        figures = os.statvfs(there)
        device = there.stat().st_dev
    except OSError as error:
        return Unknown(f"{path} cannot be looked at: {error.strerror}")
    mounts = [part for part in psutil.disk_partitions(all=True) if there.is_relative_to(part.mountpoint)]
    mount = max(mounts, key=lambda part: len(part.mountpoint), default=None)
    return DiskFacts(
        path=there,
        kind=mount.fstype if mount is not None else "",
        read_only=bool(figures.f_flag & os.ST_RDONLY),
        total=figures.f_blocks * figures.f_frsize,
        free=figures.f_bavail * figures.f_frsize,
        inodes=figures.f_files,
        free_inodes=figures.f_favail,
        device=device,
    )


def existing(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    return next(above for above in (path, *path.parents) if os.path.lexists(above) and above.exists())


def directories_of(settings: Settings, chosen: Collection[str]) -> tuple[DirectoryFacts, ...]:
    """The directories that the stack files of these components mount."""
    return tuple(
        directory_facts(variable, settings[variable], *_user(settings, component), writable=writable)
        for component, variable, writable in MOUNTED
        if component in chosen and settings[variable] is not None
    )


def _user(settings: Settings, component: str) -> tuple[int, int]:
    """The uid and gid that the component's services run as."""
    uid, gid = (settings[f"{component.upper()}_HOST_{name}_ID"] for name in ("USER", "GROUP"))
    return uid or IMAGES_UID, IMAGES_UID if gid is None else gid


def directory_facts(variable: str, path: Path, uid: int, gid: int, *, writable: bool) -> DirectoryFacts:
    """One directory that a service running as `uid` and `gid` is to use."""
    root = os.geteuid() == 0
    try:
        status = path.stat()
    except FileNotFoundError:
        above = existing(path)
        ours = uid == os.geteuid() or not writable  # whoever makes one that is only read may own it
        may = root or (above.is_dir() and os.access(above, os.W_OK | os.X_OK) and ours)
        return DirectoryFacts(variable, path, "missing", writable, uid, gid, creatable=may and above.is_dir())
    except NotADirectoryError:
        return DirectoryFacts(variable, path, "other", writable, uid, gid)
    except OSError:
        return DirectoryFacts(variable, path, "hidden", writable, uid, gid)
    if not stat.S_ISDIR(status.st_mode):
        return DirectoryFacts(variable, path, "other", writable, uid, gid)
    entries = _entries(path)
    return DirectoryFacts(
        variable=variable,
        path=path,
        kind="directory",
        writable=writable,
        uid=uid,
        gid=gid,
        owner=status.st_uid,
        owner_group=status.st_gid,
        mode=stat.S_IMODE(status.st_mode),
        creatable=root,
        entries=tuple(entries[:SHOWN]),
        postgresql=_postgresql(path) if "PG_VERSION" in entries else "",
    )


def _entries(path: Path) -> list[str]:
    """What is in it; nothing when only its owner may look, as PostgreSQL's directories are."""
    try:
        return sorted(entry.name for entry in os.scandir(path))
    except OSError:
        return []


def _postgresql(path: Path) -> str:
    try:
        return (path / "PG_VERSION").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def hosts_facts(settings: Settings) -> HostsFacts | Unknown:
    """The hosts file, and which of our names it lacks or gives to others."""
    if not settings["FLOWKIT_HOSTS_ENTRY"]:
        return Unknown("FLOWKIT_HOSTS_ENTRY is false")
    path = settings["FLOWKIT_HOSTS_FILE"]
    wanted = dict.fromkeys(HOST_NAMES, str(settings["FLOWKIT_HOSTS_ADDRESS"]))
    try:
        content = hosts_file.read(path)
        foreign = hosts_file.elsewhere(content, settings.stack, wanted)
    except HostError as error:
        return HostsFacts(path, writable=False, wanted=wanted, missing=(), problem=str(error), fix=error.fix)
    return HostsFacts(
        path=path,
        writable=os.access(path, os.W_OK),
        wanted=wanted,
        missing=hosts_file.missing(content, wanted),
        elsewhere={name: addresses[0] for name, addresses in foreign.items()},
    )
