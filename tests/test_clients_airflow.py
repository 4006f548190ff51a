"""The clients of Airflow and Flower: what they ask, and what they make of each kind of answer."""

from datetime import date

import pytest

from secrets_quickstart.clients import airflow as client
from secrets_quickstart.clients import airflow_log
from secrets_quickstart.clients.airflow import Absent, AirflowClient, TooManyAttempts
from secrets_quickstart.clients.airflow_records import Dag, Health, ImportFailure
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.clients.flower import FlowerClient
from secrets_quickstart.clients.http import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from tests import airflow_in_memory as fake
from tests import verification_fakes as fakes

FAILED = {"failed", "up_for_retry"}
RIGHT, WRONG = Sensitive(fake.PASSWORD), Sensitive("wrong-one")
DAY = date(2016, 1, 1)


@pytest.fixture
def airflow():
    return fake.Airflow()


@pytest.fixture
def stranger(airflow):
    with airflow.served() as port, AirflowClient(Place("127.0.0.1", port)) as made:
        yield made


@pytest.fixture
def admin(stranger):
    stranger.sign_in(fake.ADMIN, RIGHT)
    return stranger


def told(error):
    return f"{error.value} {error.value.why} {error.value.fix} {error.value.log}"


def test_anybody_may_ask_how_airflow_is(airflow, stranger):
    assert stranger.health() == Health("healthy", "healthy", "healthy")
    airflow.states["triggerer"] = None
    assert stranger.health().triggerer == ""


def test_who_has_not_signed_in_is_shown_nothing(stranger):
    with pytest.raises(Forbidden):
        stranger.slots("postgres_etl")


@pytest.mark.parametrize("user", [fake.ADMIN, "somebody"])
def test_a_wrong_password_is_refused_and_not_repeated(stranger, user):
    with pytest.raises(Refused) as error:
        stranger.sign_in(user, WRONG)
    assert "wrong-one" not in told(error)
    assert "FLOWETL_AIRFLOW_ADMIN_PASSWORD" in error.value.fix


def test_an_airflow_that_listens_to_no_more_attempts_has_not_refused_the_password(airflow, stranger):
    airflow.attempts = fake.ATTEMPTS
    with pytest.raises(TooManyAttempts) as error:
        stranger.sign_in(fake.ADMIN, RIGHT)
    assert not isinstance(error.value, Refused)


def test_a_page_without_a_form_is_no_refusal(stranger):
    with (
        fakes.http_server(lambda *_: (200, "<html>hello</html>", {})) as port,
        AirflowClient(Place("127.0.0.1", port)) as other,
        pytest.raises(ServiceError, match="no form") as error,
    ):
        other.sign_in(fake.ADMIN, RIGHT)
    assert not isinstance(error.value, Refused)


def test_an_airflow_that_is_not_there_is_an_error_with_a_fix():
    with AirflowClient(Place("127.0.0.1", fakes.free_port())) as nobody, pytest.raises(ServiceError) as error:
        nobody.health()
    assert "no connection" in str(error.value)
    assert error.value.fix


@pytest.mark.parametrize("body", ["[]", "{}", "no json"])
def test_an_answer_of_another_form_is_an_error_and_no_traceback(body):
    with (
        fakes.http_server(lambda *_: (200, body, {})) as port,
        AirflowClient(Place("127.0.0.1", port)) as other,
        pytest.raises(ServiceError, match="another form"),
    ):
        other.health()


def test_a_pool_is_known_by_its_slots(admin):
    assert admin.slots("postgres_etl") == 4
    assert admin.slots("another") is None


def test_dags_say_what_they_load(airflow, admin):
    airflow.add_dag("load_calls", "calls", paused=False)
    airflow.add_dag("nightly", "sms", schedule="@daily")
    airflow.add_dag("other")
    assert admin.dags() == (
        Dag("load_calls", "calls", is_paused=False, schedule=""),
        Dag("nightly", "sms", is_paused=True, schedule="@daily", catches_up=True),
        Dag("other", "", is_paused=True, schedule=""),
    )


