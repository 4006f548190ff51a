"""Airflow's database dumped before another Airflow changes its tables, and a dump put back; Airflow upgrades it itself.

`flowetl_init` does that as it starts, from Airflow 1.10 on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secrets_quickstart import audit, report
from secrets_quickstart.catalog.components import BY_NAME
from secrets_quickstart.catalog.databases import FLOWETL
from secrets_quickstart.checks.data import Content, Place, look, refusal
from secrets_quickstart.checks.dump_note import DumpNote, note_path
from secrets_quickstart.errors import HostError, NotConverged, ServiceError, UsageError
from secrets_quickstart.operations.postgresql import Whereabouts, new_dump
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, services
from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.watching import events, looks
from secrets_quickstart.vault import Vault, key_of, storage, vault_lock

AIRFLOW = tuple(service.name for service in BY_NAME["flowetl"].services if service.image == "flowetl")
DUMP = "invoke etl.dump-airflow"
RESTORE = "invoke etl.restore-airflow"
DEPLOY = "invoke deploy --target flowetl"
TABLES = frozenset({"dag", "dag_run", "connection"})
"""Of every Airflow."""
IDENTIFIER = "SELECT to_json(system_identifier::text) FROM pg_control_system()"
THERE = "SELECT json_agg(table_name) FROM information_schema.tables WHERE table_schema = 'public'"
CONTENT = """
SELECT json_build_object(
    'two', EXISTS (SELECT FROM information_schema.columns
                   WHERE table_schema = 'public' AND table_name = 'dag_run' AND column_name = 'run_type'),
    'dag_runs', (SELECT count(*) FROM dag_run),
    'connections', (SELECT count(*) FROM connection),
    'without_type', (SELECT coalesce(json_agg(conn_id ORDER BY conn_id), '[]') FROM connection WHERE conn_type IS NULL),
    'not_alone', (SELECT coalesce(json_agg(conn_id ORDER BY conn_id), '[]')
                  FROM (SELECT conn_id FROM connection GROUP BY conn_id HAVING count(*) > 1) AS same))
"""


@dataclass(frozen=True, slots=True)
class Census:
    """What is in Airflow's database; no password."""

    version: int = 0
    """1 or 2, as its tables are; 0 while there are none."""
    dag_runs: int = 0
    connections: int = 0
    without_type: tuple[str, ...] = ()
    not_alone: tuple[str, ...] = ()
    """Names of connections that more than one has."""

    def __str__(self) -> str:
        return f"Airflow {self.version}" if self.version else "no Airflow"

    @property
    def hindrances(self) -> tuple[str, ...]:
        """What Airflow 2 does not upgrade, each with what to do about it."""
        found = []
        if self.without_type:
            fix = "UPDATE connection SET conn_type = 'generic' WHERE conn_type IS NULL"
            found.append(f"Airflow 2 wants a type of the connections {', '.join(self.without_type)}: {fix}")
        if self.not_alone:
            fix = "DELETE FROM connection WHERE id = ..."
            found.append(f"Airflow 2 wants one connection of each name, not several {', '.join(self.not_alone)}: {fix}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Dumped:
    """What was done."""

    actions: tuple[str, ...]
    found: Census
    """What was there before."""
    dump: Path | None
    """Of what was there before."""
    next: tuple[str, ...]
    """What is left for the operator to do, a line each."""

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "actions": list(self.actions),
            "dump": None if self.dump is None else str(self.dump),
            "airflow": self.found.version or None,
            "dag_runs": self.found.dag_runs,
            "connections": self.found.connections,
            "next": list(self.next),
        }


@dataclass(frozen=True, slots=True)
class Site:
    """The stack's Airflow and its database."""

    settings: Settings
    engine: Engine
    place: Place
    whereabouts: Whereabouts

    def note(self, database: Postgresql, dump: Path) -> None:
        """That this database has been dumped."""
        DumpNote(str(database.ask(IDENTIFIER)), dump.absolute()).write(note_path(self.settings, FLOWETL))

    def running(self) -> list[services.Service]:
        """Airflow's own services; none while nothing of it is deployed."""
        if not self.engine.membership().usable:
            return []
        found = services.state(self.engine, self.settings.stack).services
        return [found[name] for name in AIRFLOW if name in found]

    def remove_airflow(self) -> None:
        """Return when none of its containers is left on this node: a deployment makes the services anew.

        Raises NotConverged.
        """
        for service in self.running():
            services.remove(self.engine, service)
        end = time.monotonic() + self.settings.deadline
        with events(self.engine) as happened:
            for left in looks(self._containers, happened, end):
                self.whereabouts.tell({"Airflow": f"{left} left"})
                if not left:
                    return
        raise NotConverged("Airflow did not stop in time", fix="run this again")

    def _containers(self) -> int:
        wanted = {f"{self.settings.stack}_{name}" for name in AIRFLOW}
        found = self.engine.api.containers(filters={"label": services.SERVICE_NAME})
        return sum((item.get("Labels") or {}).get(services.SERVICE_NAME) in wanted for item in found)


