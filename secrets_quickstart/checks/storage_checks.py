"""The checks of disks, directories and the hosts file."""

from __future__ import annotations

from secrets_quickstart.catalog.databases import FLOWDB
from secrets_quickstart.checks.check import Check, Obstacle, Ok, Outcome, Skip, Warn
from secrets_quickstart.checks.conditions import on_this_machine
from secrets_quickstart.checks.data import IGNORED, Content
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_storage import DirectoryFacts, DiskFacts
from secrets_quickstart.checks.facts_wanted import Unknown

GB = 1 << 30
NEW_DATA_OBSTACLE = 2 * GB
"""A new FlowDB takes 60 MB, and its write-ahead log may take a gigabyte before it is recycled."""
NEW_DATA_WARNING = 20 * GB
"""On a large disk FlowKit lets the write-ahead log grow to 12 GB, and the cache takes a tenth of what is free."""
OLD_DATA_OBSTACLE = GB
"""A database that runs out of disk stops in the middle of a transaction."""
BUILD_OBSTACLE, BUILD_WARNING = 3 * GB, 8 * GB
"""All local images are below 3 GB with what building leaves behind; then there are logs, and the next version."""
LOGS_OBSTACLE, LOGS_WARNING = GB // 2, 5 * GB
"""FlowKit's documentation says that Airflow's logs can grow very large: a task that cannot write its own fails."""
RUN_OBSTACLE = GB // 2
"""With all images there: container layers and logs, which are rotated at 50 MB a service."""
INODES_OBSTACLE, INODES_WARNING = 20_000, 200_000
"""The local images together have fewer than 100000 files; a database has a file for each table and index."""

NOT_POSTGRESQL = {
    "nfs": "PostgreSQL loses data when the server goes away, unless it is mounted hard and sync",
    "nfs4": "PostgreSQL loses data when the server goes away, unless it is mounted hard and sync",
    "cifs": "it has no POSIX permissions and locks, which PostgreSQL needs",
    "smb3": "it has no POSIX permissions and locks, which PostgreSQL needs",
    "9p": "it does not write through when PostgreSQL asks it to",
    "vfat": "it has no owners, which PostgreSQL insists on",
    "exfat": "it has no owners, which PostgreSQL insists on",
    "fuseblk": "it has no owners, which PostgreSQL insists on",
    "tmpfs": "it is memory: all is gone when the machine restarts",
    "ramfs": "it is memory: all is gone when the machine restarts",
    "overlay": "it is a container's own layer: all is gone when that is removed",
}
UNFINISHED = ".flowdb-unfinished"
"""What a first start of the local image that was cut short leaves; the next one begins anew."""


def gigabytes(size: int) -> str:
    return f"{size / GB:.1f} GB"


def _space(disk: DiskFacts, obstacle: int, warning: int, purpose: str, fix: str) -> Outcome:
    said = f"{gigabytes(disk.free)} free of {gigabytes(disk.total)} at {disk.path}"
    if disk.read_only:
        return Obstacle(f"{disk.path} is on a file system that is mounted read-only", "remount it: mount -o remount,rw")
    if disk.free < obstacle:
        return Obstacle(f"{said}; {purpose} needs {gigabytes(obstacle)}", fix)
    if disk.inodes and disk.free_inodes < INODES_OBSTACLE:
        return Obstacle(f"{disk.free_inodes} inodes free at {disk.path}", "delete small files there, or " + fix)
    if disk.free < warning:
        return Warn(f"{said}; {gigabytes(warning)} are comfortable for {purpose}", fix)
    if disk.inodes and disk.free_inodes < INODES_WARNING:
        return Warn(f"{disk.free_inodes} inodes free at {disk.path}", "delete small files there, or " + fix)
    return Ok(said)


def _holds_database(facts: PreflightFacts) -> bool:
    in_directory = any(item.postgresql for item in facts.directories)
    return in_directory or any(data.content is Content.DATABASE for data in facts.data if data.place.database is FLOWDB)


@on_this_machine
def data_disk(facts: PreflightFacts) -> Outcome:
    if not facts.wanted.data_label:
        return Skip("FlowDB is not deployed")
    if isinstance(facts.data_disk, Unknown):
        return Skip(facts.data_disk.why)
    fix = "make room, or set FLOWDB_DATA_DIR to a directory on a larger disk"
    if _holds_database(facts):
        return _space(facts.data_disk, OLD_DATA_OBSTACLE, NEW_DATA_WARNING, "FlowDB", "make room on that disk")
    return _space(facts.data_disk, NEW_DATA_OBSTACLE, NEW_DATA_WARNING, "a new FlowDB", fix)


@on_this_machine
def data_file_system(facts: PreflightFacts) -> Outcome:
    if not facts.wanted.data_label:
        return Skip("FlowDB is not deployed")
    if isinstance(facts.data_disk, Unknown):
        return Skip(facts.data_disk.why)
    kind = facts.data_disk.kind
    why = NOT_POSTGRESQL.get(kind) or (NOT_POSTGRESQL["9p"] if kind.startswith("fuse") else "")
    if why:
        return Warn(
            f"FlowDB's data would be on {kind}: {why}",
            "set FLOWDB_DATA_DIR to a directory on a local disk (ext4 or xfs)",
        )
    return Ok(kind)


@on_this_machine
def engine_disk(facts: PreflightFacts) -> Outcome:
    if isinstance(facts.engine_disk, Unknown):
        return Skip(facts.engine_disk.why)
    fix = "docker system prune, or move the engine's data-root to a larger disk"
    if isinstance(facts.images, Unknown) or facts.images.missing:
        return _space(facts.engine_disk, BUILD_OBSTACLE, BUILD_WARNING, "images", fix)
    return _space(facts.engine_disk, RUN_OBSTACLE, 2 * GB, "containers and their logs", fix)


