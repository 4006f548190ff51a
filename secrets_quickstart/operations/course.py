"""Carries out steps: looks, plans, shows, acts.  Which steps, and in which order, is said by the verbs beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from secrets_quickstart import audit, report
from secrets_quickstart.host import processes
from secrets_quickstart.steps.step import Plan, Step

Lane = Sequence[Step[Any]]
"""Steps that come one after the other."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What one step would do."""

    step: str
    plan: Plan

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "step": self.step,
            "actions": [str(action) for action in self.plan.actions],
            "unchanged": [{"subject": item.subject, "reason": item.reason} for item in self.plan.unchanged],
        }


def plan(steps: Iterable[Step[Any]]) -> list[Planned]:
    """What each step would do, given how things are now; changes nothing."""
    return [Planned(step.name, step.plan(step.look())) for step in steps]


def carry_out(lanes: Sequence[Lane]) -> list[Planned]:
    """Bring every step about, the lanes side by side, and return what was done.

    Each step looks when its turn comes, so that it sees what the ones before it did.  An error in one lane is raised
    when the others have come to their end: what is being built is not thrown away.  Ctrl-C ends each after the step
    that it is at, and a build or a pull at once.
    """
    interrupted = threading.Event()
    if len(lanes) == 1:
        return _along(lanes[0], interrupted)
    with processes.ending_on_ctrl_c(), ThreadPoolExecutor(len(lanes)) as pool:
        running = [pool.submit(_along, lane, interrupted) for lane in lanes]
        try:
            return [done for lane in running for done in lane.result()]
        except KeyboardInterrupt:
            interrupted.set()
            raise


def _along(lane: Lane, interrupted: threading.Event) -> list[Planned]:
    done = []
    for step in lane:
        if interrupted.is_set():
            break
        planned = Planned(step.name, step.plan(step.look()))
        for action in planned.plan.actions:
            report.say(f"{step.name}: {action}")
        if planned.plan.actions:
            audit.note(*(f"{step.name}: {action}" for action in planned.plan.actions))
            step.act(planned.plan.actions)
        done.append(planned)
    return done


def changes(planned: Iterable[Planned]) -> int:
    """How many actions there are in all."""
    return sum(len(item.plan.actions) for item in planned)