def test_a_file_that_cannot_be_read_is_told_with_the_reason(airflow, admin):
    trace = 'Traceback (most recent call last):\n  File "x", line 1\nNameError: name "dg" is not defined\n'
    airflow.import_errors = [{"filename": "/opt/airflow/dags/calls.py", "stack_trace": trace}]
    assert admin.import_failures() == (ImportFailure("calls.py", 'NameError: name "dg" is not defined'),)


def test_a_day_is_triggered_once_and_then_found(airflow, admin):
    airflow.add_dag("load_calls", "calls")
    made = admin.trigger("load_calls", DAY)
    assert (made.day, made.state, made.id) == (DAY, "queued", "manual__2016-01-01T00:00:00+00:00")
    assert admin.trigger("load_calls", DAY) == made
    assert airflow.changes == ["trigger load_calls 2016-01-01"]


def test_a_run_of_the_schedule_for_the_same_midnight_is_found_instead(airflow, admin):
    airflow.add_dag("load_calls", "calls")
    airflow.add_run("load_calls", "2016-01-01", name="scheduled__2016-01-01T00:00:00+00:00")
    assert admin.trigger("load_calls", DAY).id.startswith("scheduled__")


def test_a_dag_that_is_not_there_cannot_be_triggered(admin):
    with pytest.raises(Absent, match="did not run nix"):
        admin.trigger("nix", DAY)


def test_runs_are_those_of_the_days_and_of_these_dags(airflow, admin):
    for name in ("a", "b"):
        airflow.add_dag(name, "calls")
    for day in ("2016-01-01", "2016-01-02", "2016-01-02T23:59:59", "2016-01-03"):
        airflow.add_run("a", day)
    airflow.add_run("b", "2016-01-02")
    assert len(admin.runs(["a"])) == 4
    assert {run.id[8:27] for run in admin.runs(["a"], date(2016, 1, 2), date(2016, 1, 2))} == {
        "2016-01-02T00:00:00",
        "2016-01-02T23:59:59",
    }
    assert admin.runs([]) == ()


def test_long_lists_are_read_to_their_end(airflow, admin, monkeypatch):
    monkeypatch.setattr(client, "AT_ONCE", 2)
    airflow.add_dag("a", "calls")
    for day in range(1, 6):
        airflow.add_run("a", f"2016-01-0{day}")
    runs = admin.runs(["a"])
    assert [run.day.day for run in runs] == [1, 2, 3, 4, 5]
    assert [task.task for task in admin.tasks(runs[0])] == list(fake.TASKS)


def test_a_run_that_has_ended_can_be_done_again(airflow, admin):
    airflow.add_dag("a", "calls")
    run = admin.trigger("a", DAY)
    airflow.runs[0]["state"] = "failed"
    assert admin.run("a", run.id).state == "failed"
    assert admin.clear(run).is_active


def test_tasks_of_all_runs_are_found_by_their_states(airflow, admin):
    airflow.add_dag("a", "calls", paused=False)
    airflow.add_run("a", "2016-01-01", "failed", create_staging_view="success", attach="upstream_failed")
    airflow.add_run("a", "2016-01-02", "running", extract="up_for_retry")
    failed = admin.tasks_in(FAILED, ["a"])
    assert {(task.run[8:18], task.task) for task in failed} == {
        ("2016-01-01", "extract"),
        ("2016-01-01", "update_records"),
        ("2016-01-01", "count_added_rows"),
        ("2016-01-02", "extract"),
    }


def test_a_tasks_log_is_its_own_words(airflow, admin):
    airflow.add_dag("a", "calls", paused=False)
    airflow.add_run("a", "2016-01-01", "failed")
    airflow.logs["a", "extract"] = "it went wrong\n"
    [task] = [task for task in admin.tasks_in(FAILED, ["a"]) if task.task == "extract"]
    assert admin.log(task) == "it went wrong\n"


LOST = "Task did not emit heartbeat within time limit (300 seconds) and will be terminated."


