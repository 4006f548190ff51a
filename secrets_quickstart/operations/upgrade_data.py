"""What is in the databases before and after an upgrade, and whether anything of it was lost; reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from secrets_quickstart.catalog.upgrades import KEPT
from secrets_quickstart.checks.data import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.operations.backup_answers import COUNTS
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine

# A hash of the columns of each table: there are very many tables, of which one has to be told from another.
COLUMNS = """
SELECT coalesce(json_object_agg(name, columns), '{}') FROM (
    SELECT format('%I.%I', nspname, relname) AS name,
           md5(string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attname)) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    WHERE relkind IN ('r', 'p') AND relpersistence = 'p'
      AND nspname NOT IN ('pg_catalog', 'information_schema', 'cache')
    GROUP BY nspname, relname) AS found
"""
# By what Airflow and FlowAuth know which tables they have.
REVISION = """
SELECT coalesce(json_agg(query_to_xml('SELECT version_num FROM ' || c.oid::regclass, false, true, '')::text), '[]')
FROM pg_class c WHERE relname = 'alembic_version' AND relkind = 'r'
"""

Answers = Mapping[str, Any]


def answers(database: Postgresql) -> dict[str, Any]:
    """What is there now: rows and columns of each table, and the revision of all of them."""
    return {"rows": database.ask(COUNTS), "columns": database.ask(COLUMNS), "revision": database.ask(REVISION)}


def of_running(settings: Settings, engine: Engine, places: Iterable[Place]) -> dict[str, dict[str, Any]]:
    """The same of the stack's databases, by component; raises ServiceError for one that does not run."""
    return {place.database.component: answers(running(settings, engine, place)) for place in places}


def running(settings: Settings, engine: Engine, place: Place) -> Postgresql:
    """The database as its service has it, answering; raises ServiceError when it does not run."""
    container = containers.of_service(engine, settings.stack, place.database.service)
    if container is None:
        raise ServiceError(f"{place.database.service} does not run", fix="see: invoke status")
    database = Postgresql(engine, container, settings.base_environment)
    database.wait(settings.deadline)
    return database


def lost(component: str, before: Answers, now: Answers) -> tuple[str, ...]:
    """What no upgrade may lose, and is gone; in words."""
    return tuple(_lost(component, before, now))


def _lost(component: str, before: Answers, now: Answers) -> Iterator[str]:
    for name, rows in sorted(before["rows"].items()):
        if not _is_among(name, KEPT[component].rows):
            continue
        if name not in now["columns"]:
            yield f"the table {name} of {component} is gone"
        elif now["rows"].get(name, rows) < rows:  # a table that has become too large is not counted
            yield f"{name} of {component} has {now['rows'][name]} rows, and had {rows}"


def altered(component: str, before: Answers, now: Answers) -> tuple[str, ...]:
    """What keeps the former release from running on it again, or was lost; in words.  More tables are no harm."""
    found = list(_lost(component, before, now))
    for name, columns in sorted(before["columns"].items()):
        if _is_among(name, KEPT[component].tables) and now["columns"].get(name) != columns:
            found.append(f"{name} of {component} has other columns")
    if before["revision"] != now["revision"]:
        found.append(f"the tables of {component} are of another revision")
    return tuple(found)


def _is_among(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
