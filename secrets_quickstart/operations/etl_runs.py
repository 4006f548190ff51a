"""Has FlowETL's DAGs load a day; `etl_following` follows them, and `etl_days` says how days stand otherwise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from secrets_quickstart import audit
from secrets_quickstart.clients.airflow import AirflowClient
from secrets_quickstart.clients.airflow_records import Dag, Run
from secrets_quickstart.errors import ServiceError, UsageError
from secrets_quickstart.operations.etl_days import Day, State, newest, records, with_checks
from secrets_quickstart.operations.etl_following import Failure, Followed, Listeners, follow
from secrets_quickstart.operations.etl_session import Session, etl_session
from secrets_quickstart.settings import Settings

EXAMPLES_FIX = "put one into the DAG folder: invoke etl.init writes examples"
LOOKS = "Airflow looks for new files twice a minute"


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    day: date
    types: Collection[str] = ()
    """All that a DAG loads if there is none."""
    dag: str = ""
    """The one to use, where more than one loads the same type."""
    again: bool = False
    """Also a day that is loaded already."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one type."""

    type: str
    day: date
    dag: str
    run: str
    is_loaded: bool
    """Whether queries see the day now."""
    ended_well: bool
    """False also for a run that is still followed when patience ends."""
    detail: str
    was_loaded: bool = False
    """Nothing was done, since it was loaded already."""
    rows: str = ""
    tasks: int = 0
    failures: tuple[Failure, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "date": self.day.isoformat(),
            "dag": self.dag,
            "run": self.run or None,
            "state": "unchanged" if self.was_loaded else "succeeded" if self.ended_well else "failed",
            "loaded": self.is_loaded,
            "detail": self.detail,
            "rows": int(self.rows) if self.rows.isdecimal() else None,
            "tasks": self.tasks,
            "failed": [{"task": item.task, "attempt": item.attempt, "log": list(item.log)} for item in self.failures],
        }


def run(settings: Settings, order: Order, tell: Listeners, patience: timedelta | None = None) -> list[Ended]:
    """Load a day with each of the order's types, and return when all runs have ended.

    A run that goes on is followed; one that failed is done again, and so is a day that is loaded if the order says so.
    Raises UsageError, before anything is begun, for types and DAGs that are not there or cannot be begun alone.
    """
    with etl_session(settings) as session:
        dags = _chosen(session.airflow, order)
        loaded = {record.type for record in records(session.flowdb) if record.day == order.day and record.is_loaded}
        seen = session.airflow.runs([dag.id for dag in dags], order.day, order.day)
        before = {dag.id: newest([one for one in seen if one.dag == dag.id]) for dag in dags}
        wanted = [dag for dag in dags if _is_active(before[dag.id]) or order.again or dag.cdr_type not in loaded]
        _require_startable(wanted)
        begun = [(dag, _begin(session.airflow, dag, order.day, before[dag.id], tell)) for dag in wanted]
        followed = {dag.id: Followed(dag, started) for dag, started in begun}
        follow(session.airflow, list(followed.values()), tell, patience)
        return [
            _ended(session, followed[dag.id], order.day) if dag.id in followed else _unchanged(session, dag, order.day)
            for dag in dags
        ]


def require(ended: Sequence[Ended]) -> None:
    """Raise ServiceError when one of them did not end well."""
    failed = [item for item in ended if not item.ended_well]
    if not failed:
        return
    raise ServiceError(
        f"{', '.join(item.type for item in failed)} of {failed[0].day} did not load as they should",
        why="; ".join(f"{item.type}: {item.detail}" for item in failed),
        fix=f"see invoke etl.status; when the cause is gone: invoke etl.run --date {failed[0].day}",
        log=tuple(
            f"{item.type}, {failure.task}: {line}"
            for item in failed
            for failure in item.failures
            for line in failure.log
        ),
    )


