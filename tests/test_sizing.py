"""The step that decides how much of the machine FlowDB takes."""

from __future__ import annotations

import pytest

from secrets_quickstart.catalog.variables.quantities import GB, MB
from secrets_quickstart.errors import HostError
from secrets_quickstart.host.resources import Resources
from secrets_quickstart.settings import load
from secrets_quickstart.steps.sizing import SizingFacts, SizingStep
from tests.fakes import FakeEngine

SMALL = Resources(memory=4 * GB, available=3 * GB, cpus=2)


def test_it_plans_no_action_and_says_why_each_value_is_what_it_is(tmp_path):
    step = SizingStep(load(tmp_path, {}), FakeEngine(), ())
    plan = step.plan(SizingFacts(SMALL, {}))
    assert plan.actions == ()
    assert "SHARED_BUFFERS_SIZE 1GB: a quarter of the memory" in str(plan.unchanged[0])
    step.act(plan.actions)


def test_what_the_operator_set_reaches_the_stack(tmp_path):
    settings = load(tmp_path, {"SHARED_BUFFERS_SIZE": "512MB", "MAX_CPUS": "7"})
    step = SizingStep(settings, FakeEngine(), ())
    facts = step.look()
    assert facts.given == {"SHARED_BUFFERS_SIZE": GB // 2, "MAX_CPUS": 7}
    assert facts.machine.memory > 0
    environment = settings.stack_environment(step.environment(SizingFacts(SMALL, facts.given)))
    assert environment["SHARED_BUFFERS_SIZE"] == "512MB"
    assert environment["MAX_WORKERS"] == "4"
    assert [row.name for row in step.rows(facts) if row.given] == ["SHARED_BUFFERS_SIZE", "MAX_CPUS"]


def test_a_plan_that_cannot_start_is_refused_with_values_that_can(tmp_path):
    step = SizingStep(load(tmp_path, {}), FakeEngine(), ())
    given = {"SHARED_BUFFERS_SIZE": 16 * GB, "MAX_LOCKS_PER_TRANSACTION": 36500}
    with pytest.raises(HostError, match="PostgreSQL would reserve 19886MB") as refused:
        step.plan(SizingFacts(SMALL, given))
    assert refused.value.fix == "change .env: SHARED_BUFFERS_SIZE=1GB, MAX_LOCKS_PER_TRANSACTION=2048"


def test_services_that_come_and_those_that_run_already_are_left_their_memory(tmp_path):
    engine = FakeEngine()
    engine.add_service("s", "flowetl_worker")
    engine.add_service("other", "flowmachine")
    settings = load(tmp_path, {"FLOWKIT_STACK": "s", "FLOWETL_WORKER_COUNT": "2"})

    assert SizingStep(settings, engine, ("flowapi",)).look().beside == (2 * 450 + 100) * MB
    assert SizingStep(settings, engine, ("flowapi", "flowetl_worker")).look().beside == (2 * 450 + 100) * MB


def test_before_there_is_a_swarm_only_those_that_come_count(tmp_path):
    step = SizingStep(load(tmp_path, {}), FakeEngine(state="inactive"), ("redis",))

    assert step.look().beside == 8 * MB


def test_the_values_that_could_start_leave_the_others_their_memory_too(tmp_path):
    step = SizingStep(load(tmp_path, {}), FakeEngine(), ())
    with pytest.raises(HostError) as refused:
        step.plan(SizingFacts(SMALL, {"FLOWDB_MEMORY_LIMIT": 8 * GB}, 1500 * MB))
    assert refused.value.fix == "change .env: FLOWDB_MEMORY_LIMIT=2596MB"
