"""The example DAGs on a real engine: what they load, what they wait for, and what they leave alone when they fail."""

import gzip
import json
import re
import shutil
import time
from datetime import date
from pathlib import Path

import pytest

from secrets_quickstart.catalog.records import BY_NAME, EXAMPLES, TYPES
from secrets_quickstart.material.sample_day import SampleDay, checksum_sql, expected, subscribers_by_region
from secrets_quickstart.operations.etl_files import write_sample
from tests.swarm.eventually import eventually
from tests.swarm.flowetl_containers import Deployment

pytestmark = pytest.mark.swarm

PIPELINES = Path(__file__).parents[2] / "pipelines"
QUICK = {"LOOK_EVERY": "1", "QUIET_FOR": "2", "GIVE_UP_AFTER": "60", "RETRIES": "0"}
CALLS = BY_NAME["calls"]
DAY = date(2016, 1, 13)
AREAS = """
    SELECT json_object_agg(admin3pcod, subscribers ORDER BY admin3pcod)
    FROM (
        SELECT admin3pcod, count(*) AS subscribers
        FROM (SELECT DISTINCT ON (msisdn) location_id FROM ({days}) AS events ORDER BY msisdn, datetime DESC) AS last
        JOIN infrastructure.cells ON cells.id = location_id
        JOIN geography.admin3 ON ST_Within(cells.geom_point, admin3.geom)
        GROUP BY 1
    ) AS areas
"""
"""Where subscribers were last, as FlowMachine's daily location has it."""


class Pipelines(Deployment):
    """A FlowDB with the made-up country in it, and an Airflow in which one runs DAGs one by one."""

    def __init__(self, folder):
        super().__init__(folder, FLOWDB_SAMPLE_DATA="true", FLOWDB_SAMPLE_DAYS="1")
        for name in EXAMPLES:
            shutil.copy(PIPELINES / name, self.dags)
        options = self.dags / "when_to_load.py"
        text = options.read_text()
        for name, value in QUICK.items():
            text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
            assert count == 1
        options.write_text(text)

    def begin(self, kind, day):
        """A run of the whole DAG, as `airflow dags test` does it: the tasks are the real ones."""
        return self.start_airflow("run", ["dags", "test", f"load_{kind}", str(day)])

    def end(self, container):
        """The states of the run's tasks, and the log."""
        status, log = container.wait(timeout=180)["StatusCode"], container.logs().decode()
        states = {
            task: state for state, task in re.findall(r"Marking task as (\w+)\. dag_id=\w+, task_id=([\w.]+)", log)
        }
        assert states, log
        assert (status == 0) == ("FAILED" not in states.values()), log
        return states, log

    def load(self, kind, day):
        return self.end(self.begin(kind, day))

    def write(self, kind, day, *, rows=None, change=None):
        """A day's file; `change` takes its lines and gives others."""
        sample = SampleDay(BY_NAME[kind], day, rows or 400 * BY_NAME[kind].each, 400, 1)
        path = self.etl / sample.type.file(day)
        path.unlink(missing_ok=True)
        write_sample(sample, self.etl)
        if change:
            header, *lines = path.read_text().splitlines()
            path.write_text("\n".join([header, *change(lines)]) + "\n")
        return sample

    def rows(self, kind, day):
        return self.ask_flowdb(checksum_sql(BY_NAME[kind], day))

    def is_available(self, kind, day):
        return self.ask_flowdb(
            f"SELECT count(*) FROM etl.available_dates WHERE cdr_type = '{kind}' AND cdr_date = '{day}'"
        ) == (1,)

    def is_attached(self, kind, day):
        return self.ask_flowdb(f"SELECT to_regclass('events.{kind}_{day:%Y%m%d}')") != (None,)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    made = Pipelines(tmp_path_factory.mktemp("pipelines"))
    try:
        made.start_servers()
        status, log = made.prepare()
        assert status == 0, log
        eventually(lambda: made.flowdb.exec_run("pg_isready -q -h 127.0.0.1 -U flowdb -d flowdb").exit_code == 0, 180)
        yield made
    finally:
        made.remove()


def test_airflow_reads_the_examples_and_keeps_them_switched_off(pipelines):
    code = """
import json
from airflow.models.dag import DagModel
from airflow.models.dagbag import DagBag
bag = DagBag()
bag.sync_to_db()
found = {name: [DagModel.get_current(name).is_paused, dag.catchup] for name, dag in bag.dags.items()}
print(json.dumps([bag.import_errors, found]))
"""
    errors, found = json.loads(pipelines.run("python", "-W", "ignore", "-c", code).splitlines()[-1])

    assert errors == {}
    assert found == {row.dag: [True, False] for row in TYPES}


def test_a_day_of_each_type_is_loaded_whole_and_found_by_region(pipelines):
    day = date(2016, 1, 11)
    found = {}
    for row in TYPES:
        sample = pipelines.write(row.name, day)
        found[row.name] = expected(sample)

        states, log = pipelines.load(row.name, day)

        assert set(states.values()) == {"SUCCESS"}, log
        assert pipelines.rows(row.name, day) == (sample.rows, found[row.name].checksum)
        assert pipelines.is_available(row.name, day)
    days = " UNION ALL ".join(f"SELECT msisdn, datetime, location_id FROM events.{kind}_20160111" for kind in found)
    (areas,) = pipelines.ask_flowdb(AREAS.format(days=days))
    assert areas == subscribers_by_region(3, *found.values())


