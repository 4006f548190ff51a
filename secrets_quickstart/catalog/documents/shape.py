"""Shapes of JSON documents, said in few words and kept as JSON Schema (draft 2020-12); not which command has which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Shape = Mapping[str, Any]
"""A JSON Schema."""


def text(says: str = "") -> Shape:
    return _said({"type": "string"}, says)


def whole(says: str = "") -> Shape:
    """A whole number, none below zero."""
    return _said({"type": "integer", "minimum": 0}, says)


def number(says: str = "") -> Shape:
    return _said({"type": "number"}, says)


def flag(says: str = "") -> Shape:
    return _said({"type": "boolean"}, says)


def one_of(words: Iterable[str], says: str = "") -> Shape:
    return _said({"type": "string", "enum": list(words)}, says)


def day(says: str = "") -> Shape:
    """A date as 2016-01-31."""
    return _said({"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}, says)


def moment(says: str = "") -> Shape:
    """A time as ISO 8601 has it."""
    return _said({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}"}, says)


def or_null(shape: Shape) -> Shape:
    """The same, or null."""
    made = {**shape, "type": [shape["type"], "null"]}
    return {**made, "enum": [*shape["enum"], None]} if "enum" in shape else made


def listing(items: Shape, says: str = "") -> Shape:
    return _said({"type": "array", "items": items}, says)


def mapping(values: Shape, says: str = "") -> Shape:
    """An object whose keys are names that are not known beforehand."""
    return _said({"type": "object", "additionalProperties": values}, says)


def record(fields: Mapping[str, Shape], says: str = "", optional: Iterable[str] = ()) -> Shape:
    """An object that has these fields and no other; all of them, but for the optional ones."""
    left_out = set(optional)
    if not left_out <= fields.keys():
        raise KeyError(*left_out - fields.keys())
    return _said(
        {
            "type": "object",
            "properties": dict(fields),
            "required": [name for name in fields if name not in left_out],
            "additionalProperties": False,
        },
        says,
    )


def _said(shape: Shape, says: str) -> Shape:
    return {**shape, "description": says} if says else shape
