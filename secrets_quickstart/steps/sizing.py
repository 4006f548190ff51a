"""The step that decides how much of this machine FlowDB takes.  It changes nothing: the stack file is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from secrets_quickstart.errors import HostError
from secrets_quickstart.host import resources
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.step import Action, Plan, Unchanged
from secrets_quickstart.swarm import services
from secrets_quickstart.swarm.engine import Engine

PLANNED = (
    "SHARED_BUFFERS_SIZE",
    "EFFECTIVE_CACHE_SIZE",
    "MAX_CPUS",
    "MAX_WORKERS",
    "MAX_WORKERS_PER_GATHER",
    "MAX_LOCKS_PER_TRANSACTION",
    "FLOWDB_SHM_SIZE",
    "FLOWDB_MEMORY_LIMIT",
)


@dataclass(frozen=True, slots=True)
class SizingFacts:
    """The machine, and what the operator has decided already."""

    machine: resources.Resources
    given: Mapping[str, int]
    """Values by variable; sizes in bytes."""
    beside: int = 0
    """Bytes that other services take when they are idle."""

    @property
    def sizing(self) -> resources.FlowdbSizing:
        return resources.plan_flowdb(self.machine.memory, self.machine.cpus, self.given, self.beside)


class SizingStep:
    name = "sizing"

    def __init__(self, settings: Settings, engine: Engine, services: Collection[str]) -> None:
        """`services` will run; those of the stack that run already are counted too."""
        self._settings = settings
        self._engine = engine
        self._services = services

    def look(self) -> SizingFacts:
        given = {name: self._settings[name] for name in PLANNED if self._settings[name] is not None}
        running = (
            services.state(self._engine, self._settings.stack).services if self._engine.membership().usable else ()
        )
        beside = resources.beside_flowdb(self._settings, {*self._services, *running})
        return SizingFacts(resources.look(), given, sum(beside.values()))

    def plan(self, facts: SizingFacts) -> Plan:
        """Raises HostError if FlowDB could not start with what the operator set."""
        sizing = facts.sizing
        obstacle = sizing.obstacle()
        if obstacle:
            raise HostError("FlowDB cannot start on this machine as it is set up", why=obstacle, fix=_fix(facts))
        return Plan(unchanged=tuple(Unchanged(f"{row.name} {row.value}", row.reason) for row in sizing.rows()))

    @staticmethod
    def environment(facts: SizingFacts) -> dict[str, str]:
        """The planned variables as texts, for the stack file."""
        return facts.sizing.environment()

    @staticmethod
    def rows(facts: SizingFacts) -> tuple[resources.SizingRow, ...]:
        """Name, value, reason, and whether the operator gave it, for `invoke doctor`."""
        return facts.sizing.rows()

    def act(self, actions: Sequence[Action]) -> None:
        """Nothing: no plan has actions."""


def _fix(facts: SizingFacts) -> str:
    best = resources.plan_flowdb(facts.machine.memory, facts.machine.cpus, {}, facts.beside).environment()
    return "change .env: " + ", ".join(f"{name}={best[name]}" for name in PLANNED if name in facts.given)