def test_a_file_that_comes_late_and_slowly_is_loaded_when_it_is_complete(pipelines):
    day = date(2016, 1, 12)
    sample = pipelines.write("calls", day)
    path = pipelines.etl / CALLS.file(day)
    lines = path.read_text().splitlines(keepends=True)
    path.unlink()
    run = pipelines.begin("calls", day)
    eventually(lambda: b"wait_for_file" in run.logs(), 60)
    time.sleep(3)
    with path.open("w") as file:
        for number in range(8):  # longer in all than QUIET_FOR
            file.writelines(lines[number * len(lines) // 8 : (number + 1) * len(lines) // 8])
            file.flush()
            time.sleep(1)

    states, log = pipelines.end(run)

    assert set(states.values()) == {"SUCCESS"}, log
    assert pipelines.rows("calls", day) == (sample.rows, expected(sample).checksum)


OTHERS = '''
from flowetl.util import create_dag
from when_to_load import OPTIONS, complete
FILENAME = "/etl/{{ ds }}.gz"
dag = create_dag(
    dag_id="load_other", cdr_type="sms", filename=FILENAME, program="zcat", delimiter=";", header=False, null="NA",
    encoding="encoding 'LATIN1'",
    fields={"at": "TEXT", "direction": "TEXT", "who": "TEXT", "site": "TEXT", "sector": "TEXT"},
    extract_sql="""
        SELECT NULL::TEXT AS id, (direction = 'O') AS outgoing, at::TIMESTAMP AT TIME ZONE 'UTC' AS datetime,
            NULL::TEXT AS network, who AS msisdn, NULL::TEXT AS msisdn_counterpart,
            site || '-' || sector AS location_id, NULL::TEXT AS imsi, NULL::TEXT AS imei, NULL::NUMERIC(8) AS tac,
            NULL::NUMERIC AS operator_code, NULL::NUMERIC AS country_code
        FROM {{ staging_table }} WHERE who <> 'test'
    """,
    **OPTIONS,
)
complete(dag, FILENAME)
'''
"""With what the guide says of files that are otherwise."""


def test_a_file_that_is_otherwise_is_loaded_as_the_guide_says(pipelines):
    day = date(2016, 1, 14)
    (pipelines.dags / "load_other.py").write_text(OTHERS)
    (pipelines.dags / "qa_checks" / "sms").mkdir(parents=True)
    (pipelines.dags / "qa_checks" / "sms" / "count_accents.sql").write_text(
        "SELECT count(*) FROM {{ final_table }} WHERE location_id LIKE 'É%'"
    )
    lines = ["00:30:00+02;O;a;École;1", "23:30:00+02;I;b;NA;1", "12:00:00+02;I;test;École;1"]
    content = "".join(f"{day} {line}\n" for line in lines)
    (pipelines.etl / "2016-01-14.gz").write_bytes(gzip.compress(content.encode("latin1")))

    states, log = pipelines.load("other", day)

    assert set(states.values()) == {"SUCCESS"}, log
    row = "json_build_array(datetime, outgoing, msisdn, location_id)"
    (found,) = pipelines.ask_flowdb(f"SELECT json_agg({row} ORDER BY datetime) FROM events.sms_20160114")
    assert found == [
        ["2016-01-14T00:30:00+00:00", True, "a", "École-1"],
        ["2016-01-14T23:30:00+00:00", False, "b", None],
    ]
    checked = "SELECT outcome FROM etl.deduped_post_etl_queries WHERE type_of_query_or_check LIKE 'count_accents%'"
    assert pipelines.ask_flowdb(checked) == ("1",)


def changed(change):
    """One row in the middle of many."""

    def lines_with_it(lines):
        middle = len(lines) // 2
        return [*lines[:middle], change(lines[middle]), *lines[middle + 1 :]]

    return lines_with_it


def without(column):
    position = CALLS.columns.index(column)

    def emptied(line):
        values = line.split(",")
        return ",".join([*values[:position], "", *values[position + 1 :]])

    return changed(emptied)


OUTSIDE = (changed(lambda line: line.replace("2016-01-13", "2016-01-14")), "attach", "partition constraint")
WRONG = {
    "outside": OUTSIDE,
    "no-subscriber": (without("msisdn"), "add_constraints", 'column "msisdn"'),
    "no-time": (without("event_time"), "add_constraints", 'column "datetime"'),
    "malformed": (changed(lambda line: line.replace("2016-01-13", "13 Brumaire")), "extract", "line 2002"),
}


def test_a_row_that_cannot_be_loaded_keeps_a_new_day_from_being_seen(pipelines):
    change, task, said = OUTSIDE
    pipelines.write("calls", DAY, change=change)

    states, log = pipelines.load("calls", DAY)

    assert states[task] == "FAILED"
    assert said in log
    assert not pipelines.is_attached("calls", DAY)
    assert not pipelines.is_available("calls", DAY)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_row_that_cannot_be_loaded_leaves_the_day_as_it_was_loaded_before(pipelines, wrong):
    change, task, said = WRONG[wrong]
    if not pipelines.is_available("calls", DAY):
        pipelines.write("calls", DAY, rows=1000)
        pipelines.load("calls", DAY)
    before = pipelines.rows("calls", DAY)
    assert before[0] == 1000
    pipelines.write("calls", DAY, change=change)

    states, log = pipelines.load("calls", DAY)

    assert states[task] == "FAILED"
    assert said in log
    assert pipelines.rows("calls", DAY) == before
    assert pipelines.is_available("calls", DAY)


def test_the_day_is_right_once_its_file_is(pipelines):
    sample = pipelines.write("calls", DAY)

    states, log = pipelines.load("calls", DAY)

    assert set(states.values()) == {"SUCCESS"}, log
    assert pipelines.rows("calls", DAY) == (sample.rows, expected(sample).checksum)
    left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%20160113%' AND relnamespace = 'etl'::regnamespace"
    assert pipelines.ask_flowdb(left) == (0,)
