"""Rows of a result as text: JSON, GeoJSON and CSV, a batch at a time. Not where rows come from."""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Protocol


class Row(Protocol):
    """A mapping in all that is needed of it; asyncpg's records are, without saying so."""

    def keys(self) -> Iterable[str]: ...
    def values(self) -> Iterable[Any]: ...


class RawJson(str):
    """A value of the database's json or jsonb type: JSON already, passed on as it is."""

    __slots__ = ()


class Format(Protocol):
    """How rows are written; one object for one response."""

    media_type: str
    extension: str
    batch_rows: int  # at most this many rows are in memory at once

    def opening(self) -> str: ...
    def batch(self, rows: Sequence[Row]) -> str: ...
    def closing(self) -> str: ...


@dataclass(slots=True)
class JsonRows:
    """Rows as a list of JSON objects between two given texts."""

    before: str
    after: str
    media_type: str
    extension: str
    batch_rows: int
    _keys: list[str] = field(default_factory=list)
    _started: bool = False

    def opening(self) -> str:
        return self.before

    def batch(self, rows: Sequence[Row]) -> str:
        if not self._keys and rows:
            self._keys = [f"{json.dumps(str(key))}: " for key in rows[0].keys()]  # noqa: SIM118  not a dict
        text = ", ".join(map(self._object, rows))
        comma = ", " if self._started and text else ""
        self._started = self._started or bool(text)
        return comma + text

    def closing(self) -> str:
        return self.after

    def _object(self, row: Row) -> str:
        values = map(json_of, row.values())
        pairs = (key + value for key, value in zip(self._keys, values, strict=True))
        return "{" + ", ".join(pairs) + "}"


def json_result(query_id: str) -> JsonRows:
    before = f'{{"query_id": {json.dumps(query_id)}, "query_result": ['
    return JsonRows(before, "]}", "application/json", "json", batch_rows=200)


def geojson() -> JsonRows:
    """For rows that are features already: type, id, geometry, properties."""
    before = '{"type": "FeatureCollection", "features": ['
    # A region's outline can be megabytes: few at a time
    return JsonRows(before, "]}", "application/geo+json", "geojson", batch_rows=10)


@dataclass(slots=True)
class CsvRows:
    """Comma-separated rows under a line of column names; no rows, no text at all."""

    media_type: str = "text/csv"
    extension: str = "csv"
    batch_rows: int = 200
    _started: bool = False

    def opening(self) -> str:
        return ""

    def batch(self, rows: Sequence[Row]) -> str:
        out = io.StringIO()
        writer = csv.writer(out)
        if not self._started and rows:
            self._started = True
            writer.writerow(rows[0].keys())
        writer.writerows([csv_of(value) for value in row.values()] for row in rows)
        return out.getvalue()

    def closing(self) -> str:
        return ""


def json_of(value: object) -> str:
    """A database value as JSON: numbers with every digit, dates in ISO 8601, NaN as null."""
    match value:
        case RawJson():
            return value
        case str() | bool() | int() | None:
            return json.dumps(value)
        case float():
            return json.dumps(value) if math.isfinite(value) else "null"
        case Decimal():
            return str(value) if value.is_finite() else "null"
        case date() | time():  # datetime is a date
            return json.dumps(value.isoformat())
        case list() | tuple():
            return _json_list(value)
        case _ if hasattr(value, "items"):  # a composite value
            pairs = (f"{json.dumps(str(key))}: {json_of(item)}" for key, item in value.items())
            return "{" + ", ".join(pairs) + "}"
        case bytes():
            return json.dumps(value.hex())
        case _:
            return json.dumps(str(value))


def csv_of(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime() | date() | time():
            return value.isoformat()
        case list() | tuple() | bytes():
            return json_of(value)
        case _:
            return str(value)


def _json_list(values: Iterable[object]) -> str:
    return "[" + ", ".join(map(json_of, values)) + "]"
