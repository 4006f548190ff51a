"""`invoke etl.status`: how each day stands, from what FlowDB and Airflow know of it."""

import json
from datetime import date, timedelta

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.operations.etl_days import Day, State, gathered
from secrets_quickstart.tasks import etl as tasks
from tests import airflow_in_memory as fake
from tests.etl_stack import DAY, Stack


@pytest.fixture
def stack(tmp_path, monkeypatch):
    airflow = fake.Airflow()
    airflow.add_dag("load_calls", "calls")
    airflow.add_dag("load_sms", "sms")
    with airflow.served() as port:
        yield Stack(tmp_path, port, airflow, monkeypatch)


def day(number):
    return DAY + timedelta(number - 1)


def shown(capsys, **given):
    """Type, day of January 2016, state and detail of each row."""
    tasks.status(Context(), json=True, **given)
    rows = json.loads(capsys.readouterr().out)
    return [(row["type"], int(row["date"][8:]), row["state"], row["detail"]) for row in rows]


def test_nothing_at_all_is_said_to_be_nothing(stack, capsys):
    tasks.status(Context())
    assert capsys.readouterr().out == "no day is loaded, and none has been tried\n"


def test_a_day_is_loaded_when_queries_see_it_whoever_loaded_it(stack, capsys):
    stack.flowdb.load("topups", DAY)
    assert shown(capsys) == [("topups", 1, "loaded", "")]


def test_days_between_are_missing_for_each_type_by_itself(stack, capsys):
    stack.flowdb.load("calls", day(1))
    stack.airflow.add_run("load_calls", "2016-01-04", "failed", create_staging_view="success")
    stack.flowdb.load("sms", day(9))
    assert shown(capsys) == [
        ("calls", 1, "loaded", ""),
        ("calls", 2, "missing", ""),
        ("calls", 3, "missing", ""),
        ("calls", 4, "failed", "attach, count_added_rows, extract, update_records"),
        ("sms", 9, "loaded", ""),
    ]


@pytest.mark.parametrize(
    ("record", "run", "states", "expected"),
    [
        (None, "failed", {"attach": "upstream_failed", "update_records": "upstream_failed"}, ("failed", "extract")),
        (None, "success", {}, ("failed", "Airflow's run succeeded, and FlowDB has no record of the day")),
        ("ingested", "success", {}, ("loaded", "")),
        ("ingested", "failed", {}, ("loaded", "the last run failed: extract")),
        ("quarantine", "success", {}, ("failed", "FlowDB has it as quarantine")),
        (None, "queued", {}, ("running", "queued")),
        (None, "running", {}, ("running", "")),
        (None, "running", {"extract": "running"}, ("running", "extract")),
        (None, "running", {"extract": "up_for_reschedule"}, ("running", "extract waits")),
        (None, "running", {"extract": "up_for_retry"}, ("running", "extract failed and will be tried again")),
        ("ingested", "running", {"extract": "running"}, ("running", "extract; queries see it already")),
    ],
)
def test_a_day_is_judged_by_both(stack, capsys, record, run, states, expected):
    ended = dict.fromkeys(fake.TASKS, "success") | ({"extract": "failed"} if run == "failed" else {})
    stack.airflow.add_run("load_calls", "2016-01-01", run, **({} if run == "queued" else ended | states))
    if record:
        stack.flowdb.load("calls", DAY, state=record)
    assert shown(capsys) == [("calls", 1, *expected)]


def test_of_several_runs_of_a_day_the_one_that_goes_on_counts(stack, capsys):
    stack.airflow.add_run("load_calls", "2016-01-01T05:00:00", "running", extract="running")
    stack.airflow.add_run("load_calls", "2016-01-01", "failed")
    assert shown(capsys)[0][2] == "running"


def test_a_choice_leaves_out_rows_and_not_what_they_are_judged_by(stack, capsys):
    for number in (1, 5):
        stack.flowdb.load("calls", day(number))
    stack.flowdb.load("sms", day(3))
    assert shown(capsys, since="2016-01-02", until="2016-01-03") == [
        ("calls", 2, "missing", ""),
        ("calls", 3, "missing", ""),
        ("sms", 3, "loaded", ""),
    ]
    assert {row[0] for row in shown(capsys, type=["sms"])} == {"sms"}


def test_the_table_has_rows_checks_and_gathers_what_is_missing(stack, capsys):
    stack.flowdb.load("calls", day(1), 500)
    stack.flowdb.load("calls", day(31), 7)
    tasks.status(Context())
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells == [
        ["TYPE", "DATE", "STATE", "LOADED", "ROWS", "CHECKS", "DETAIL"],
        ["calls", "2016-01-01", "loaded", "2026-01-01 12:30 UTC", "500", "2"],
        ["calls", "2016-01-02 to 2016-01-30", "missing"],
        ["calls", "2016-01-31", "loaded", "2026-01-01 12:30 UTC", "7", "2"],
    ]


def test_missing_days_of_two_types_are_not_gathered_into_one():
    days = [Day("a", DAY, State.MISSING), Day("b", day(2), State.MISSING), Day("b", day(3), State.MISSING)]
    assert [(line.first.day, line.last) for line in gathered(days)] == [(DAY, DAY), (day(2), day(3))]


def test_what_each_check_found_can_be_seen(stack, capsys):
    stack.flowdb.load("calls", DAY, 500)
    tasks.status(Context(), checks=True)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["TYPE", "DATE", "CHECK", "OUTCOME"],
        ["calls", "2016-01-01", "count_added_rows", "500"],
        ["calls", "2016-01-01", "count_duplicates", "0"],
    ]


def test_the_document_has_all_of_a_day(stack, capsys):
    stack.flowdb.load("calls", DAY, 500)
    stack.airflow.add_run("load_calls", "2016-01-01")
    tasks.status(Context(), json=True)
    assert json.loads(capsys.readouterr().out) == [
        {
            "type": "calls",
            "date": "2016-01-01",
            "state": "loaded",
            "detail": "",
            "loaded": "2026-01-01T12:30:00+00:00",
            "dag": "load_calls",
            "run": "manual__2016-01-01T00:00:00+00:00",
            "checks": {"count_added_rows": "500", "count_duplicates": "0"},
        }
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": ["mds"]}, "there is no type mds"),
        ({"since": "x"}, "x is no date"),
        ({"until": "2016"}, "2016 is no date"),
    ],
)
def test_a_choice_that_cannot_be_is_wrong_usage(stack, capsys, given, words):
    with pytest.raises(Exit) as ended:
        tasks.status(Context(), **given)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_day_is_the_one_of_the_logical_date_in_utc(stack, capsys):
    run = stack.airflow.add_run("load_calls", "2016-01-01", "failed")
    run["logical_date"] = "2016-01-02T01:00:00+02:00"
    tasks.status(Context(), json=True)
    assert date.fromisoformat(json.loads(capsys.readouterr().out)[0]["date"]) == DAY
