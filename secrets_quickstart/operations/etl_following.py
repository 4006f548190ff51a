"""Follows runs of Airflow's DAGs until they end, and tells how they go; not what they are begun for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from secrets_quickstart.clients import airflow_log
from secrets_quickstart.clients.airflow import AirflowClient
from secrets_quickstart.clients.airflow_records import Dag, Run, TaskInstance
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.operations.etl_days import doing
from secrets_quickstart.report import Tell, counted

EVERY = 2.0
"""Seconds between two looks: Airflow's scheduler itself looks about once a second."""

UNHEARD = 120.0
"""Seconds for which Airflow may not answer while a run is followed: it is restarted in less."""

STILL = 60.0
"""Seconds in which nothing changes, after which it is asked whether anybody is at work."""

AT_MOST = 3
"""Names of tasks in a line of progress."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told how it goes."""

    say: Callable[[str], None] = lambda _: None
    board: Tell = lambda _: None
    """Is given each type's state in words."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed, and why, in its own words."""

    task: str
    attempt: int
    log: tuple[str, ...]


class Followed:
    """A run under way, and what of it people have been told."""

    def __init__(self, dag: Dag, run: Run) -> None:
        self.dag = dag
        self.run = run
        self.tasks: tuple[TaskInstance, ...] = ()
        self.failures: dict[tuple[str, int], Failure] = {}

    def look(self, airflow: AirflowClient) -> None:
        # in this order: when the run has ended, its tasks have
        self.run = airflow.run(self.run.dag, self.run.id)
        self.tasks = airflow.tasks(self.run)

    @property
    def words(self) -> str:
        if not self.run.is_active:
            return self.run.state
        done = sum(task.is_done for task in self.tasks)
        busy = [task for task in self.tasks if doing([task])]
        more = f" and {len(busy) - AT_MOST} more" if len(busy) > AT_MOST else ""
        at = f": {doing(busy[:AT_MOST])}{more}" if busy else ""
        return f"{done} of {counted(len(self.tasks), 'task')}{at}" if self.tasks else self.run.state

    @property
    def last_failures(self) -> tuple[Failure, ...]:
        """Those of the tasks that have not succeeded since."""
        failed = ((task.task, task.attempt) for task in self.tasks if task.has_failed)
        return tuple(self.failures[key] for key in failed if key in self.failures)

    def new_failures(self, airflow: AirflowClient) -> list[Failure]:
        found = []
        for task in self.tasks:
            if task.has_failed and (task.task, task.attempt) not in self.failures:
                failure = Failure(task.task, task.attempt, airflow_log.reason(airflow.log(task), airflow.events(task)))
                self.failures[task.task, task.attempt] = failure
                found.append(failure)
        return found


def follow(airflow: AirflowClient, runs: Sequence[Followed], tell: Listeners, patience: timedelta | None) -> None:
    """Look until all have ended, or patience does.  Raises ServiceError when Airflow is not heard of for long."""
    begun = heard = moved = time.monotonic()
    end = None if patience is None else begun + patience.total_seconds()
    active = list(runs)
    words: dict[str, str] = {}
    while active:
        try:
            for one in active:
                one.look(airflow)
                for failure in one.new_failures(airflow):
                    tell.say(f"{one.dag.cdr_type}: {failure.task} failed at attempt {failure.attempt}")
                    for line in failure.log:
                        tell.say(f"  | {line}")
            heard = time.monotonic()
            if heard - moved > STILL:
                _say_who_is_not_at_work(airflow, tell)
                moved = heard
        except (Refused, Forbidden):
            raise
        except ServiceError:
            if time.monotonic() - heard > UNHEARD:
                raise
        before, words = words, {one.dag.cdr_type: one.words for one in runs}
        tell.board(words)
        if words != before:
            moved = time.monotonic()
        active = [one for one in active if one.run.is_active]
        if not active or (end is not None and time.monotonic() >= end):
            return
        time.sleep(EVERY)


def _say_who_is_not_at_work(airflow: AirflowClient, tell: Listeners) -> None:
    """Without a scheduler runs stand still, and nothing else says so."""
    if (state := airflow.health().scheduler) != "healthy":
        tell.say(f"nothing goes on: Airflow's scheduler is {state or 'not there'}; see invoke logs flowetl_scheduler")
