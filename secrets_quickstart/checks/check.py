"""What a check is and what it finds.  No check is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar


class Status(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    OBSTACLE = "obstacle"
    SKIPPED = "skipped"
    """Could not be asked, because something it needs was found wanting by another check, or does not apply."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `fix` is one thing to do about it."""

    check: str
    status: Status
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Ok:
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Warn:
    detail: str
    fix: str


@dataclass(frozen=True, slots=True)
class Obstacle:
    detail: str
    fix: str


@dataclass(frozen=True, slots=True)
class Skip:
    detail: str


Outcome = Ok | Warn | Obstacle | Skip

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Check(Generic[F]):
    """One row of a table of checks: a name, the question, and a pure judgement over facts."""

    name: str
    question: str
    judge: Callable[[F], Outcome]


def finding(name: str, outcome: Outcome) -> Finding:
    """The outcome under the check's name."""
    match outcome:
        case Ok(detail):
            return Finding(name, Status.OK, detail)
        case Warn(detail, fix):
            return Finding(name, Status.WARNING, detail, fix)
        case Obstacle(detail, fix):
            return Finding(name, Status.OBSTACLE, detail, fix)
        case Skip(detail):
            return Finding(name, Status.SKIPPED, detail)
