"""FlowETL: a day of a million calls through its DAG against a script written by hand, and Airflow's first task.

The file, FlowDB and the machine are the same for both, which take turns.  The waiting for a file to be complete is
switched off: it is as long as an operator wants it to be.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import pairwise
from statistics import median
from typing import Any

from tests.bench.place import STACK, machine
from tests.bench.row import Row
from tests.swarm.loading import hasten
from tests.swarm.machine import Machine, engine, execute

ROWS = 1_000_000
DAY = date(2016, 2, 1)
ROUNDS = 3
LOADING = ("create_staging_view", "extract", "add_constraints", "add_indexes", "analyze", "attach")
"""FlowETL's tasks that do what the script does."""

FIRST_DAG = """
from datetime import datetime
from airflow import DAG
from airflow.operators.bash import BashOperator
with DAG("first", start_date=datetime(2016, 1, 1), schedule="@once", is_paused_upon_creation=False):
    BashOperator(task_id="first", bash_command="true")
"""

BY_HAND = """
CREATE FOREIGN TABLE etl.by_hand (call_id TEXT, event_time TIMESTAMPTZ, outgoing BOOLEAN, msisdn TEXT,
    msisdn_counterpart TEXT, duration NUMERIC, cell_id TEXT, tac NUMERIC)
    SERVER csv_fdw OPTIONS (filename '/etl/calls_{day:%Y%m%d}.csv', format 'csv', header 'true');
CREATE TABLE etl.calls_by_hand (LIKE events.calls);
INSERT INTO etl.calls_by_hand (id, outgoing, datetime, duration, msisdn, msisdn_counterpart, location_id, tac)
    SELECT call_id, outgoing, event_time, duration, msisdn, msisdn_counterpart, cell_id, tac FROM etl.by_hand;
CREATE INDEX ON etl.calls_by_hand (msisdn_counterpart);
CREATE INDEX ON etl.calls_by_hand (location_id);
CREATE INDEX ON etl.calls_by_hand (datetime);
CREATE INDEX ON etl.calls_by_hand (tac);
ALTER TABLE etl.calls_by_hand ADD CHECK (datetime >= '{day}' AND datetime < DATE '{day}' + 1);
ANALYZE etl.calls_by_hand;
ALTER TABLE events.calls ATTACH PARTITION etl.calls_by_hand FOR VALUES FROM ('{day}') TO ('{day}'::date + 1);
"""
UNDONE = """
ALTER TABLE events.calls DETACH PARTITION etl.calls_by_hand;
DROP TABLE etl.calls_by_hand;
DROP FOREIGN TABLE etl.by_hand;
"""


def measure() -> Iterator[Row]:
    with machine() as here:
        dags = here.folder / ".flowkit/dags"
        here.invoke("etl.init", str(dags))
        hasten(dags / "when_to_load.py")
        (dags / "first.py").write_text(FIRST_DAG)
        here.invoke("images.build")
        begun = time.time()
        here.invoke("deploy", "--target", "flowetl")
        yield from _first_task(begun)
        here.invoke("etl.sample", "--date", str(DAY), "--type", "calls", "--rows", str(ROWS))
        rounds = [(_by_hand(), _by_dag(here)) for _ in range(ROUNDS)]
    by_hand = median(hand for hand, _ in rounds)
    working = median(_covered(spans, LOADING) for _, spans in rounds)
    whole = median(_covered(spans, ["the run"]) for _, spans in rounds)
    yield Row("a million calls, FlowETL's load tasks", working, "s", "by hand in psql", by_hand, most_ratio=1.25)
    yield Row("which is", ROWS / working, "rows a second", "by hand in psql", ROWS / by_hand)
    yield Row("the DAG's whole run", whole, "s", "by hand in psql", by_hand)
    for name in rounds[0][1]:
        if name != "the run":
            yield Row(f"  {name}", median(_covered(spans, [name]) for _, spans in rounds), "s", "of the run", whole)


