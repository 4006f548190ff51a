"""A PostgreSQL in a container: asked, dumped to a file, restored from one; not what is in it.

All goes through its socket in there, which asks for no password.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secrets_quickstart.errors import ServiceError
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.containers import Execution
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import storage

DATA = "/var/lib/postgresql/data"
"""Where all our PostgreSQL images, and the official ones, have their files."""
APPLICATION = "flowkit_dump"
"""By which PostgreSQL knows what we have running in it."""
ENVIRONMENT = (
    f'export PGAPPNAME={APPLICATION} PGUSER="${{POSTGRES_USER:-postgres}}" '
    "PGOPTIONS='-c client_min_messages=warning'; "
    'export PGDATABASE="${POSTGRES_DB:-$PGUSER}"; '
)
AS_OWNER = ("sh", "-c", ENVIRONMENT + 'exec "$@"', "sh")
PSQL = ("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
DUMP = ("pg_dump", "--format=custom")
READ = ("pg_restore", "--file=/dev/null")
LIST = ("pg_restore", "--list")
RESTORED = "restored"
# Without its COMMIT nothing of it counts: a dump that breaks off, a killed client and an error leave what was.
RESTORE = f"""
{{
    echo "BEGIN; SET LOCAL lock_timeout = '60s'; DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
    pg_restore --file=- --no-owner --no-privileges && printf 'COMMIT;\\n\\\\echo {RESTORED}\\n'
}} | psql --no-psqlrc --quiet --output=/dev/null --set=ON_ERROR_STOP=1
"""
LEFT_BEHIND = """
SELECT json_agg(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()
"""
BETWEEN = 0.2
"""Seconds between two questions whether it is there."""


@dataclass(frozen=True, slots=True)
class Postgresql:
    """One that runs in a container of this node."""

    engine: Engine
    container: str
    environment: Mapping[str, str]
    """The docker client's."""

    def wait(self, deadline: float, *at: str) -> None:
        """Return when it answers; raises ServiceError after so many seconds, with its last words.

        `at` are pg_isready's options for another address than its socket.
        """
        end = time.monotonic() + deadline
        while (answer := self._run("pg_isready", "--quiet", *at)).status:
            if time.monotonic() > end:
                raise ServiceError("the database does not come up", fix="see the lines above", log=answer.log)
            time.sleep(BETWEEN)

    def ask(self, query: str) -> Any:
        """The one JSON value that the query gives; None for NULL."""
        done = self._run(*PSQL, f"--command={query}")
        if done.status:
            raise _failed("the database does not answer", done)
        return json.loads(done.stdout.strip() or "null")

    def tell(self, statements: str) -> None:
        """Carry out SQL, all of it or nothing; it goes in by the standard input, where nobody else sees it."""
        argv = (*AS_OWNER, *PSQL, "--single-transaction", "--file=-", "--output=/dev/null")
        done = containers.feed(self.engine, self.container, argv, statements.encode(), self.environment)
        if done.status:
            raise _failed("the database did not do as it was told", done)

    def end_what_was_left(self) -> None:
        """End what a killed run left in it: a dump that nobody reads any more keeps its tables locked."""
        self.ask(LEFT_BEHIND)

    def dump(self, path: Path) -> None:
        """Dump it into a new file that only its owner can read, whole and read back, or not at all."""
        storage.make_folder(path.parent)
        begun = path.with_name("dump")  # the same for all dumps, so that a later one finds what a killed run left
        storage.remove_drafts(begun)
        draft = begun.with_name(f"{begun.name}{storage.DRAFT}{os.getpid()}-{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                done = containers.execute(self.engine, self.container, (*AS_OWNER, *DUMP), to=file)
                file.flush()
                os.fsync(file.fileno())
            if done.status:
                raise _failed("the database cannot be dumped", done)
            self.require_whole(draft)
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)

    def require_whole(self, path: Path) -> None:
        """Read a dump to its end; raises ServiceError for one that breaks off, or is none."""
        done = self._feed((*AS_OWNER, *READ), path)
        if done.status:
            raise _failed(f"{path} is no whole dump", done)

    def tables(self, path: Path) -> frozenset[str]:
        """The tables that are in a dump."""
        done = self._feed((*AS_OWNER, *LIST), path)
        if done.status:
            raise _failed(f"{path} is no dump", done)
        rows = (line.split() for line in done.stdout.splitlines() if not line.startswith(";"))
        return frozenset(row[5] for row in rows if row[3:5] == ["TABLE", "public"])

    def restore(self, path: Path) -> None:
        """Put what is in a dump in the place of all that is there, in one transaction."""
        done = self._feed(("sh", "-c", ENVIRONMENT + RESTORE), path)
        if done.stdout.strip() != RESTORED:
            raise _failed(f"{path} was not restored, and the database is as it was", done)

    def _run(self, *argv: str) -> Execution:
        return containers.execute(self.engine, self.container, (*AS_OWNER, *argv))

    def _feed(self, argv: Sequence[str], path: Path) -> Execution:
        return containers.feed(self.engine, self.container, argv, path.read_bytes(), self.environment)


def _failed(what: str, done: Execution) -> ServiceError:
    why = done.log[-1] if done.log else f"status {done.status}"
    return ServiceError(what, why=why, fix="see the lines above", log=done.log)
