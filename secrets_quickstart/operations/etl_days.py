"""Which days of which type of records are loaded, failed or missing, put together from FlowDB and Airflow.

Nothing is loaded here: that is `etl_runs`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any

from secrets_quickstart.clients.airflow_records import Dag, Run, TaskInstance
from secrets_quickstart.clients.flowdb import FlowdbClient
from secrets_quickstart.errors import UsageError
from secrets_quickstart.operations.etl_session import etl_session
from secrets_quickstart.settings import Settings

INGESTED = "ingested"
"""FlowDB's word for a day that queries see."""

ROWS = "count_added_rows"
"""The QA check that counts a day's rows."""

# the tables rather than the views upon them, which not every FlowDB has
RECORDS = """
SELECT DISTINCT ON (cdr_type, cdr_date) cdr_type::text, cdr_date, state::text, "timestamp"
FROM etl.etl_records
ORDER BY cdr_type, cdr_date, "timestamp" DESC, id DESC
"""
OUTCOMES = """
SELECT DISTINCT ON (cdr_type, cdr_date, type_of_query_or_check)
    cdr_type::text, cdr_date, type_of_query_or_check::text, outcome::text
FROM etl.post_etl_queries
WHERE cdr_date BETWEEN %s AND %s
ORDER BY cdr_type, cdr_date, type_of_query_or_check, "timestamp" DESC, id DESC
"""

UNDER_WAY = ("queued", "running", "up_for_reschedule", "up_for_retry")
"""States of tasks that say what a run is at."""


class State(Enum):
    """How a day stands."""

    LOADED = "loaded"
    RUNNING = "running"
    FAILED = "failed"
    MISSING = "missing"
    """Nobody has tried to load it, though days before and after it are known."""


