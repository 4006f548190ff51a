"""FlowAPI's rows as JSON, GeoJSON and CSV."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from flowapi import rows
from flowapi.rows import RawJson


def written(form, *batches):
    return form.opening() + "".join(form.batch(batch) for batch in batches) + form.closing()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (1.5, "1.5"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (Decimal("1E+3"), "1E+3"),
        (Decimal("NaN"), "null"),
        ('say "é"\n', '"say \\"\\u00e9\\"\\n"'),
        (date(2016, 1, 2), '"2016-01-02"'),
        (datetime(2016, 1, 2, 3, tzinfo=UTC), '"2016-01-02T03:00:00+00:00"'),
        (timedelta(hours=1), '"1:00:00"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (b"\x01\xff", '"01ff"'),
        ([1, Decimal("2.5"), None], "[1, 2.5, null]"),
        ({"a": date(2016, 1, 2)}, '{"a": "2016-01-02"}'),
        (RawJson('{"type": "Point"}'), '{"type": "Point"}'),
    ],
)
def test_a_value_becomes_json_that_parses(value, text):
    assert rows.json_of(value) == text
    json.loads(text)


def test_a_result_is_one_object_however_it_was_divided():
    first = [{"pcod": "a", "value": 1}, {"pcod": "b", "value": 2}]
    last = [{"pcod": "c", "value": 3}]
    for batches in ([first, last], [first + last], [first, [], last], [[], first, last]):
        assert json.loads(written(rows.json_result("i" * 32), *batches)) == {
            "query_id": "i" * 32,
            "query_result": first + last,
        }


@pytest.mark.parametrize("batches", [[], [[]]])
def test_no_rows_are_an_empty_list(batches):
    assert json.loads(written(rows.json_result("x"), *batches)) == {
        "query_id": "x",
        "query_result": [],
    }
    assert json.loads(written(rows.geojson(), *batches)) == {
        "type": "FeatureCollection",
        "features": [],
    }


def test_a_column_may_be_called_anything():
    name = 'the "name"\\'
    parsed = json.loads(written(rows.json_result("x"), [{name: 1}]))
    assert parsed["query_result"] == [{name: 1}]


def test_features_carry_the_databases_json_as_objects():
    point = '{"type":"Point","coordinates":[0.5,1]}'
    feature = {
        "type": "Feature",
        "id": 1,
        "geometry": RawJson(point),
        "properties": RawJson('{"pcod":"a","value":50}'),
    }
    parsed = json.loads(written(rows.geojson(), [feature]))
    assert parsed["features"][0]["geometry"] == json.loads(point)
    assert parsed["features"][0]["properties"] == {"pcod": "a", "value": 50}


def test_csv_has_one_line_of_names_and_quotes_what_needs_it():
    batch = [{"pcod": 'a,"b"', "day": date(2016, 1, 2), "value": Decimal("1.50"), "no": None}]
    text = written(rows.CsvRows(), batch, batch)
    assert list(csv.reader(io.StringIO(text))) == [
        ["pcod", "day", "value", "no"],
        ['a,"b"', "2016-01-02", "1.50", ""],
        ['a,"b"', "2016-01-02", "1.50", ""],
    ]


def test_csv_without_rows_is_empty():
    assert written(rows.CsvRows(), []) == ""
