"""Fields: a request's JSON body, read with suspicion. Not what the values mean.

What comes out of here the database can store: no NUL, no half of a surrogate pair, no number or date beyond its types.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flowauth.refusals import Refused

DATE_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
LARGEST = 2**31 - 1  # PostgreSQL's integer
LONGEST_NAME = 75  # characters; the columns' width
LONGEST_SCOPE = 512
LONGEST_TEXT = 4096  # passwords, signatures


class Fields:
    """An object's members. Every method raises Refused (400, with bad_field) for what is missing or wrong."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members

    @classmethod
    def parse(cls, body: bytes) -> Fields:
        try:
            members = json.loads(body)
        except (ValueError, RecursionError) as problem:
            raise Refused("The request's body is not JSON.") from problem
        if not isinstance(members, dict):
            raise Refused("The request's body is not a JSON object.")
        return cls(members)

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def text(self, name: str, *, missing: str = "", longest: int = LONGEST_TEXT, shortest: int = 1) -> str:
        value = self._get(name, missing)
        return _checked_text(value, name, shortest, longest, missing)

    def texts(self, name: str, *, longest: int) -> list[str]:
        """Names on one line, each once, in the order given."""
        found = [_checked_line(value, name, longest) for value in self._list(name)]
        return list(dict.fromkeys(found))

    def flag(self, name: str) -> bool:
        value = self._get(name)
        if not isinstance(value, bool):
            raise Refused(f"{name} must be true or false.", bad_field=name)
        return value

    def whole(self, name: str, *, least: int = 1) -> int:
        return _checked_whole(self._get(name), name, least)

    def wholes(self, name: str) -> list[int]:
        """Each once, in the order given."""
        return list(dict.fromkeys(_checked_whole(value, name, 0) for value in self._list(name)))

    def moment(self, name: str) -> datetime:
        """UTC, without a zone, as the tables hold it."""
        value = self._get(name)
        try:
            return datetime.strptime(value, DATE_FORMAT)  # noqa: DTZ007  the Z says UTC
        except (TypeError, ValueError) as problem:
            example = "2030-12-31T00:00:00.0Z"
            raise Refused(f"{name} must be a date like {example}.", bad_field=name) from problem

    def flags_by_name(self, *, longest: int) -> dict[str, bool]:
        """The whole object as names with true or false."""
        for name in self.members:
            _checked_line(name, "scope", longest)
        return {name: self.flag(name) for name in self.members}

    def objects(self, name: str, missing: str = "") -> list[Fields]:
        self._get(name, missing)
        values = self._list(name)
        if not all(isinstance(value, dict) for value in values):
            raise Refused(f"{name} must be a list of objects.", bad_field=name)
        return [Fields(value) for value in values]

    def _get(self, name: str, missing: str = "") -> Any:
        if self.members.get(name) is None:
            raise Refused(missing or f"{name} is missing.", bad_field=name)
        return self.members[name]

    def _list(self, name: str) -> list[Any]:
        value = self._get(name)
        if not isinstance(value, list):
            raise Refused(f"{name} must be a list.", bad_field=name)
        return value


def _checked_text(value: object, name: str, shortest: int, longest: int, missing: str = "") -> str:
    if not isinstance(value, str):
        raise Refused(f"{name} must be text.", bad_field=name)
    if len(value) < shortest:
        raise Refused(missing or f"{name} is empty.", bad_field=name)
    if len(value) > longest:
        raise Refused(f"{name} must be {longest} characters or less.", bad_field=name)
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Refused(f"{name} has a character that is not text.", bad_field=name)
    return value


def _checked_line(value: object, name: str, longest: int) -> str:
    text = _checked_text(value, name, 1, longest)
    if not text.isprintable():
        raise Refused(f"{name} has a character that cannot be printed.", bad_field=name)
    return text


def _checked_whole(value: object, name: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
        raise Refused(f"{name} must be a whole number from {least} to {LARGEST}.", bad_field=name)
    return value
