"""The step that ties the databases' data to the vault; whether they belong together is judged in `checks.data`.

It runs before a database starts, and once more when it is up and has an identifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secrets_quickstart.catalog.databases import FLOWDB
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
    """The databases' data belongs to this vault."""

    name = "data"

    def __init__(
        self, engine: Engine, vault: Vault, places: Sequence[Place], *, sample: bool, start_empty: bool
    ) -> None:
        """`sample` fills a new FlowDB with made-up records; with `start_empty`, data that has vanished is gone."""
        self._engine = engine
        self._vault = vault
        self._places = places
        self._sample = sample
        self._start_empty = start_empty

    def look(self) -> tuple[Data, ...]:
        return tuple(look(self._engine, place, self._vault) for place in self._places)

    def plan(self, facts: tuple[Data, ...]) -> Plan:
        """Raises HostError for data that must not be touched."""
        for data in facts:
            reason = refusal(data)
            if reason is not None and not (data.gone and self._start_empty):
                raise HostError(reason.what, why=reason.why, fix=reason.fix)
        planned = [self._planned(data) for data in facts]
        return Plan(
            tuple(item for item in planned if isinstance(item, Claim)),
            tuple(item for item in planned if isinstance(item, Unchanged)),
        )

    def _planned(self, data: Data) -> Claim | Unchanged:
        if data.claim is not None and not data.gone and data.identifier == data.known:
            return Unchanged(str(data.place), "belongs to this vault")
        if data.claim is not None and data.content is Content.HIDDEN:
            return Unchanged(str(data.place), "claimed by this vault")
        kept = bool((data.claim or {}).get("sample"))
        asked = self._sample and data.place.database is FLOWDB
        return Claim(data.place, data.identifier, asked if data.content is Content.NOTHING else kept)

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Claim):
                self._vault.claim(action.place.identity, {"identifier": action.identifier, "sample": action.sample})

    @property
    def sample_data(self) -> bool:
        """What FlowDB was, or will be, made with: this cannot be changed once it is there."""
        flowdb = (place.identity for place in self._places if place.database is FLOWDB)
        claim = next((self._vault.claims.get(identity) for identity in flowdb), None)
        return self._sample if claim is None else bool(claim.get("sample"))