def test_what_befell_a_task_from_outside_is_told_once_and_only_of_its_last_attempt(airflow, admin):
    airflow.add_dag("a", "calls", paused=False)
    run = airflow.add_run("a", "2016-01-01", "failed")
    other = airflow.add_run("a", "2016-01-02", "failed")
    for _ in range(2):
        airflow.add_event(run, "extract", "heartbeat timeout", f"{LOST} See https://airflow.apache.org/docs/x.html")
    airflow.add_event(run, "extract", "state mismatch", "of another attempt", attempt=2)
    airflow.add_event(run, "extract", "cli_task_run", "somebody looked")
    airflow.add_event(run, "attach", "state mismatch", "of another task")
    airflow.add_event(other, "extract", "state mismatch", "of another run")
    [task] = [task for task in admin.tasks_in(FAILED, ["a"]) if task.task == "extract" and "01-01" in task.run]
    assert admin.events(task) == (LOST,)


LOG = """worker-1
 INFO - ::group::Log message source details
*** Found local files:
 INFO - ::endgroup::
[2026-11-25T20:43:52.593+0000] {taskinstance.py:2885} INFO - Starting attempt 1 of 1
[2026-11-25T20:43:53.006+0000] {taskinstance.py:3337} ERROR - Task failed with exception
Traceback (most recent call last):
  File "/opt/x.py", line 904, in _run_command
    cur.execute(sql_statement)
psycopg2.errors.UndefinedFile: could not open file "/etl/CALLS_20160102.csv": No such file or directory
HINT:  COPY FROM instructs the PostgreSQL server process to read a file.
[2026-11-25T20:43:53.042+0000] {taskinstance.py:1242} INFO - Marking task as FAILED. dag_id=calls
[2026-11-25T20:43:53.112+0000] {standard_task_runner.py:124} ERROR - Failed to execute job 4
Traceback (most recent call last):
  File "/opt/y.py", line 1
ValueError: another
[2026-11-25T20:43:53.198+0000] {local_task_job_runner.py:245} INFO - ::endgroup::
"""


def test_the_reason_of_a_failure_is_its_exception_without_the_traceback():
    assert airflow_log.reason(LOG) == (
        'psycopg2.errors.UndefinedFile: could not open file "/etl/CALLS_20160102.csv": No such file or directory',
        "HINT:  COPY FROM instructs the PostgreSQL server process to read a file.",
    )


def test_what_befell_a_task_is_its_reason_unless_it_ended_with_an_exception():
    running = "[2026-11-25T20:43:53.042+0000] {x.py:1} INFO - Running statement"
    assert airflow_log.reason(running, [LOST]) == (LOST,)
    assert airflow_log.reason(LOG, [LOST]) == airflow_log.reason(LOG)


def test_without_an_exception_the_last_lines_are_told():
    lines = [f"[2026-11-25T20:43:53.042+0000] {{x.py:1}} INFO - line {number}" for number in range(20)]
    assert airflow_log.reason("\n".join([*lines, " INFO - ::endgroup::", ""])) == tuple(lines[-airflow_log.MOST :])
    assert airflow_log.reason("") == ()


def flower(port, password):
    return FlowerClient(Place("127.0.0.1", port), fake.FLOWER, Sensitive(password))


def test_flower_lists_the_workers_that_answer_and_not_those_that_it_remembers(airflow):
    airflow.workers = {"celery@one": 0.1, "celery@two": 0.9, "celery@gone": 60.0}
    with airflow.flower_served() as port:
        assert flower(port, fake.FLOWER_PASSWORD).workers() == ("celery@one", "celery@two")


def test_flower_refuses_a_wrong_password(airflow):
    with airflow.flower_served() as port, pytest.raises(Refused) as error:
        flower(port, "wrong-one").workers()
    assert "wrong-one" not in told(error)


@pytest.mark.parametrize(("status", "body"), [(503, "no"), (200, "[]"), (200, '{"w": {"timestamp": "x"}}')])
def test_a_flower_that_lists_nothing_is_an_error_and_no_refusal(status, body):
    with fakes.http_server(lambda *_: (status, body, {})) as port, pytest.raises(ServiceError) as error:
        flower(port, fake.FLOWER_PASSWORD).workers()
    assert not isinstance(error.value, Refused)