def _first_task(begun: float) -> Iterator[Row]:
    """Seconds from the deploy's beginning until a first task has succeeded, and how they divide."""
    ran = _ask(
        "SELECT json_build_object("
        "'its scheduler runs', (SELECT extract(epoch FROM min(start_date)) FROM job WHERE job_type = 'SchedulerJob'),"
        "'it has seen the DAG', extract(epoch FROM dag_run.queued_at),"
        "'it has sent the task to its queue', extract(epoch FROM task.queued_dttm),"
        "'a worker has begun it', extract(epoch FROM task.start_date),"
        "'it has succeeded', extract(epoch FROM task.end_date))"
        " FROM task_instance task JOIN dag_run USING (dag_id, run_id)"
        " WHERE dag_id = 'first' AND task.state = 'success'"
    )
    prepared = _job_ended()
    moments = [("its database is prepared", prepared), *((name, float(at)) for name, at in ran.items())]
    whole = moments[-1][1] - begun
    yield Row("Airflow, from deploy to its first task's success", whole)
    for (_, before), (name, at) in pairwise([("", begun), *moments]):
        yield Row(f"  until {name}", at - before, "s", "of all", whole)


def _job_ended() -> float:
    """When flowetl_init did, by the engine's clock, which is this machine's."""
    label = f"com.docker.swarm.service.name={STACK}_flowetl_init"
    [job] = engine().containers(all=True, filters={"label": label})
    ended = engine().inspect_container(job["Id"])["State"]["FinishedAt"]
    return datetime.fromisoformat(f"{ended[:26]}Z").timestamp()


def _ask(query: str) -> Any:
    """The one row of Airflow's database, as soon as it is there."""
    end = time.monotonic() + 180
    while True:
        found = execute(STACK, "flowetl_db", "psql", "-U", "flowetl", "-d", "flowetl", "-Atc", query).strip()
        if found:
            return json.loads(found)
        if time.monotonic() > end:
            raise AssertionError("Airflow ran no task within three minutes")
        time.sleep(0.5)


def _by_hand() -> float:
    """Seconds; undone afterwards."""
    start = time.perf_counter()
    said = _psql(BY_HAND.format(day=DAY))
    took = time.perf_counter() - start
    if f"INSERT 0 {ROWS}" not in said or "ERROR" in said:
        raise AssertionError(said)
    _psql(UNDONE)
    return took


def _psql(script: str) -> str:
    return execute(STACK, "flowdb", "psql", "-U", "flowdb", "-d", "flowdb", "-v", "ON_ERROR_STOP=1", "-c", script)


def _by_dag(here: Machine) -> Mapping[str, list[tuple[float, float]]]:
    """When each of FlowETL's tasks ran: the last try of it, as its beginning and end."""
    here.invoke("etl.run", "--date", str(DAY), "--type", "calls", "--again")
    rows = _ask(
        "SELECT json_agg(json_build_array("
        "task_id, operator, extract(epoch FROM start_date), extract(epoch FROM end_date))"
        " ORDER BY start_date) FROM task_instance WHERE dag_id = 'load_calls' AND state = 'success'"
    )
    found = _psql(f"SELECT count(*) FROM events.calls WHERE datetime >= '{DAY}' AND datetime < DATE '{DAY}' + 1")
    if str(ROWS) not in found:
        raise AssertionError(found)
    spans: dict[str, list[tuple[float, float]]] = {}
    for name, operator, begun, ended in rows:
        spans.setdefault(_kind(name, operator), []).append((float(begun), float(ended)))
    spans["the run"] = [(min(float(row[2]) for row in rows), max(float(row[3]) for row in rows))]
    _psql(f"ALTER TABLE events.calls DETACH PARTITION events.calls_{DAY:%Y%m%d}; DROP TABLE events.calls_{DAY:%Y%m%d}")
    return spans


def _kind(name: str, operator: str) -> str:
    if name in LOADING:
        return name
    return "quality checks" if operator == "QACheckOperator" else "sensors" if "Sensor" in operator else "others"


def _covered(spans: Mapping[str, list[tuple[float, float]]], names: Any) -> float:
    """Seconds in which at least one of these tasks ran."""
    total, until = 0.0, 0.0
    for begun, ended in sorted(span for name in names for span in spans.get(name, ())):
        total += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return total
