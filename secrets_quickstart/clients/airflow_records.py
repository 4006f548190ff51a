"""What Airflow says of its DAGs, their runs and tasks, as values; not how it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

ACTIVE = frozenset({"queued", "running"})
"""States of a run that goes on by itself."""

DONE = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})
"""States that a task does not leave by itself."""


@dataclass(frozen=True, slots=True)
class Health:
    """Airflow's words for the state of each of these; "" for none."""

    metadatabase: str
    scheduler: str
    triggerer: str

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> Health:
        return cls(*(str(reply[name]["status"] or "") for name in ("metadatabase", "scheduler", "triggerer")))


@dataclass(frozen=True, slots=True)
class Dag:
    """One DAG that the scheduler has read."""

    id: str
    cdr_type: str
    """What it loads, if FlowETL's create_dag made it; else ""."""
    is_paused: bool
    schedule: str
    """In Airflow's words; "" if it runs only when it is told to."""
    catches_up: bool = False
    """Whether it runs for every day of its schedule since its start date, once it is not paused."""

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> Dag:
        kind = (reply.get("params") or {}).get("cdr_type") or {}
        schedule = reply.get("schedule_interval") or {}
        return cls(
            str(reply["dag_id"]),
            str(kind.get("value") or ""),
            bool(reply["is_paused"]),
            str(schedule.get("value") or reply.get("timetable_description") or "scheduled") if schedule else "",
            bool(schedule and reply.get("catchup")),
        )


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """A file in the DAG folder that the scheduler cannot read."""

    file: str
    reason: str
    """The last line of the traceback."""

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> ImportFailure:
        lines = str(reply["stack_trace"]).strip().splitlines()
        return cls(str(reply["filename"]).rpartition("/")[2], lines[-1].strip() if lines else "")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a DAG."""

    dag: str
    id: str
    logical: datetime
    """The logical date, which says what the run is about and not when it was."""
    state: str
    ended: datetime | None

    @property
    def day(self) -> date:
        """The one that it loads: Airflow's `ds`."""
        return self.logical.astimezone(UTC).date()

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> Run:
        ended = reply.get("end_date")
        return cls(
            str(reply["dag_id"]),
            str(reply["dag_run_id"]),
            datetime.fromisoformat(str(reply["logical_date"])),
            str(reply["state"]),
            datetime.fromisoformat(str(ended)) if ended else None,
        )


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """One task of a run."""

    dag: str
    run: str
    task: str
    state: str
    """In Airflow's words; "" before the scheduler has looked at it."""
    attempt: int
    started: datetime | None

    @property
    def is_done(self) -> bool:
        return self.state in DONE

    @property
    def has_failed(self) -> bool:
        """By itself, and not because of a task before it; it may be tried again later."""
        return self.state in {"failed", "up_for_retry"}

    @classmethod
    def read(cls, reply: Mapping[str, Any]) -> TaskInstance:
        started = reply.get("start_date")
        return cls(
            str(reply["dag_id"]),
            str(reply["dag_run_id"]),
            str(reply["task_id"]),
            str(reply["state"] or ""),
            int(reply["try_number"]),
            datetime.fromisoformat(str(started)) if started else None,
        )
