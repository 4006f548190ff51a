"""An analyst's numbers against FlowDB's: what may differ, and what may not."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.checks import verification_numbers as numbers
from secrets_quickstart.checks.check import Obstacle, Ok, Warn
from secrets_quickstart.checks.verification_numbers import Count
from secrets_quickstart.checks.verification_world import Unasked
from secrets_quickstart.clients.analyst import Findings, Question

DATES = {"calls": ["2016-01-01", "2016-01-02"], "sms": ["2016-01-01"]}
COUNTS = {"A": Count(20, 20), "B": Count(15, 15), "C": Count(30, 32)}
RIGHT = [{"pcod": "A", "value": 20}, {"pcod": "C", "value": 31}]


def judged(rows, dates=DATES, counts=COUNTS):
    return numbers.judged(Findings(dates, rows), DATES, counts, "of a day")


def test_the_same_numbers_are_right():
    assert judged(RIGHT) == Ok("51 subscribers in 2 regions of a day, as FlowDB counts them")


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"pcod": "A", "value": 21}, RIGHT[1]], id="one too many"),
        pytest.param([{"pcod": "A", "value": 19}, RIGHT[1]], id="one too few"),
        pytest.param([RIGHT[1]], id="a region missing"),
        pytest.param([*RIGHT, {"pcod": "B", "value": 15}], id="a count that should be hidden"),
        pytest.param([*RIGHT, {"pcod": "D", "value": 16}], id="a region that FlowDB does not have"),
        pytest.param([RIGHT[0], {"pcod": "C", "value": 33}], id="more than even the doubtful ones"),
        pytest.param([*RIGHT, RIGHT[0]], id="a region twice"),
        pytest.param([{"value": 20}], id="no pcod"),
        pytest.param([], id="nothing"),
    ],
)
def test_any_other_numbers_are_an_obstacle(rows):
    assert isinstance(judged(rows), Obstacle)


def test_counts_that_flowmachine_hides_are_not_told_here_either():
    outcome = judged([*RIGHT, {"pcod": "B", "value": 99}])
    assert outcome.detail == "of a day: B: FlowAPI 99, FlowDB 15 or fewer"


def test_nothing_to_compare_is_a_warning_rather_than_a_proof():
    assert isinstance(judged([], counts={"A": Count(3, 3)}), Warn)


def test_other_dates_are_an_obstacle_even_with_the_right_numbers():
    outcome = judged(RIGHT, dates={"calls": ["2016-01-01", "2016-01-02"], "sms": ["2016-01-01", "2016-01-02"]})
    assert outcome.detail == "sms of 2016-01-02: FlowAPI alone has them"
    assert "FlowDB alone" in judged(RIGHT, dates={"calls": DATES["calls"]}).detail


@given(st.integers(0, 60), st.integers(0, 5), st.none() | st.integers(0, 80))
def test_what_flowmachine_may_answer_is_what_some_choice_among_the_doubtful_gives(certain, doubtful, value):
    answers = {count if count > 15 else None for count in range(certain, certain + doubtful + 1)}
    assert Count(certain, certain + doubtful).allows(value) == (value in answers)


def test_the_newest_days_come_first_with_the_types_that_they_have():
    assert numbers.newest(DATES) == [("2016-01-02", ("calls",)), ("2016-01-01", ("calls", "sms"))]


def test_a_flowdb_without_calls_and_messages_leaves_nothing_to_count():
    with pytest.raises(Unasked, match="no records yet"):
        numbers.newest({"topups": ["2016-01-01"]})


def test_a_day_is_from_midnight_to_midnight():
    assert numbers.bounds("2016-02-29") == {"start": "2016-02-29", "end": "2016-03-01"}


class Records:
    """A FlowDB that has these counts, by day and unit."""

    def __init__(self, units, counts):
        self.units, self.counts = units, counts

    def query(self, statement, parameters=None, **_):
        match statement:
            case numbers.UNITS_THERE:
                return [(unit,) for unit in parameters[0] if unit in self.units]
            case "SELECT * FROM location_table()":
                return [("infrastructure.cells",)]
            case str():
                return [
                    (kind, date.fromisoformat(day)) for kind, day in (("sms", "2016-01-01"), ("calls", "2016-01-01"))
                ]
        unit = next(unit for unit in numbers.UNITS if f'"geography"."{unit}"' in statement.as_string())
        return self.counts.get((parameters["start"], unit), [])


DAYS = [("2016-01-02", ("calls",)), ("2016-01-01", ("calls", "sms"))]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({("2016-01-02", "admin3"): [("A", 16, 16)]}, Question("2016-01-02", "admin3", ("calls",))),
        (
            {("2016-01-02", "admin3"): [("A", 9, 9)], ("2016-01-02", "admin1"): [("A", 18, 18)]},
            Question("2016-01-02", "admin1", ("calls",)),
        ),
        ({("2016-01-01", "admin3"): [("A", 16, 16)]}, Question("2016-01-01", "admin3", ("calls", "sms"))),
        (
            {("2016-01-02", "admin1"): [("A", 9, 9)], ("2016-01-01", "admin3"): [("A", 9, 9)]},
            Question("2016-01-02", "admin1", ("calls",)),
        ),
    ],
    ids=["finest", "coarser where the finest is hidden", "an earlier day", "all hidden"],
)
def test_the_query_is_chosen_where_there_is_a_number_to_compare(counts, expected):
    question, _ = numbers.counted(Records(("admin3", "admin1"), counts), DAYS)
    assert question == expected


def test_records_at_no_known_place_leave_nothing_to_count():
    with pytest.raises(Unasked, match="2016-01-02, 2016-01-01"):
        numbers.counted(Records(("admin3",), {}), DAYS)


def test_available_dates_are_read_by_type():
    assert numbers.available_dates(Records((), {})) == {"sms": ["2016-01-01"], "calls": ["2016-01-01"]}


def test_a_token_for_the_query_holds_each_kind_of_query_in_it():
    assert numbers.scopes("admin2")[3:] == (
        "admin2:spatial_aggregate:spatial_aggregate",
        "admin2:spatial_aggregate:daily_location",
    )
