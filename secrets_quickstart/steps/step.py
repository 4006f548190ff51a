"""What every step is: look, plan, act.  No step is here.

`look` reads, `plan` is pure, `act` carries out one action and is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Action(Protocol):
    """One thing to do, as a frozen dataclass; `str` is the line that people read.  Never holds a secret value."""

    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Something that is right already, and why nothing is done about it."""

    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one step would do, in order, and what it leaves as it is."""

    actions: tuple[Action, ...] = ()
    unchanged: tuple[Unchanged, ...] = ()


F = TypeVar("F")


class Step(Protocol[F]):
    """A part of the system that can be looked at, planned and brought about."""

    name: str
    """One word, as it stands before each line of the plan."""

    def look(self) -> F:
        """The facts, read afresh.  Changes nothing."""
        ...

    def plan(self, facts: F) -> Plan:
        """What has to be done, given the facts alone: the same facts give the same plan.

        Raises QuickstartError when the facts forbid going on.
        """
        ...

    def act(self, actions: Sequence[Action]) -> None:
        """Carry out the actions in order.  Safe to call again after a crash at any point."""
        ...
