"""The step that sees to a swarm and to the node that holds the data.  It joins nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secrets_quickstart.errors import EngineError
from secrets_quickstart.steps.step import Action, Plan, Unchanged
from secrets_quickstart.swarm import membership, services
from secrets_quickstart.swarm.engine import Engine, SwarmMembership
from secrets_quickstart.swarm.services import Node


@dataclass(frozen=True, slots=True)
class Initialise:
    """Make a swarm of this one node."""

    address: str

    def __str__(self) -> str:
        return f"initialise a swarm of this node alone, at {self.address}"


@dataclass(frozen=True, slots=True)
class Label:
    """Say that the data is on this node."""

    label: str

    def __str__(self) -> str:
        return f"label this node {self.label}=true: FlowDB's data is here"


@dataclass(frozen=True, slots=True)
class Facts:
    membership: SwarmMembership
    nodes: Sequence[Node]


class MembershipStep:
    """The engine manages a swarm, in which one node holds the data."""

    name = "swarm"

    def __init__(self, engine: Engine, label: str, pool: str | None) -> None:
        """`label` marks the node that holds the data; `pool` is where a new swarm's networks get addresses from."""
        self._engine = engine
        self._label = label
        self._pool = pool

    def look(self) -> Facts:
        found = self._engine.membership()
        return Facts(found, services.nodes(self._engine) if found.usable else ())

    def plan(self, facts: Facts) -> Plan:
        """Raises EngineError when the engine is in a swarm that it does not manage, or it is unclear where data is."""
        if facts.membership.state == "inactive":
            return Plan((Initialise(membership.LOOPBACK), Label(self._label)))
        membership.require_usable(facts.membership)
        here = Unchanged("swarm", f"this node manages one, at {facts.membership.address}")
        marked = [node.name for node in facts.nodes if node.labels.get(self._label) == "true"]
        match marked, len(facts.nodes):
            case [name], _:
                return Plan(unchanged=(here, Unchanged("data", f"on the node {name}")))
            case [], 1:
                return Plan((Label(self._label),), (here,))
            case [], _:
                raise EngineError(
                    "no node is marked as the one that holds FlowDB's data",
                    why=f"none of {len(facts.nodes)} nodes has the label {self._label}=true",
                    fix=f"docker node update --label-add {self._label}=true NODE",
                )
            case _:
                raise EngineError(
                    "more than one node is marked as the one that holds FlowDB's data",
                    why=f"{', '.join(marked)} have the label {self._label}=true",
                    fix=f"docker node update --label-rm {self._label} NODE",
                )

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Initialise(address):
                    membership.initialise(self._engine, address, self._pool)
                case Label(label):
                    membership.label_this_node(self._engine, label, "true")
