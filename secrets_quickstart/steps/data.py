"""The step that ties FlowDB's data to the vault; whether they belong together is judged in `checks.data`.

It runs before FlowDB starts, and once more when it is up and the database has an identifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secrets_quickstart.checks.data import Content, Data, Place, look, refusal
from secrets_quickstart.errors import HostError
from secrets_quickstart.steps.step import Action, Plan, Unchanged
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault


@dataclass(frozen=True, slots=True)
class Claim:
    """Write down in the vault which data its passwords belong to."""

    place: Place
    identifier: str
    sample: bool
    """Whether the database was made with made-up records."""

    def __str__(self) -> str:
        if not self.identifier:
            return f"note in the vault that its passwords go to the {self.place}"
        return f"note in the vault that the {self.place} holds database {self.identifier}"


class DataStep:
    """FlowDB's data belongs to this vault."""

    name = "data"

    def __init__(self, engine: Engine, vault: Vault, place: Place, *, sample: bool, start_empty: bool) -> None:
        """`sample` fills a new database with made-up records; with `start_empty`, one that has vanished is gone."""
        self._engine = engine
        self._vault = vault
        self._place = place
        self._sample = sample
        self._start_empty = start_empty

    def look(self) -> Data:
        return look(self._engine, self._place, self._vault)

    def plan(self, facts: Data) -> Plan:
        """Raises HostError for data that must not be touched."""
        gone = facts.content is Content.NOTHING and bool(facts.known)
        reason = refusal(facts)
        if reason is not None and not (gone and self._start_empty):
            raise HostError(reason.what, why=reason.why, fix=reason.fix)
        if facts.claim is None or gone or facts.identifier != facts.known:
            if facts.content is Content.HIDDEN and facts.claim is not None:
                return Plan(unchanged=(Unchanged(str(facts.place), "claimed by this vault"),))
            kept = bool((facts.claim or {}).get("sample"))
            sample = self._sample if facts.content is Content.NOTHING else kept
            return Plan((Claim(facts.place, facts.identifier, sample),))
        return Plan(unchanged=(Unchanged(str(facts.place), "belongs to this vault"),))

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Claim):
                self._vault.claim(action.place.identity, {"identifier": action.identifier, "sample": action.sample})

    @property
    def sample_data(self) -> bool:
        """What the database was, or will be, made with: this cannot be changed once it is there."""
        claim = self._vault.claims.get(self._place.identity)
        return self._sample if claim is None else bool(claim.get("sample"))