@dataclass(frozen=True, slots=True)
class Record:
    """FlowDB's last word about a day."""

    type: str
    day: date
    state: str
    when: datetime | None

    @property
    def is_loaded(self) -> bool:
        return self.state == INGESTED


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one type of records."""

    type: str
    day: date
    state: State
    detail: str = ""
    loaded: datetime | None = None
    """When queries came to see it, by FlowDB's clock."""
    dag: str = ""
    run: str = ""
    """The run of that DAG that says most about the day."""
    checks: Mapping[str, str] = field(default_factory=dict)
    """What the QA checks found, by their names."""

    @property
    def rows(self) -> str:
        return self.checks.get(ROWS, "")

    def document(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "date": self.day.isoformat(),
            "state": self.state.value,
            "detail": self.detail,
            "loaded": None if self.loaded is None else self.loaded.isoformat(),
            "dag": self.dag or None,
            "run": self.run or None,
            "checks": dict(self.checks),
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be shown."""

    since: date = date.min
    until: date = date.max
    types: Collection[str] = ()
    """All if there is none."""

    def takes(self, day: Day) -> bool:
        return self.since <= day.day <= self.until and (not self.types or day.type in self.types)


def status(settings: Settings, choice: Choice) -> list[Day]:
    """The days that are known, and those missing between them.  Raises UsageError for a type that nobody knows."""
    with etl_session(settings) as session:
        dags = [dag for dag in session.airflow.dags() if dag.cdr_type]
        names = [dag.id for dag in dags]
        runs = session.airflow.runs(names)
        tasks = session.airflow.tasks_in(("failed", *UNDER_WAY), names)
        loaded = records(session.flowdb)
        days = [day for day in put_together(loaded, dags, runs, tasks) if choice.takes(day)]
        known = sorted({dag.cdr_type for dag in dags} | {record.type for record in loaded})
        if unknown := [name for name in choice.types if name not in known]:
            raise UsageError(
                f"there is no type {unknown[0]}",
                why=f"FlowDB and Airflow know {', '.join(known) or 'none'}",
                fix="choose one of those with --type",
            )
        return with_checks(session.flowdb, days)


def records(flowdb: FlowdbClient) -> list[Record]:
    return [Record(*row) for row in flowdb.query(RECORDS)]


def with_checks(flowdb: FlowdbClient, days: Sequence[Day]) -> list[Day]:
    """The same days with what their QA checks found."""
    if not days:
        return []
    dates = [day.day for day in days]
    found: dict[tuple[str, date], dict[str, str]] = defaultdict(dict)
    for cdr_type, day, check, outcome in flowdb.query(OUTCOMES, [min(dates), max(dates)]):
        found[cdr_type, day][check] = outcome or ""
    return [replace(day, checks=found.get((day.type, day.day), {})) for day in days]


def put_together(
    known: Iterable[Record], dags: Iterable[Dag], runs: Iterable[Run], tasks: Iterable[TaskInstance]
) -> list[Day]:
    """One row for each type and day, in that order, without gaps between the first and the last of a type."""
    types = {dag.id: dag.cdr_type for dag in dags}
    loaded = {(record.type, record.day): record for record in known}
    tried: dict[tuple[str, date], list[Run]] = defaultdict(list)
    for run in runs:
        tried[types[run.dag], run.day].append(run)
    at: dict[tuple[str, str], list[TaskInstance]] = defaultdict(list)
    for task in tasks:
        at[task.dag, task.run].append(task)
    span: dict[str, list[date]] = defaultdict(list)
    for cdr_type, day in {**loaded, **tried}:
        span[cdr_type].append(day)
    days = []
    for cdr_type, some in sorted(span.items()):
        first, last = min(some), max(some)
        for number in range((last - first).days + 1):
            day = first + timedelta(number)
            last_run = newest(tried[cdr_type, day])
            about = [] if last_run is None else at[last_run.dag, last_run.id]
            days.append(_judged(cdr_type, day, loaded.get((cdr_type, day)), last_run, about))
    return days


BEFORE = datetime.min.replace(tzinfo=UTC)


def newest(runs: Sequence[Run]) -> Run | None:
    """The run that says how things stand: one that goes on, or else the last that ended."""
    return max(runs, key=lambda run: (run.is_active, run.ended or BEFORE), default=None)


def _judged(cdr_type: str, day: date, record: Record | None, run: Run | None, tasks: Sequence[TaskInstance]) -> Day:
    when = record.when if record is not None and record.is_loaded else None
    dag, name = (run.dag, run.id) if run is not None else ("", "")

    def be(state: State, *details: str) -> Day:
        return Day(cdr_type, day, state, "; ".join(filter(None, details)), when, dag, name)

    if run is not None and run.is_active:
        at = doing(tasks) or (run.state if run.state != State.RUNNING.value else "")
        return be(State.RUNNING, at, "queries see it already" if when else "")
    failed = _failed(tasks) if run is not None and run.state == "failed" else ""
    if record is not None and record.is_loaded:
        return be(State.LOADED, f"the last run failed: {failed}" if failed else "")
    if failed:
        return be(State.FAILED, failed)
    if record is not None:
        return be(State.FAILED, f"FlowDB has it as {record.state}")
    if run is not None:
        return be(State.FAILED, "Airflow's run succeeded, and FlowDB has no record of the day")
    return be(State.MISSING)


def doing(tasks: Iterable[TaskInstance]) -> str:
    """What a run is at, in words; "" when its tasks do not say."""
    words = {"running": "", "up_for_reschedule": " waits", "up_for_retry": " failed and will be tried again"}
    return ", ".join(sorted(f"{task.task}{words[task.state]}" for task in tasks if task.state in words))


def _failed(tasks: Iterable[TaskInstance]) -> str:
    return ", ".join(sorted(task.task for task in tasks if task.state == "failed")) or "no task says why"


@dataclass(frozen=True, slots=True)
class Line:
    """One day, or several that are missing one after the other."""

    first: Day
    last: date


def gathered(days: Iterable[Day]) -> Iterator[Line]:
    """The days as they are shown: years that are missing make one line."""
    line: Line | None = None
    for day in days:
        if (
            line is not None
            and day.state is line.first.state is State.MISSING
            and (day.type, day.day) == (line.first.type, line.last + timedelta(1))
        ):
            line = replace(line, last=day.day)
            continue
        if line is not None:
            yield line
        line = Line(day, day.day)
    if line is not None:
        yield line


def cells(line: Line) -> tuple[str, ...]:
    """As `invoke etl.status` shows it: type, date, state, loaded, rows, checks, detail."""
    day = line.first
    when = "" if day.loaded is None else f"{day.loaded.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    dates = f"{day.day}" if day.day == line.last else f"{day.day} to {line.last}"
    count = str(len(day.checks)) if day.checks else ""
    return day.type, dates, day.state.value, when, day.rows, count, day.detail
