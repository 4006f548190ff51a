"""`invoke etl.run`: which runs it begins, and what it says of their ends."""

import json

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.operations import etl_following
from secrets_quickstart.tasks import etl as tasks
from tests import airflow_in_memory as fake
from tests.etl_stack import DAY, Stack

DATE = DAY.isoformat()
LOG = """[2026-11-25T20:43:53.006+0000] {taskinstance.py:3337} ERROR - Task failed with exception
Traceback (most recent call last):
  File "/opt/x.py", line 904, in _run_command
psycopg2.errors.BadCopyFileFormat: missing data for column "cell_id"
CONTEXT:  COPY stg_calls_20160101, line 7: "a,b"
"""


@pytest.fixture
def stack(tmp_path, monkeypatch):
    airflow = fake.Airflow()
    airflow.add_dag("load_calls", "calls", schedule="@daily", catchup=False)
    airflow.add_dag("load_sms", "sms")
    airflow.add_dag("tidy_up")
    with airflow.served() as port:
        made = Stack(tmp_path, port, airflow, monkeypatch)
        made.loads()
        yield made


def run(**given):
    tasks.run(Context(), date=DATE, **given)


def failure(capsys, **given):
    with pytest.raises(Exit) as ended:
        tasks.run(Context(), **{"date": DATE, **given})
    return ended.value.code, capsys.readouterr()


def test_a_day_is_loaded_by_every_dag_that_loads_something(stack, capsys):
    run()
    said = capsys.readouterr()
    assert said.out == "calls of 2016-01-01: loaded, 500 rows\nsms of 2016-01-01: loaded, 500 rows\n"
    assert stack.airflow.changes == [
        *("unpause load_calls", "trigger load_calls 2016-01-01"),
        *("unpause load_sms", "trigger load_sms 2016-01-01"),
    ]
    assert "load_calls was switched off, and is on now; from now on it runs by itself (@daily)" in said.err
    assert "load_sms was switched off, and is on now\n" in said.err


def test_only_the_types_that_were_asked_for_are_loaded(stack, capsys):
    run(type=["sms"])
    assert capsys.readouterr().out == "sms of 2016-01-01: loaded, 500 rows\n"


def test_a_second_run_changes_nothing_and_says_how_to_have_it_again(stack, capsys):
    run(type=["calls"])
    stack.airflow.changes.clear()
    capsys.readouterr()
    run(type=["calls"])
    assert "loaded already; --again" in capsys.readouterr().out
    assert stack.airflow.changes == []


def test_again_has_the_run_that_is_there_done_anew(stack, capsys):
    run(type=["calls"])
    stack.airflow.changes.clear()
    stack.loads(rows=501)
    run(type=["calls"], again=True)
    assert "loaded, 501 rows" in capsys.readouterr().out
    assert stack.airflow.changes == ["clear load_calls 2016-01-01"]


def test_a_day_that_failed_is_done_again_without_more_ado(stack, capsys):
    stack.airflow.add_run("load_sms", DATE, "failed")
    run(type=["sms"])
    assert "loaded, 500 rows" in capsys.readouterr().out
    assert "clear load_sms 2016-01-01" in stack.airflow.changes


def test_a_run_that_goes_on_is_followed_and_not_begun_twice(stack, capsys):
    stack.airflow.dags["load_sms"]["is_paused"] = False
    stack.airflow.add_run("load_sms", DATE, "running")
    run(type=["sms"])
    assert "loaded, 500 rows" in capsys.readouterr().out
    assert stack.airflow.changes == []


def test_a_failure_says_which_task_and_why_and_ends_with_status_1(stack, capsys):
    stack.loads(extract="failed", attach="upstream_failed", update_records="upstream_failed")
    stack.airflow.logs["load_calls", "extract"] = LOG
    code, said = failure(capsys, type=["calls"])
    assert code == 1
    assert said.out == "calls of 2016-01-01: extract failed\n"
    assert 'psycopg2.errors.BadCopyFileFormat: missing data for column "cell_id"' in said.err
    assert 'line 7: "a,b"' in said.err
    assert "x.py" not in said.err
    assert "invoke etl.run --date 2016-01-01" in said.err


def test_a_check_that_fails_does_not_hide_that_the_day_is_loaded(stack, capsys):
    stack.loads(count_added_rows="failed")
    code, said = failure(capsys, type=["calls"])
    assert (code, said.out) == (1, "calls of 2016-01-01: count_added_rows failed; queries see the day all the same\n")


def test_a_run_that_succeeded_without_a_trace_in_flowdb_is_a_failure(stack, capsys):
    stack.airflow.ends()
    code, said = failure(capsys, type=["calls"])
    assert (code, "FlowDB has no record of the day" in said.out) == (1, True)


def test_a_day_before_the_dags_beginning_is_said_to_be_one(stack, capsys, monkeypatch):
    monkeypatch.setattr(fake, "TASKS", ())
    stack.airflow.ends()
    code, said = failure(capsys, type=["calls"])
    assert (code, "before the DAG's start date" in said.out) == (1, True)


def test_one_type_that_fails_leaves_the_others_loaded(stack, capsys):
    def only_calls_fail(run):
        stack.loads(**({"extract": "failed", "update_records": "upstream_failed"} if "calls" in run["dag_id"] else {}))
        stack.airflow.play(run)
        stack.airflow.play = only_calls_fail

    stack.airflow.play = only_calls_fail
    code, said = failure(capsys)
    assert code == 1
    assert said.out == "calls of 2016-01-01: extract failed\nsms of 2016-01-01: loaded, 500 rows\n"


