"""Whether the swarm's secrets and the services' mounts are what the vault says: pure; facts are in `drift_facts`.

Values are compared by their keyed fingerprints alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from secrets_quickstart.catalog.labels import FINGERPRINT, GENERATION, NAME, STACK, VAULT
from secrets_quickstart.catalog.secrets import BY_NAME
from secrets_quickstart.steps.secrets import object_name, wanted
from secrets_quickstart.swarm.secrets import SecretObject


class State(Enum):
    """How one secret stands."""

    OK = "ok"
    MISSING = "missing"
    FOREIGN = "foreign"
    CHANGED = "changed"
    ORPHANED = "orphaned"
    UNUSED = "unused"
    SUPERSEDED = "superseded"

    @property
    def is_drift(self) -> bool:
        """Whether something is not as it should be; every renewal leaves a superseded secret, which harms nobody."""
        return self not in {State.OK, State.SUPERSEDED}


@dataclass(frozen=True, slots=True)
class Held:
    """One generation of a value in the vault, without the value."""

    fingerprint: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """Vault, swarm and services at one moment."""

    stack: str
    vault: str | None
    """Its id; None when there is none."""
    held: Mapping[tuple[str, int], Held]
    """By name and generation."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Up to which generation, by name, the vault knows that others have given numbers away."""
    objects: Mapping[str, SecretObject] = field(default_factory=dict)
    mounts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each service, names of Docker secrets by the file that they are mounted as."""
    components: tuple[str, ...] = ()
    """Those that are deployed."""

    def newest(self, name: str) -> int:
        """The newest generation in the vault, 0 when there is none."""
        return max((number for held, number in self.held if held == name), default=0)

    def users(self, title: str) -> tuple[str, ...]:
        """The services that mount the Docker secret of that name."""
        return tuple(service for service, files in self.mounts.items() if title in files.values())


@dataclass(frozen=True, slots=True)
class Row:
    """One secret."""

    name: str
    generation: int | None
    """None for a Docker secret that does not say."""
    created: datetime | None
    """When the vault got the value; for one that it does not hold, when the Docker secret was made."""
    object: str
    """The Docker secret, "" for a value that stays in the vault."""
    used_by: tuple[str, ...]
    state: State
    detail: str = ""

    def cells(self, now: datetime) -> tuple[str, ...]:
        """For a table."""
        generation = "" if self.generation is None else str(self.generation)
        age = "" if self.created is None else f"{max((now - self.created).days, 0)} d"
        first, *more = self.used_by or ("",)
        users = f"{first} and {len(more)} more" if more else first
        return self.name, generation, age, self.state.value, users, self.detail

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "generation": self.generation,
            "created": None if self.created is None else self.created.isoformat(timespec="seconds"),
            "object": self.object,
            "used_by": list(self.used_by),
            "state": self.state.value,
            "detail": self.detail,
        }


def named(stack: str, title: str) -> tuple[str, int] | None:
    """The secret and generation that a Docker secret of that name would be, or None."""
    found = re.fullmatch(rf"{re.escape(stack)}_(.+)_g([1-9][0-9]{{0,8}})", title)
    return (found[1], int(found[2])) if found is not None and found[1] in BY_NAME else None


def judge(facts: Facts) -> list[Row]:
    """A row for each value and each Docker secret that concerns the stack, in the catalogue's order."""
    rows = [*_values(facts), *_objects(facts), *_mounted(facts)]
    order = {name: number for number, name in enumerate(BY_NAME)}
    return sorted(rows, key=lambda row: (order.get(row.name, len(order)), row.name, row.generation or 0, row.object))


def _values(facts: Facts) -> Iterator[Row]:
    """The newest values that have no Docker secret: some are to have none."""
    needed = set(wanted(facts.components))
    for name in dict.fromkeys(name for name, _ in facts.held):
        generation = facts.newest(name)
        title = object_name(facts.stack, name, generation)
        if title in facts.objects:
            continue
        held = facts.held[name, generation]
        users = facts.users(title)
        if users or name in needed:
            yield Row(name, generation, held.created, title, users, State.MISSING, "in the vault, not in the swarm")
        else:
            row = BY_NAME.get(name)
            why = "not deployed" if row is not None and row.components else "stays in the vault"
            yield Row(name, generation, held.created, "", (), State.OK, why)


def _objects(facts: Facts) -> Iterator[Row]:
    """The Docker secrets that are the stack's by name or label."""
    for title, item in facts.objects.items():
        ours = item.labels.get(STACK) == facts.stack
        by_name = named(facts.stack, title)
        if not ours and by_name is None:
            continue
        name, generation = by_name or (item.labels.get(NAME, title), _number(item.labels.get(GENERATION, "")))
        users = facts.users(title)
        held = facts.held.get((name, generation)) if generation is not None else None
        state, detail = _judged(facts, item, name, generation, users)
        yield Row(name, generation, held.created if held else item.created, title, users, state, detail)


def _judged(
    facts: Facts, item: SecretObject, name: str, generation: int | None, users: tuple[str, ...]
) -> tuple[State, str]:
    labels = item.labels
    newest = facts.newest(name)
    if labels.get(STACK) != facts.stack:
        whose = f"the stack {labels[STACK]}'s" if STACK in labels else "made by somebody else"
        return State.FOREIGN, f"{whose}, under this stack's name"
    held = facts.held.get((name, generation)) if generation is not None else None
    another = facts.vault is not None and labels.get(VAULT) != facts.vault
    if held is None:
        if generation is not None and 0 < generation <= facts.left_out.get(name, 0):
            state = State.FOREIGN if users else State.SUPERSEDED
            return state, f"it was there before the vault, which begins with generation {facts.left_out[name] + 1}"
        if facts.vault is None:
            return State.ORPHANED, "there is no vault"
        if another:
            return State.FOREIGN, "another vault made it"
        what = "no value of that name" if not newest else f"generation {newest} as its newest"
        return State.ORPHANED, f"the vault holds {what}"
    if labels.get(FINGERPRINT) != held.fingerprint:
        return (State.FOREIGN, "another vault made it") if another else (State.CHANGED, "not the vault's value")
    if generation != newest and users:
        return State.CHANGED, f"{_listed(users)} still {_have(users)} generation {generation}, the vault has {newest}"
    if generation != newest:
        return State.SUPERSEDED, f"the vault has gone on to generation {newest}"
    if not users and name in wanted(facts.components):
        return State.UNUSED, "no service mounts it"
    return State.OK, "" if users else "not deployed"


def _mounted(facts: Facts) -> Iterator[Row]:
    """What services mount that is not the stack's: of a deployment by hand, or of nobody any more."""
    found: dict[tuple[str, str], list[str]] = {}
    for service, files in facts.mounts.items():
        for name, title in files.items():
            found.setdefault((name, title), []).append(service)
    for (name, title), users in found.items():
        item = facts.objects.get(title)
        if item is None and facts.held.get(named(facts.stack, title) or ("", 0)) is None:
            detail = f"{_listed(users)} {_have(users)} it, the swarm does not"
            yield Row(name, None, None, title, tuple(users), State.MISSING, detail)
        elif item is not None and item.labels.get(STACK) != facts.stack and named(facts.stack, title) is None:
            detail = f"{_listed(users)} {_have(users)} it, and it is not of this tool's making"
            yield Row(name, None, item.created, title, tuple(users), State.FOREIGN, detail)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _have(names: tuple[str, ...] | list[str]) -> str:
    return "has" if len(names) == 1 else "have"
