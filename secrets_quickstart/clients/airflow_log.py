"""What of a task's log says why it failed; not how the log is got."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

RECORD = re.compile(r"\[\d{4}-\d\d-\d\dT[^]]*\] \{[^}]*\} (?P<level>[A-Z]+) - (?P<text>.*)")
MARKS = ("::group::", "::endgroup::", "*** ")
MOST = 12
"""Lines, of which more would hide what went wrong."""


def reason(log: str, befell: Sequence[str] = ()) -> tuple[str, ...]:
    """The exception that ended the task, without its traceback; or what befell it from outside; or the last lines."""
    lines = log.splitlines()
    for record in _errors(lines):
        if exception := _exception(record):
            return tuple(exception[:MOST])
    if befell:
        return tuple(befell[-MOST:])
    told = [line.rstrip() for line in lines if line.strip() and not any(mark in line for mark in MARKS)]
    return tuple(told[-MOST:])


def _errors(lines: Sequence[str]) -> Iterator[list[str]]:
    """The records of errors, each with the lines that follow it."""
    record: list[str] | None = None
    for line in lines:
        found = RECORD.match(line)
        if found is None:
            if record is not None:
                record.append(line)
            continue
        if record is not None:
            yield record
        record = [found["text"]] if found["level"] in {"ERROR", "CRITICAL"} else None
    if record is not None:
        yield record


def _exception(record: Sequence[str]) -> list[str]:
    """What stands below the last traceback of a record."""
    starts = [number for number, line in enumerate(record) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return []
    below = list(record[starts[-1] + 1 :])
    while below and below[0].startswith((" ", "\t")):
        below.pop(0)
    return [line.rstrip() for line in below if line.strip()]