def test_a_task_that_will_be_tried_again_is_told_of_at_once_and_followed(stack, capsys):
    turns = iter(["up_for_retry", "up_for_retry", "success"])

    def play(run):
        stack.loads(extract=next(turns))
        stack.airflow.play(run)
        stack.airflow.play = play

    stack.airflow.play = play
    stack.airflow.logs["load_calls", "extract"] = LOG
    run(type=["calls"])
    said = capsys.readouterr()
    assert "loaded, 500 rows" in said.out
    assert said.err.count("calls: extract failed at attempt 1") == 1
    assert "extract failed and will be tried again" in said.err


def test_who_waits_no_longer_is_told_that_it_goes_on(stack, capsys):
    stack.loads(extract="up_for_retry", update_records=None)
    code, said = failure(capsys, type=["calls"], wait="0s")
    assert code == 1
    assert "not in time; the run goes on by itself" in said.out


def test_an_airflow_that_is_gone_for_a_moment_is_waited_for(stack, capsys):
    play, turns = stack.airflow.play, iter([True, False])

    def stumbling(run):
        if next(turns, False):
            raise ConnectionError
        play(run)

    stack.airflow.play = stumbling
    run(type=["calls"])
    assert "loaded, 500 rows" in capsys.readouterr().out


def test_a_scheduler_that_is_gone_is_named_while_nothing_goes_on(stack, capsys, monkeypatch):
    monkeypatch.setattr(etl_following, "STILL", 0.0)
    stack.airflow.states["scheduler"] = "unhealthy"
    play, turns = stack.airflow.play, iter(range(3))
    stack.airflow.play = lambda run: play(run) if next(turns, None) is None else None
    run(type=["calls"])
    said = capsys.readouterr()
    assert "nothing goes on: Airflow's scheduler is unhealthy" in said.err
    assert "loaded, 500 rows" in said.out


def test_an_airflow_that_stays_away_is_an_error(stack, capsys, monkeypatch):
    monkeypatch.setattr(etl_following, "UNHEARD", 0.0)

    def gone(run):
        raise ConnectionError

    stack.airflow.play = gone
    code, said = failure(capsys, type=["calls"])
    assert (code, "Airflow does not answer" in said.err) == (1, True)


def test_a_dag_that_would_begin_with_years_is_not_switched_on(stack, capsys):
    stack.airflow.dags["load_calls"]["catchup"] = True
    code, said = failure(capsys)
    assert code == 2
    assert "every day since its start date" in said.err
    assert stack.airflow.changes == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": ["mds"]}, "knows no DAG that loads mds"),
        ({"dag": "nix"}, "Airflow knows no DAG nix"),
        ({"dag": "tidy_up"}, "the DAG tidy_up loads no records"),
        ({"dag": "load_sms", "type": ["calls"]}, "knows no DAG that loads calls"),
        ({"date": "yesterday"}, "yesterday is no date"),
        ({"date": ""}, "nothing is no date"),
        ({"wait": "soon"}, "--wait soon is not understood"),
    ],
)
def test_what_cannot_be_done_is_wrong_usage_and_nothing_is_begun(stack, capsys, given, words):
    code, said = failure(capsys, **given)
    assert (code, said.out, stack.airflow.changes) == (2, "", [])
    assert words in said.err


def test_a_file_that_airflow_cannot_read_is_named_where_its_dag_is_missed(stack, capsys):
    stack.airflow.import_errors = [{"filename": "/opt/airflow/dags/load_mds.py", "stack_trace": "T\nNameError: dg"}]
    assert "load_mds.py cannot be read: NameError: dg" in failure(capsys, type=["mds"])[1].err


def test_a_dag_that_is_missed_may_be_too_new(stack, capsys):
    stack.airflow.dags.clear()
    code, said = failure(capsys)
    assert (code, "Airflow looks for new files twice a minute" in said.err, "invoke etl.init" in said.err) == (
        2,
        True,
        True,
    )


def test_of_two_dags_for_one_type_one_has_to_be_chosen(stack, capsys):
    stack.airflow.add_dag("other_calls", "calls")
    code, said = failure(capsys, type=["calls"])
    assert (code, "load_calls, other_calls" in said.err) == (2, True)
    run(type=["calls"], dag="other_calls")
    assert stack.airflow.changes == ["unpause other_calls", "trigger other_calls 2016-01-01"]


def test_the_document_says_what_became_of_each(stack, capsys):
    stack.flowdb.load("sms", DAY, 7)
    stack.loads(extract="failed", update_records="upstream_failed")
    stack.airflow.logs["load_calls", "extract"] = "it went wrong"
    code, said = failure(capsys, json=True)
    calls, sms = json.loads(said.out)
    assert code == 1
    assert calls == {
        "type": "calls",
        "date": DATE,
        "dag": "load_calls",
        "run": "manual__2016-01-01T00:00:00+00:00",
        "state": "failed",
        "loaded": False,
        "detail": "extract failed",
        "rows": None,
        "tasks": len(fake.TASKS),
        "failed": [{"task": "extract", "attempt": 1, "log": ["it went wrong"]}],
    }
    assert (sms["state"], sms["loaded"], sms["rows"]) == ("unchanged", True, 7)


def test_a_flowetl_that_is_not_deployed_is_an_error_with_a_fix(stack, capsys):
    stack.is_deployed = False
    code, said = failure(capsys)
    assert (code, "no service flowetl_webserver" in said.err, "fix: deploy it" in said.err) == (1, True, True)


def test_a_vault_without_airflows_password_is_an_error_with_a_fix(stack, capsys):
    stack.vault.forget(["FLOWETL_AIRFLOW_ADMIN_PASSWORD"])
    code, said = failure(capsys)
    assert (code, "the vault holds no FLOWETL_AIRFLOW_ADMIN_PASSWORD" in said.err) == (1, True)