@on_this_machine
def logs_disk(facts: PreflightFacts) -> Outcome:
    if "flowetl" not in facts.wanted.components:
        return Skip("FlowETL is not deployed")
    if isinstance(facts.logs_disk, Unknown):
        return Skip(facts.logs_disk.why)
    fix = "make room, set FLOWETL_HOST_LOG_DIR to a directory on a larger disk, or lower FLOWETL_LOG_DAYS"
    return _space(facts.logs_disk, LOGS_OBSTACLE, LOGS_WARNING, "Airflow's logs", fix)


def _fault(item: DirectoryFacts) -> tuple[str, str] | None:
    """What stops a service from using the directory, and what to do."""
    name = f"{item.path} ({item.variable})"
    owned = f"chown {item.uid}:{item.gid} {item.path}"
    match item.kind:
        case "other":
            return f"{name} is not a directory", f"move it away, or set {item.variable} to a directory"
        case "hidden":  # by us; the engine, which is root, mounts it all the same
            return None
        case "missing" if not item.creatable:
            return (
                f"{name} is missing and may not be made",
                f"run this as root, or: install -d -o {item.uid} -g {item.gid} {item.path}",
            )
        case "missing":
            return None
    if item.postgresql and item.owner != item.uid:
        return (
            f"{name} holds a database of uid {item.owner}, and FlowDB is to run as {item.uid}",
            f"set FLOWDB_HOST_USER_ID={item.owner} in .env, or: chown -R {item.uid}:{item.gid} {item.path}",
        )
    if item.writable and item.owner != item.uid and (not item.creatable or set(item.entries) - IGNORED):
        return f"{name} belongs to uid {item.owner}, and {item.uid} writes there", owned
    if not item.writable and not _readable(item):
        return f"{name} cannot be read by uid {item.uid}", f"chmod o+rx {item.path}, or {owned}"
    return None


def _readable(item: DirectoryFacts) -> bool:
    if item.owner == item.uid:
        return item.mode & 0o500 == 0o500
    if item.owner_group == item.gid:
        return item.mode & 0o050 == 0o050
    return item.mode & 0o005 == 0o005


@on_this_machine
def directories(facts: PreflightFacts) -> Outcome:
    if not facts.directories:
        return Skip("no directory of this machine is mounted")
    faults = [fault for item in facts.directories if (fault := _fault(item)) is not None]
    if faults:
        return Obstacle("; ".join(what for what, _ in faults), faults[0][1])
    hidden = [str(item.path) for item in facts.directories if item.kind == "hidden"]
    if hidden:
        return Warn(f"may not be looked at by us: {', '.join(hidden)}", "run `sudo invoke doctor` to have it checked")
    return Ok(", ".join(str(item.path) for item in facts.directories))


@on_this_machine
def data_directory(facts: PreflightFacts) -> Outcome:
    item = next((item for item in facts.directories if item.variable == "FLOWDB_DATA_DIR"), None)
    if item is None:
        return Skip("FlowDB's data is in a volume, or it is not deployed")
    if item.postgresql or UNFINISHED in item.entries:
        return Ok("a database, or the start of one")
    if "lost+found" in item.entries and facts.wanted.images != "local":
        detail = f"{item.path} is the root of a disk (lost+found), where the official image makes no database"
        fix = f"set FLOWDB_DATA_DIR to a directory in it, such as {item.path}/flowdb"
        return Obstacle(detail, fix) if facts.wanted.images == "official" else Warn(detail, fix)
    others = [name for name in item.entries if name != "lost+found"]
    if others:
        return Obstacle(
            f"{item.path} holds something that is no database: {', '.join(others)}",
            "set FLOWDB_DATA_DIR to an empty directory, or one that is not there yet",
        )
    return Ok("empty, or to be made")


def hosts_entry(facts: PreflightFacts) -> Outcome:
    if isinstance(facts.hosts, Unknown):
        return Skip(facts.hosts.why)
    hosts = facts.hosts
    if hosts.problem:
        return Obstacle(hosts.problem, hosts.fix)
    if hosts.elsewhere:
        found = ", ".join(f"{name} is {address}" for name, address in hosts.elsewhere.items())
        return Obstacle(
            f"{hosts.path} has another address for our names: {found}",
            "take the names out of that line, or set FLOWKIT_HOSTS_ENTRY=false to do without",
        )
    if hosts.missing and not hosts.writable:
        line = f"{next(iter(hosts.wanted.values()))} {' '.join(hosts.missing)}"
        return Warn(f"{hosts.path} lacks our names and may not be changed", f"add this line to it as root: {line}")
    if hosts.missing:
        return Ok(f"{', '.join(hosts.missing)} will be added to {hosts.path}")
    return Ok(f"{', '.join(hosts.wanted)} are in {hosts.path}")


CHECKS = (
    Check("disk-data", "Is there room for FlowDB's data?", data_disk),
    Check("disk-data-kind", "Is it on a file system that a database can trust?", data_file_system),
    Check("disk-engine", "Is there room for images, containers and logs?", engine_disk),
    Check("disk-logs", "Is there room for Airflow's logs?", logs_disk),
    Check("directories", "Can the services use the directories that are mounted into them?", directories),
    Check("data-directory", "Is FLOWDB_DATA_DIR empty, or a database?", data_directory),
    Check("hosts-entry", "Do flowkit.api and flow.api lead here?", hosts_entry),
)
