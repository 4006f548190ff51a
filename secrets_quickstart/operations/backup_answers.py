"""What a database is asked before and after it is copied, and again of the copy; not how it is copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secrets_quickstart.swarm.dumps import Postgresql

COUNTED_BYTES = 4 << 30
"""So much is read at most to count rows, the smallest tables first: a large FlowDB shall not be read twice more."""
IDENTITY = """
SELECT json_build_object(
    'identifier', (SELECT system_identifier::text FROM pg_control_system()),
    'version', current_setting('server_version'))
"""
# FlowMachine's cache comes and goes.  A table that several inherit from has no rows of its own.
COUNTS = f"""
SELECT coalesce(json_object_agg(name, (xpath('/row/c/text()', query_to_xml(
    'SELECT count(*) AS c FROM ONLY ' || name, false, true, '')))[1]::text::bigint), '{{}}')
FROM (
    SELECT format('%I.%I', nspname, relname) AS name,
           sum(pg_relation_size(c.oid)) OVER (ORDER BY pg_relation_size(c.oid), c.oid) AS so_far
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND relpersistence = 'p'
      AND nspname NOT IN ('pg_catalog', 'information_schema', 'cache')
) AS sized
WHERE so_far <= {COUNTED_BYTES}
"""  # noqa: S608  # ours
SUBSCRIBERS = """
SELECT json_build_object('day', day, 'subscribers', subscribers)
FROM (SELECT max(cdr_date) AS day FROM etl.available_dates WHERE cdr_type = 'calls') AS newest,
LATERAL (SELECT count(DISTINCT msisdn) AS subscribers FROM events.calls
         WHERE datetime >= newest.day AND datetime < newest.day + 1) AS counted
"""
QUERIES = {"flowdb": SUBSCRIBERS}
"""One real query of each component's database: what an analyst would be told of the newest day."""
QUERY = "query"


def answers(database: Postgresql, component: str) -> dict[str, Any]:
    """Rows of each table, and what the component's query says."""
    found: dict[str, Any] = {"rows": database.ask(COUNTS)}
    if component in QUERIES:
        found[QUERY] = database.ask(QUERIES[component])
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """A copy held against what it was made of."""

    tables: int
    rows: int
    query: Any
    """What the query says; None without one."""
    differences: tuple[str, ...]


def compared(before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Whether the copy lies between the two: what is written while a database is copied may be in it or not."""
    differences = []
    for name in sorted({*before["rows"]} & {*after["rows"]}):
        low, high = sorted((before["rows"][name], after["rows"][name]))
        found = now["rows"].get(name)
        if found is None or not low <= found <= high:
            wanted = str(low) if low == high else f"{low} to {high}"
            differences.append(f"{name} has {'no' if found is None else found} rows, not {wanted}")
    query = now.get(QUERY)
    if QUERY in before and query not in (before[QUERY], after[QUERY]):
        differences.append(f"the query says {query}, not {before[QUERY]}")
    return Comparison(len(now["rows"]), sum(now["rows"].values()), query, tuple(differences))
