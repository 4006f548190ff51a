"""What each running task of a stack takes of its node, as `invoke top` shows it; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from secrets_quickstart.operations.amounts import amount
from secrets_quickstart.swarm import containers, services
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.stats import Usage, usage

COLUMNS = ("TASK", "CPU", "MEMORY", "LIMIT", "OF LIMIT", "RECEIVED", "SENT", "READ", "WRITTEN", "PROCESSES")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A task whose engine is not ours to ask."""

    service: str
    task: str
    node: str


@dataclass(frozen=True, slots=True)
class Look:
    """One moment."""

    tasks: Sequence[Usage]
    """Of this node."""
    elsewhere: Sequence[Elsewhere]
    unknown: str
    """Why it is not known whether there are tasks elsewhere; "" if it is."""

    def document(self, stack: str) -> dict[str, Any]:
        return {
            "stack": stack,
            "tasks": [asdict(task) for task in self.tasks],
            "elsewhere": [asdict(task) for task in self.elsewhere],
            "unknown": self.unknown,
        }

    def rows(self) -> list[tuple[str, ...]]:
        """The cells below COLUMNS."""
        return [_cells(task) for task in self.tasks]

    def notes(self) -> list[str]:
        """What has to be said beside them."""
        nodes = sorted({task.node for task in self.elsewhere})
        lines = [
            f"on {node}, which can only be asked there: "
            + ", ".join(task.task for task in self.elsewhere if task.node == node)
            for node in nodes
        ]
        return [*lines, *([f"only this node is shown: {self.unknown}"] if self.unknown else [])]


def look(engine: Engine, stack: str) -> Look:
    """The tasks that run now, by name.  It takes the engine one or two seconds."""
    here = containers.of_stack(engine, stack)
    membership = engine.membership()
    if membership.usable:
        elsewhere, unknown = _elsewhere(services.state(engine, stack), membership.node_id), ""
    else:
        elsewhere, unknown = [], "it is no manager of a swarm, and only managers know where tasks are"
    return Look(usage(engine, here), elsewhere, unknown)


def _elsewhere(state: services.StackState, own_node: str) -> list[Elsewhere]:
    found = []
    for name, service in sorted(state.services.items()):
        for task in state.tasks_of(service):
            if task.state == "running" and task.node_id != own_node:
                node = state.nodes.get(task.node_id)
                title = node.name if node is not None else task.node_id
                found.append(Elsewhere(name, services.task_name(name, task.slot, task.node_id), title))
    return sorted(found, key=lambda task: task.task)


def _cells(task: Usage) -> tuple[str, ...]:
    share = f"{100 * task.memory / task.memory_limit:.0f} %" if task.memory_limit else ""
    sizes = (amount(size) for size in (task.received, task.sent, task.read, task.written))
    limit = amount(task.memory_limit) if task.memory_limit else ""
    return (task.task, f"{task.cpu:.1f} %", amount(task.memory), limit, share, *sizes, str(task.processes))