def _chosen(airflow: AirflowClient, order: Order) -> list[Dag]:
    """One DAG for each type.  Raises UsageError."""
    every = airflow.dags()
    loading = [dag for dag in every if dag.cdr_type and order.dag in {"", dag.id}]
    known = sorted({dag.cdr_type for dag in loading})
    if order.dag and not loading:
        if any(dag.id == order.dag for dag in every):
            why = "FlowETL's create_dag did not make it"
            raise UsageError(f"the DAG {order.dag} loads no records", why=why, fix=_choice(every))
        raise UsageError(f"Airflow knows no DAG {order.dag}", why=_why_missed(airflow), fix=_choice(every))
    if not known:
        raise UsageError("Airflow knows no DAG that loads records", why=_why_missed(airflow), fix=EXAMPLES_FIX)
    for wanted in order.types:
        if wanted not in known:
            raise UsageError(
                f"Airflow knows no DAG that loads {wanted}",
                why=_why_missed(airflow),
                fix=f"choose among {', '.join(known)}, or {EXAMPLES_FIX}",
            )
    chosen = []
    for name in known:
        found = [dag for dag in loading if dag.cdr_type == name and (not order.types or name in order.types)]
        if len(found) > 1:
            which = ", ".join(dag.id for dag in found)
            raise UsageError(f"more than one DAG loads {name}", why=which, fix="choose one with --dag")
        chosen += found
    return chosen


def _why_missed(airflow: AirflowClient) -> str:
    """Why a DAG is not known that somebody expects."""
    failures = airflow.import_failures()
    return "; ".join(f"{failure.file} cannot be read: {failure.reason}" for failure in failures) or LOOKS


def _choice(dags: Sequence[Dag]) -> str:
    names = [dag.id for dag in dags if dag.cdr_type]
    return f"choose among {', '.join(names)}" if names else EXAMPLES_FIX


def _require_startable(dags: Sequence[Dag]) -> None:
    """A DAG that is switched off runs nothing, and switching it on is more than was asked for if it catches up."""
    for dag in dags:
        if dag.is_paused and dag.catches_up:
            raise UsageError(
                f"the DAG {dag.id} is switched off",
                why="if it was switched on it would also load every day since its start date",
                fix="have its catchup be False, or switch it on yourself on Airflow's page",
            )


def _is_active(found: Run | None) -> bool:
    return found is not None and found.is_active


def _begin(airflow: AirflowClient, dag: Dag, day: date, before: Run | None, tell: Listeners) -> Run:
    if before is None or not before.is_active or dag.is_paused:
        audit.note(f"have Airflow load {day} with {dag.id}")
    if dag.is_paused:
        airflow.unpause(dag.id)
        later = f"; from now on it runs by itself ({dag.schedule})" if dag.schedule else ""
        tell.say(f"the DAG {dag.id} was switched off, and is on now{later}")
    if before is None:
        return airflow.trigger(dag.id, day)
    return before if before.is_active else airflow.clear(before)


def _ended(session: Session, followed: Followed, day: date) -> Ended:
    record = _now(session, followed.dag.cdr_type, day)
    failures = followed.last_failures
    ended_well = followed.run.state == "success" and record is not None
    return Ended(
        followed.dag.cdr_type,
        day,
        followed.dag.id,
        followed.run.id,
        is_loaded=record is not None,
        ended_well=ended_well,
        detail=_detail(followed, failures, record),
        rows=record.rows if record is not None else "",
        tasks=len(followed.tasks),
        failures=failures,
    )


def _detail(followed: Followed, failures: Sequence[Failure], record: Day | None) -> str:
    run, names = followed.run, ", ".join(sorted(failure.task for failure in failures))
    if run.is_active:
        return f"not in time; the run goes on by itself, at {followed.words}"
    if run.state == "success":
        if record is not None:
            return f"loaded, {record.rows or 'an unknown number of'} rows"
        if not followed.tasks:
            return "Airflow had nothing to do: is the day before the DAG's start date?"
        return "Airflow's run succeeded, and FlowDB has no record of the day"
    # not its own words: a day that is loaded is seen by queries, whatever came after
    seen = "; queries see the day all the same" if record is not None else ""
    return f"{names or 'no task'} failed{seen}"


def _unchanged(session: Session, dag: Dag, day: date) -> Ended:
    record = _now(session, dag.cdr_type, day)
    rows = record.rows if record is not None else ""
    detail = "loaded already; --again loads it anew"
    return Ended(
        dag.cdr_type, day, dag.id, "", is_loaded=True, ended_well=True, detail=detail, was_loaded=True, rows=rows
    )


def _now(session: Session, cdr_type: str, day: date) -> Day | None:
    """The day as FlowDB has it, with its checks; None if queries do not see it."""
    for record in records(session.flowdb):
        if (record.type, record.day) == (cdr_type, day) and record.is_loaded:
            [found] = with_checks(session.flowdb, [Day(cdr_type, day, State.LOADED, loaded=record.when)])
            return found
    return None
