"""A whole PostgreSQL as a stream, out of a container and into one; not what the stream is sealed with.

Physical: every file, as it was at one moment, by PostgreSQL's own pg_basebackup.  Logical: a dump, and the roles.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.dumps import AS_OWNER, DATA, LEFT_BEHIND, Postgresql

STREAMABLE = """
SELECT json_build_object(
    'wal_level', current_setting('wal_level'),
    'senders', current_setting('max_wal_senders')::int,
    'tablespaces', (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
    'bytes', (SELECT sum(pg_database_size(oid)) FROM pg_database))
"""

# The program must not outlive its reader: a copy that nobody reads keeps PostgreSQL's log from being recycled.  Its
# input ends when we do, and then the server ends it.  No signal does: PostgreSQL is process 1 in its container, hence
# the heir of every orphan there, and takes one that a signal has killed for a crash of its own.
WATCHED = """
exec 3<&0
(
    while read -r line <&3; do :; done
    trap '' TERM
    exec psql --no-psqlrc --command="$1"
) >/dev/null 2>&1 &
watcher=$!
shift
"$@" </dev/null 3<&-
status=$?
kill "$watcher" 2>/dev/null
wait "$watcher"
exit $status
"""
# The slot is the session's own, and gone with it: meanwhile no log is recycled that the copy needs at its end.
# psql does not know how a program that it started ended, so that one takes psql along.
PHYSICAL = """
psql --no-psqlrc --quiet --output=/dev/null --set=ON_ERROR_STOP=1 --file=- <<'SQL'
SELECT pg_create_physical_replication_slot('flowkit_backup_' || pg_backend_pid(), true, true);
\\! pg_basebackup --pgdata=- --format=tar --wal-method=fetch --checkpoint=fast --label=flowkit || kill $PPID
SQL
"""
LOGICAL = ("pg_dump", "--format=custom")
ROLES = ("pg_dumpall", "--roles-only", "--no-comments")
"""With their passwords, as PostgreSQL keeps them."""

RESTORING = ".flowkit-restoring"
"""A directory among the database's files: what is in it is no database yet."""
# What tar leaves unread has to be read all the same: only its end proves that nothing was changed.
UNPACK = f"""
set -eu
umask 077
cd {DATA}
find . -mindepth 1 ! -path ./lost+found -delete
mkdir {RESTORING}
tar --extract --no-same-owner --directory={RESTORING} --file=-
cat >/dev/null
"""
# By its last file a database is known, to us and to its server.
SETTLE = f"""
set -eu
cd {DATA}/{RESTORING}
sync --file-system .
for entry in .[!.]* *; do
    case $entry in PG_VERSION | FLOWDB_VERSION | '.[!.]*') ;; *) mv "$entry" .. ;; esac
done
sync --file-system .
mv PG_VERSION ..
[ ! -e FLOWDB_VERSION ] || mv FLOWDB_VERSION ..
cd ..
rmdir {RESTORING}
sync --file-system .
"""
EMPTY = f"find {DATA} -mindepth 1 ! -path {DATA}/lost+found -delete"
# The roles that the server has made already are said to be there, and get their passwords all the same.
PUT_ROLES = ("psql", "--no-psqlrc", "--quiet", "--output=/dev/null", "--dbname=postgres", "--file=-")
PUT_DUMP = ("pg_restore", "--clean", "--if-exists", "--create", "--exit-on-error", "--dbname=postgres")


@dataclass(frozen=True, slots=True)
class Streamable:
    """What a server says of how it can be copied."""

    bytes: int
    """Of all its databases, as they are on the disk."""
    why_not: str
    """Why it cannot be copied file by file; "" if it can."""


def streamable(database: Postgresql) -> Streamable:
    """Ask the server itself: settings may have been changed since its image was made."""
    found = database.ask(STREAMABLE)
    if found["wal_level"] == "minimal":
        why_not = "its wal_level is minimal"
    elif int(found["senders"]) < 1:
        why_not = "it has no WAL senders (max_wal_senders)"
    elif int(found["tablespaces"]):
        why_not = "it has tablespaces, which are other directories"
    else:
        why_not = ""
    return Streamable(int(found["bytes"]), why_not)


@contextmanager
def physical(database: Postgresql) -> Iterator[BinaryIO]:
    """A tar of every file, with the log that makes them one moment's; read it to its end."""
    with _watched(database, "sh", "-c", PHYSICAL) as stream:
        yield stream


@contextmanager
def logical(database: Postgresql) -> Iterator[BinaryIO]:
    """A dump of the database in pg_dump's custom format."""
    with _watched(database, *LOGICAL) as stream:
        yield stream


@contextmanager
def roles(database: Postgresql) -> Iterator[BinaryIO]:
    """The server's roles as SQL, which a dump of a database has not."""
    with _watched(database, *ROLES) as stream:
        yield stream


@contextmanager
def _watched(database: Postgresql, *argv: str) -> Iterator[BinaryIO]:
    command = (*AS_OWNER, "sh", "-c", WATCHED, "sh", LEFT_BEHIND, *argv)
    with containers.piped(database.engine, database.container, command, database.environment) as streams:
        yield streams.stdout


@contextmanager
def unpacking(database: Postgresql) -> Iterator[BinaryIO]:
    """Takes a tar of every file into the place of all that is there; it is a database when it is `settle`d.

    Of `database` only the container is there, its server is not.
    """
    with containers.piped(database.engine, database.container, ("sh", "-c", UNPACK), database.environment) as streams:
        yield streams.stdin


@contextmanager
def files(database: Postgresql) -> Iterator[BinaryIO]:
    """A tar of every file as it lies there; only the container is there, no server."""
    argv = ("tar", "--create", "--file=-", f"--directory={DATA}", ".")
    with containers.piped(database.engine, database.container, argv, database.environment) as streams:
        yield streams.stdout


def settle(database: Postgresql) -> None:
    """Make what was unpacked the database, once it is known to be whole."""
    with containers.piped(database.engine, database.container, ("sh", "-c", SETTLE), database.environment):
        pass


def empty(database: Postgresql) -> None:
    """Delete every file in the place of the data; no server may run on it."""
    with containers.piped(database.engine, database.container, ("sh", "-c", EMPTY), database.environment):
        pass


@contextmanager
def putting_roles(database: Postgresql) -> Iterator[BinaryIO]:
    """Takes roles as SQL."""
    with containers.piped(
        database.engine, database.container, (*AS_OWNER, *PUT_ROLES), database.environment
    ) as streams:
        yield streams.stdin


@contextmanager
def putting_dump(database: Postgresql) -> Iterator[BinaryIO]:
    """Takes a dump, in the place of the database of its name."""
    with containers.piped(database.engine, database.container, (*AS_OWNER, *PUT_DUMP), database.environment) as streams:
        yield streams.stdin
