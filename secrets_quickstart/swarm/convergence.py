"""Whether a stack has come up: a judgement over what the engine shows.  Pure; waiting for it is `watching`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from secrets_quickstart.swarm.services import Service, StackState, Task

CRASHES = 3
"""So many failed tasks of one service are a crash loop."""

PLACEMENT_GRACE = timedelta(seconds=6)
"""A task may find no node for a moment, until the swarm knows that its predecessor has let go of a port or memory."""

STEADY = timedelta(seconds=5)
"""So long a service without a health check has to have been running to count as up: it may be about to fail."""

LAST = ("complete", "failed", "rejected", "orphaned", "shutdown", "remove")

HOPELESS = (
    ("No such image", "build it with `invoke images.build`, or set FLOWKIT_IMAGES and CONTAINER_TAG in .env"),
    ("bind source path does not exist", "create the directory on that node, or correct its path in .env"),
    ("invalid mount config", "correct the path in .env"),
    ("port is already allocated", "free the port, or choose another in .env"),
    ("address already in use", "free the port, or choose another in .env"),
    ("rlimit", "give the engine's unit higher limits (LimitMEMLOCK, LimitNOFILE)"),
)
"""Why a task can be rejected for good, and what to do about it."""

UNPLACED = (
    ("host-mode port already in use", "free the port, or choose another in .env"),
    ("insufficient resources", "lower the memory limits in .env, or add memory"),
    ("scheduling constraints", "give a node the label that the service asks for: docker node update --label-add"),
)


class Phase(Enum):
    """How far a service has come."""

    CONVERGED = "converged"
    STARTING = "starting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one service stands."""

    service: str
    phase: Phase
    detail: str
    fix: str = ""
    task: Task | None = None
    """The task that failed, whose last log lines say more."""

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is known of a service beyond what the engine shows."""

    needs: tuple[str, ...] = ()
    """Services without which it may fail."""
    runs_once: bool = False


NOTHING_KNOWN = Expectation()


def judge(
    state: StackState, expected: Mapping[str, Expectation], since: datetime, now: datetime
) -> dict[str, Standing]:
    """How every service in `expected` stands.

    Failures before `since` (engine time) do not count: they belong to an earlier deployment.  A service whose needs
    have not converged may crash as often as it likes: Swarm knows no order, so some do.
    """
    standings: dict[str, Standing] = {}
    up: set[str] = set()
    for name in expected:
        service = state.services.get(name)
        if service is None:
            standings[name] = Standing(name, Phase.STARTING, "not created yet")
            continue
        if _is_up(service, state, expected[name], now):
            up.add(name)
            standings[name] = Standing(name, Phase.CONVERGED, _count(service, state, expected[name]))
    for name, expectation in expected.items():
        if name not in standings:
            standings[name] = _unfinished(state.services[name], state, expectation, up, since, now)
    return {name: standings[name] for name in expected}


def _running(service: Service, state: StackState) -> list[Task]:
    return [
        task
        for task in state.tasks_of(service)
        if task.desired == "running" and task.state == "running" and task.matches(service) and _alive(task, state)
    ]


def _alive(task: Task, state: StackState) -> bool:
    node = state.nodes.get(task.node_id)
    return node is not None and node.ready


def _asked_for(service: Service, state: StackState) -> int:
    if service.replicas is not None:
        return service.replicas
    return sum(1 for node in state.nodes.values() if node.ready and node.active)


def _completed(service: Service, state: StackState) -> bool:
    current = [task for task in state.tasks_of(service) if task.matches(service)]
    return bool(current) and current[0].state == "complete"


def _is_up(service: Service, state: StackState, expectation: Expectation, now: datetime) -> bool:
    if expectation.runs_once:
        return _completed(service, state)
    if service.update_state in {"updating", "rollback_started"}:
        return False
    running = _running(service, state)
    fresh = not service.has_health_check and any(now - task.changed < STEADY for task in running)
    stale = any(
        task.desired == "running" and task.state not in LAST and not task.matches(service)
        for task in state.tasks_of(service)
    )
    return len(running) == _asked_for(service, state) and not fresh and not stale


def _count(service: Service, state: StackState, expectation: Expectation) -> str:
    if expectation.runs_once:
        return "done"
    return f"running {len(_running(service, state))}/{_asked_for(service, state)}"


def _unfinished(
    service: Service,
    state: StackState,
    expectation: Expectation,
    up: Collection[str],
    since: datetime,
    now: datetime,
) -> Standing:
    if _rolled_back(service, since):
        return Standing(
            service.name,
            Phase.FAILED,
            f"the update was taken back: {service.update_message}",
            fix="see the log lines above; the earlier version still runs",
            task=next((task for task in state.tasks_of(service) if task.state in {"failed", "rejected"}), None),
        )
    current = [task for task in state.tasks_of(service) if task.matches(service)]
    recent = [task for task in current if task.changed >= since]
    broken = [task for task in recent if task.state in {"failed", "rejected", "orphaned"}]
    for task in broken:
        for mark, fix in HOPELESS:
            if mark in task.error:
                return Standing(service.name, Phase.FAILED, f"cannot start: {task.error}", fix=fix, task=task)
    unplaced = next((task for task in recent if task.state == "pending" and task.error), None)
    former = [task for task in state.tasks_of(service) if task.desired == "shutdown"]
    leaving = any(task.state not in LAST for task in former)
    if unplaced is not None and not leaving and now - _refused_since(unplaced, former) > PLACEMENT_GRACE:
        fix = next((fix for mark, fix in UNPLACED if mark in unplaced.error), "see `docker node ls`")
        return Standing(service.name, Phase.FAILED, f"fits on no node: {unplaced.error}", fix=fix)
    waiting = [name for name in expectation.needs if name not in up and name in state.services]
    if len(broken) >= CRASHES and not waiting:
        return Standing(
            service.name,
            Phase.FAILED,
            f"stopped {len(broken)} times in a row: {_reason(broken[0])}",
            fix=f"see the log lines above, or invoke logs {service.name}",
            task=broken[0],
        )
    crashes = sum(1 for task in recent if task.state == "failed")
    return Standing(service.name, Phase.STARTING, _describe(service, state, current, crashes, waiting))


def _refused_since(unplaced: Task, former: Sequence[Task]) -> datetime:
    """From when on nothing of its own is in its way: what ran before holds its port until it has gone."""
    return max([unplaced.changed, *(task.changed for task in former)])


def _rolled_back(service: Service, since: datetime) -> bool:
    """An old `rollback_completed` stays for ever: only one that began after `since` is ours."""
    stopped = service.update_state in {"paused", "rollback_started", "rollback_paused", "rollback_completed"}
    return stopped and service.update_started is not None and service.update_started >= since


def _reason(task: Task) -> str:
    if task.exit_code == 137 and "137" in task.error:
        return f"{task.error} (killed, as when memory runs out)"
    return task.error or task.message


def _describe(service: Service, state: StackState, current: list[Task], crashes: int, waiting: list[str]) -> str:
    newest = next((task for task in current if task.desired in {"running", "ready", "complete"}), None)
    running, asked = len(_running(service, state)), _asked_for(service, state)
    text = "no task yet" if newest is None else STATES.get(newest.state, newest.state)
    if newest is not None and newest.state == "pending" and newest.error:
        text = f"waiting for a node: {newest.error}"
    if any(task.desired == "shutdown" and task.state == "running" for task in state.tasks_of(service)):
        text = "stopping what ran before"
    if waiting:
        text += f", waits for {', '.join(waiting)}"
    if crashes:
        text += f", stopped {crashes} times"
    return f"{text} ({running}/{asked})" if asked > 1 else text


STATES = {
    "new": "being planned",
    "pending": "being planned",
    "assigned": "given to a node",
    "accepted": "given to a node",
    "preparing": "preparing its image and mounts",
    "ready": "ready to start",
    "starting": "starting, not healthy yet",
    "running": "running, watched for a moment",
    "failed": "stopped, will be started again",
    "rejected": "rejected, will be tried again",
    "shutdown": "being replaced",
}
