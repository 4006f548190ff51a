"""Made-up days: the same again, by time, of any size, and with known numbers."""

import hashlib
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from secrets_quickstart.catalog.records import BY_NAME, TYPES
from secrets_quickstart.material.sample_day import (
    CELLS,
    FEWEST,
    SampleDay,
    checksum_sql,
    code,
    expected,
    subscribers_by_region,
)

ON_EVERY_TYPE = pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
MONDAY = date(2016, 1, 11)


def of(kind, rows=0, **more):
    return SampleDay(
        **{"type": kind, "day": MONDAY, "rows": rows or 400 * kind.each, "subscribers": 400, "seed": 1, **more}
    )


def read(sample):
    """The rows as a reader of the file sees them."""
    return [dict(zip(sample.type.columns, line.split(","), strict=True)) for line, *_ in sample]


@ON_EVERY_TYPE
def test_the_same_order_gives_the_same_rows_and_any_other_gives_others(kind):
    sample = of(kind)
    others = [replace(sample, seed=2), replace(sample, day=date(2016, 1, 12)), replace(sample, subscribers=500)]

    assert expected(sample) == expected(sample)
    assert len({expected(one).checksum for one in (sample, *others)}) == 4


def test_the_rows_are_these_for_good():
    """FlowDB may hold a day that an earlier version made up."""
    assert [expected(of(kind)).checksum for kind in TYPES] == PINNED


PINNED = [8713348308933, 5117079627201, 3401661202041, 1747011346008]


@ON_EVERY_TYPE
@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_there_are_as_many_rows_as_were_asked_for(kind, rows):
    assert len(read(of(kind, rows))) == expected(of(kind, rows)).rows == rows


@ON_EVERY_TYPE
def test_rows_are_in_the_day_by_time_and_on_cells_of_the_country(kind):
    rows = read(of(kind))
    times = [datetime.fromisoformat(row.get("event_time") or row["start_time"]) for row in rows]

    assert times == sorted(times)
    assert {time.date() for time in times} == {MONDAY}
    assert {time.utcoffset() for time in times} == {timedelta(0)}
    assert {time.hour for time in times} == set(range(24))
    assert {row["cell_id"] for row in rows} <= set(CELLS)
    assert len(CELLS) == len(set(CELLS)) == 108


def test_no_two_events_of_a_day_are_at_the_same_time():
    times = [at for kind in TYPES for at in {at for *_, at in of(kind, 20_000)}]

    assert len(times) == len(set(times)) == 60_000, "calls and messages are half as many as their rows"


@pytest.mark.parametrize("name", ["calls", "sms"])
def test_a_call_or_message_has_a_row_for_each_party(name):
    pairs: dict[str, list[dict[str, str]]] = {}
    for row in read(of(BY_NAME[name])):
        pairs.setdefault(row.get("call_id") or row["message_id"], []).append(row)

    for one, other in pairs.values():
        assert (one["outgoing"], other["outgoing"]) == ("true", "false")
        assert (one["msisdn"], one["msisdn_counterpart"]) == (other["msisdn_counterpart"], other["msisdn"])
        assert one["msisdn"] != one["msisdn_counterpart"]
        assert one["event_time"] == other["event_time"]


def test_a_last_call_without_its_second_row_is_to_somebody_of_another_network():
    assert [row["outgoing"] for row in read(of(BY_NAME["calls"], 3))] == ["true", "false", "true"]


def test_subscribers_are_those_of_flowdbs_sample_data():
    """Its msisdn is the hash of `msisdn/<seed>/<number>`."""
    known = {hashlib.sha256(f"msisdn/7/{n}".encode()).hexdigest() for n in range(400)}

    assert {row["msisdn"] for row in read(of(BY_NAME["calls"], seed=7))} == known


@ON_EVERY_TYPE
@pytest.mark.parametrize("day", [MONDAY, date(2016, 1, 16)], ids=["working-day", "weekend"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_more_than_fifteen_subscribers_are_in_every_region_with_the_fewest_people(kind, day, seed):
    found = subscribers_by_region(3, expected(of(kind, subscribers=FEWEST, day=day, seed=seed)))

    assert len(found) == 12
    assert min(found.values()) > 15


def test_who_is_where_is_what_the_lines_say():
    """Counted again from the text, as FlowDB will."""
    samples = [of(BY_NAME[name]) for name in ("calls", "sms")]
    last = {}
    for row in sorted((row for sample in samples for row in read(sample)), key=lambda row: row["event_time"]):
        last[row["msisdn"]] = code(CELLS.index(row["cell_id"]) // 9, 3)

    assert subscribers_by_region(3, *(expected(sample) for sample in samples)) == dict(
        sorted(Counter(last.values()).items())
    )


def test_coarser_levels_add_up():
    found = expected(of(BY_NAME["calls"]))

    assert [len(subscribers_by_region(level, found)) for level in range(4)] == [1, 3, 6, 12]
    assert {sum(subscribers_by_region(level, found).values()) for level in range(4)} == {400}
    assert list(subscribers_by_region(1, found)) == ["SAV.1", "SAV.2", "SAV.3"]


@ON_EVERY_TYPE
def test_a_loaded_row_has_a_place_for_every_column_of_the_file(kind):
    assert len(kind.loaded) == len(kind.columns)
    assert f"FROM events.{kind.name}" in checksum_sql(kind, MONDAY)