@contextmanager
def site(settings: Settings, command: str, tell: Tell) -> Iterator[Site]:
    """The settings' Airflow, with nobody else at work on the stack; its vault need not know the database.

    Raises HostError where there is none, and for one that our PostgreSQL cannot start on.
    """
    place = Place.of(settings, FLOWETL)
    if place is None:  # pragma: no cover - Airflow's database is always the stack's own
        raise UsageError("Airflow's database is not in this stack's care", fix="dump it where it is")
    with vault_lock(settings.vault_path, command):
        engine = Engine(settings.base_environment)
        there = storage.exists(settings.vault_path)
        vault = Vault.open(settings.vault_path, key_of(settings)) if there else Vault.in_memory()
        data = look(engine, place, vault)
        reason = refusal(data)
        if reason is not None and not data.startable:
            raise HostError(reason.what, why=reason.why, fix=reason.fix)
        runs = containers.of_service(engine, settings.stack, FLOWETL.service) is not None
        if data.content in {Content.NOTHING, Content.UNFINISHED} and not runs:
            raise HostError(
                f"there is no Airflow database in the {place}",
                fix=f"{DEPLOY} makes one; or set FLOWKIT_STACK to the stack whose volume holds it",
            )
        yield Site(settings, engine, place, Whereabouts(settings, engine, place, FLOWETL.owner, FLOWETL.owner, tell))


def census(database: Postgresql) -> Census:
    """What is there now."""
    if not frozenset(database.ask(THERE) or ()) >= TABLES:
        return Census()
    found = database.ask(CONTENT)
    return Census(
        2 if found["two"] else 1,
        int(found["dag_runs"]),
        int(found["connections"]),
        tuple(found["without_type"]),
        tuple(found["not_alone"]),
    )


def dump(settings: Settings, folder: Path | None, tell: Tell) -> Dumped:
    """Dump Airflow's database into a new file, and note that it was; `folder` is where the file goes.

    A later dump takes an earlier one's place in the note, not on the disk.
    """
    with site(settings, DUMP, tell) as found, found.whereabouts.answering() as database:
        path = new_dump(settings, "airflow", folder)
        action = f"dump Airflow's database in the {found.place} to {path}"
        report.say(f"etl: {action}")
        audit.note(action)
        before = census(database)
        database.dump(path)
        found.note(database, path)
        upgrade = f"{DEPLOY}: Airflow upgrades its tables as it starts" if before.version == 1 else DEPLOY
        running = ("stop Airflow, or take another dump before that: it runs",) if found.running() else ()
        return Dumped((action,), before, path, (*running, *before.hindrances, upgrade))


def look_back(settings: Settings, dump: Path, tell: Tell) -> tuple[str, ...]:
    """What `restore` would do, a line each; changes nothing."""
    with site(settings, RESTORE, tell) as found, found.whereabouts.answering() as database:
        _require_airflow(database, dump)
        return _actions(found, dump, census(database))


def restore(settings: Settings, dump: Path, folder: Path | None, tell: Tell) -> Dumped:
    """Put what is in the dump in the place of all that Airflow's database holds, which is dumped before.

    Airflow's services are removed first, so that none works on tables of another version; a deployment makes them
    anew, and they upgrade the tables.
    """
    with site(settings, RESTORE, tell) as found, found.whereabouts.answering() as database:
        _require_airflow(database, dump)
        before = census(database)
        actions = _actions(found, dump, before)
        safe = new_dump(settings, "airflow", folder) if before.version else None
        for action in actions:
            report.say(f"etl: {action}")
        audit.note(*actions)
        if safe is not None:
            database.dump(safe)
        found.remove_airflow()
        database.restore(dump)
        found.note(database, dump)
        return Dumped(actions, before, safe, (*census(database).hindrances, DEPLOY))


def _actions(found: Site, dump: Path, before: Census) -> tuple[str, ...]:
    safe = (f"dump what the {found.place} holds, which is of {before}",) if before.version else ()
    running = (f"remove {', '.join(service.name for service in found.running())}",) if found.running() else ()
    place = f"put what is in {dump} in the place of all that the {found.place} holds, in one transaction"
    return (*safe, *running, place)


def _require_airflow(database: Postgresql, dump: Path) -> None:
    """Raises UsageError for a file that is not there, ServiceError for no whole dump of Airflow's."""
    if not dump.is_file():
        raise UsageError(f"there is no dump {dump}", fix=f"name a file that {DUMP} or pg_dump has written")
    database.require_whole(dump)
    tables = database.tables(dump)
    if not tables >= TABLES:
        raise ServiceError(
            f"{dump} is no dump of Airflow's database",
            why=f"its tables are {', '.join(sorted(tables)) or 'none'}",
            fix=f"name a file that {DUMP} or pg_dump has written",
        )
