"""Request bodies read with suspicion, and the arithmetic of limits."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.flowauth_package import module

fields, limits, refusals = module("fields"), module("limits"), module("refusals")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def of(**members):
    return fields.Fields(members)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(refusals.Refused) as refused:
        fields.Fields.parse(body)
    assert refused.value.status == 400


def refusal(read):
    try:
        read()
    except refusals.Refused as refused:
        return refused.status, refused.body["bad_field"]
    return None


@given(JSON)
def test_whatever_a_member_is_it_is_right_or_refused_by_name(value):
    body = fields.Fields({"x": value})
    for read in (
        lambda: body.text("x"),
        lambda: body.texts("x", longest=5),
        lambda: body.flag("x"),
        lambda: body.whole("x"),
        lambda: body.wholes("x"),
        lambda: body.moment("x"),
        lambda: body.objects("x"),
    ):
        assert refusal(read) in {None, (400, "x")}


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 5000, ""])
def test_text_that_the_database_cannot_hold_is_refused(text):
    with pytest.raises(refusals.Refused):
        of(x=text).text("x")


@pytest.mark.parametrize("number", [True, 0, -1, 2**31, 1.0, "1"])
def test_a_number_beyond_its_column_is_refused(number):
    with pytest.raises(refusals.Refused):
        of(x=number).whole("x")


def test_scope_names_are_on_one_line():
    with pytest.raises(refusals.Refused):
        of(x=["run\nget_result"]).texts("x", longest=512)
    with pytest.raises(refusals.Refused):
        fields.Fields({"a\nb": True}).flags_by_name(longest=512)


def test_dates_are_read_and_written_in_the_same_form():
    moment = of(x="2030-12-31T12:00:00.5Z").moment("x")
    assert moment == datetime(2030, 12, 31, 12, 0, 0, 500000)  # noqa: DTZ001
    assert limits.written(moment) == "2030-12-31T12:00:00.500000Z"
    assert limits.written(datetime(1, 1, 1)) == "0001-01-01T00:00:00.000000Z"  # noqa: DTZ001
    with pytest.raises(refusals.Refused):
        of(x="2030-12-31T12:00:00Z").moment("x")


NOW = datetime(2030, 1, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("given_limits", "expected"),
    [
        ([("2031-01-01", 60)], "2030-01-01T01:00"),
        ([("2030-01-01T00:30", 60)], "2030-01-01T00:30"),
        ([("2031-01-01", 60), ("2031-01-01", 30)], "2030-01-01T00:30"),
        ([("2031-01-01", 60), ("2029-01-01", 90)], "2029-01-01T00:00"),
        ([("9999-12-31", 2**31 - 1)], "6113-01-24T02:07"),
    ],
)
def test_a_token_ends_with_the_strictest_of_the_limits(given_limits, expected):
    made = [limits.Limit(datetime.fromisoformat(latest), minutes) for latest, minutes in given_limits]
    assert limits.expiry(NOW, made) == datetime.fromisoformat(expected)


def test_what_a_role_exceeds_is_named():
    server = limits.Limit(NOW, 60)
    assert limits.Limit(NOW, 60).exceeds(server) is None
    assert limits.Limit(NOW, 61).exceeds(server) == "longest_token_life_minutes"
    assert limits.Limit(NOW.replace(year=2031), 1).exceeds(server) == "latest_token_expiry"
