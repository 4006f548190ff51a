"""Judging whether a stack has come up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from secrets_quickstart.swarm.convergence import Expectation, Phase, judge
from secrets_quickstart.swarm.services import Node, Service, StackState, Task

SINCE = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = SINCE + timedelta(seconds=30)
SPEC: dict[str, Any] = {
    "Name": "s_db",
    "Mode": {"Replicated": {"Replicas": 1}},
    "TaskTemplate": {"ContainerSpec": {"Image": "db:1"}, "ForceUpdate": 0},
}
NODE = Node("n1", "one", ready=True, active=True, labels={})


def service(name="db", **changes):
    made = Service(f"id-{name}", name, 1, SPEC, "", None, "")
    return replace(made, **changes)


def task(state="running", *, of="db", seconds=10, **changes):
    when = SINCE + timedelta(seconds=seconds)
    made = Task(
        id=f"t{seconds}",
        service_id=f"id-{of}",
        slot=1,
        node_id="n1",
        desired="shutdown" if state in {"failed", "rejected"} else "running",
        state=state,
        changed=when,
        created=when,
        message="",
        error="",
        exit_code=None,
        container_id="",
        spec=SPEC["TaskTemplate"],
    )
    return replace(made, **changes)


def standing(tasks, services=None, expected=None, nodes=(NODE,)):
    services = services or [service()]
    state = StackState({s.name: s for s in services}, tuple(tasks), {node.id: node for node in nodes})
    expected = expected or {s.name: Expectation() for s in services}
    return judge(state, expected, SINCE, NOW)[services[0].name]


def test_a_service_whose_task_runs_has_converged():
    assert standing([task()]).phase is Phase.CONVERGED


def test_a_service_that_is_not_created_yet_is_starting():
    assert judge(StackState({}, (), {}), {"db": Expectation()}, SINCE, NOW)["db"].phase is Phase.STARTING


@pytest.mark.parametrize("state", ["new", "pending", "preparing", "ready", "starting"])
def test_a_task_on_its_way_is_starting(state):
    assert standing([task(state)]).phase is Phase.STARTING


def test_a_task_on_a_node_that_is_down_does_not_count():
    assert standing([task()], nodes=[replace(NODE, ready=False)]).phase is Phase.STARTING


def test_a_task_of_an_older_specification_does_not_count():
    old = task(spec={"ContainerSpec": {"Image": "db:0"}, "ForceUpdate": 0})

    assert standing([old]).phase is Phase.STARTING


def test_an_old_task_that_still_runs_beside_the_new_one_keeps_it_from_converging():
    old = task(seconds=5, spec={"ContainerSpec": {"Image": "db:0"}, "ForceUpdate": 0})

    assert standing([task(), old]).phase is Phase.STARTING


def test_two_of_two_replicas_are_needed():
    two = service(spec={**SPEC, "Mode": {"Replicated": {"Replicas": 2}}})

    assert standing([task()], [two]).phase is Phase.STARTING
    assert standing([task(), task(seconds=11)], [two]).phase is Phase.CONVERGED


def test_no_replicas_asked_for_is_converged_without_tasks():
    none = service(spec={**SPEC, "Mode": {"Replicated": {"Replicas": 0}}})

    assert standing([], [none]).phase is Phase.CONVERGED


def test_a_missing_image_fails_at_once_with_its_fix():
    found = standing([task("rejected", error="No such image: db:1")])

    assert found.phase is Phase.FAILED
    assert "images.build" in found.fix


def test_three_crashes_are_a_loop_and_two_are_not():
    crashes = [task("failed", seconds=s, error="task: non-zero exit (1)") for s in (1, 2, 3)]

    assert standing([*crashes[:2], task("starting", seconds=4)]).phase is Phase.STARTING
    found = standing([*crashes, task("starting", seconds=4)])
    assert found.phase is Phase.FAILED
    assert found.task == crashes[-1]


def test_crashes_before_this_deployment_do_not_count():
    crashes = [task("failed", seconds=-s) for s in (1, 2, 3)]

    assert standing([*crashes, task("starting")]).phase is Phase.STARTING


def test_a_service_may_crash_while_what_it_needs_is_not_up():
    services = [service("api"), service()]
    expected = {"api": Expectation(needs=("db",)), "db": Expectation()}
    crashes = [task("failed", of="api", seconds=s) for s in range(1, 9)]

    assert standing([*crashes, task("starting")], services, expected).phase is Phase.STARTING
    assert standing([*crashes, task("running")], services, expected).phase is Phase.FAILED


def test_a_service_that_fits_on_no_node_fails_after_a_moment():
    error = "no suitable node (insufficient resources on 1 node)"
    at_first = task("pending", seconds=28, error=error)

    assert standing([at_first]).phase is Phase.STARTING
    found = standing([replace(at_first, changed=SINCE)])
    assert found.phase is Phase.FAILED
    assert "memory" in found.fix


def test_a_task_that_waits_for_its_predecessors_port_is_starting_however_long_that_takes():
    waiting = task("pending", seconds=0, error="no suitable node (host-mode port already in use on 1 node)")
    stopping = task("running", seconds=-60, desired="shutdown", spec={})

    assert standing([waiting, stopping]).phase is Phase.STARTING
    assert standing([waiting, replace(stopping, state="shutdown")]).phase is Phase.FAILED


def test_the_scheduler_is_given_a_moment_after_the_predecessor_has_gone():
    waiting = task("pending", seconds=0, error="no suitable node (host-mode port already in use on 1 node)")
    gone = task("shutdown", desired="shutdown", spec={})

    assert standing([waiting, replace(gone, changed=NOW - timedelta(seconds=1))]).phase is Phase.STARTING
    assert standing([waiting, replace(gone, changed=NOW - timedelta(seconds=20))]).phase is Phase.FAILED


def test_a_job_that_is_complete_has_converged():
    assert standing([task("complete")], expected={"db": Expectation(runs_once=True)}).phase is Phase.CONVERGED


def test_a_job_that_runs_has_not():
    assert standing([task()], expected={"db": Expectation(runs_once=True)}).phase is Phase.STARTING


def test_an_update_that_was_taken_back_fails_though_the_old_task_runs():
    back = service(update_state="rollback_completed", update_started=SINCE + timedelta(seconds=1))

    assert standing([task(spec={})], [back]).phase is Phase.FAILED


def test_an_update_that_was_taken_back_long_ago_does_not_matter():
    back = service(update_state="rollback_completed", update_started=SINCE - timedelta(days=1))

    assert standing([task()], [back]).phase is Phase.CONVERGED


def test_a_service_without_a_health_check_is_watched_for_a_moment_before_it_counts():
    """A program that fails is running, too, until it does."""
    checked = service(spec=with_health_check(SPEC))
    fresh = task(seconds=28)

    assert standing([fresh]).phase is Phase.STARTING
    assert standing([replace(fresh, spec=checked.spec["TaskTemplate"])], [checked]).phase is Phase.CONVERGED
    assert standing([task(seconds=25)]).phase is Phase.CONVERGED


def with_health_check(spec):
    template = spec["TaskTemplate"]
    container = {**template["ContainerSpec"], "Healthcheck": {"Test": ["CMD", "true"]}}
    return {**spec, "TaskTemplate": {**template, "ContainerSpec": container}}


def test_how_far_a_task_has_come_is_told_however_long_ago_that_was():
    """As `status` and a plan do, which know of no deployment that it belongs to."""
    state = StackState({"db": service()}, (task("starting"),), {NODE.id: NODE})

    assert judge(state, {"db": Expectation()}, NOW, NOW)["db"].detail == "starting, not healthy yet"


def test_a_service_that_is_being_updated_is_starting():
    assert standing([task()], [service(update_state="updating")]).phase is Phase.STARTING
