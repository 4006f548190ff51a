"""The step that decides how much of the machine FlowDB takes."""

from __future__ import annotations

import pytest

from secrets_quickstart.catalog.variables.quantities import GB
from secrets_quickstart.errors import HostError
from secrets_quickstart.host.resources import Resources
from secrets_quickstart.settings import load
from secrets_quickstart.steps.sizing import SizingFacts, SizingStep

SMALL = Resources(memory=4 * GB, available=3 * GB, cpus=2)


def test_it_plans_no_action_and_says_why_each_value_is_what_it_is(tmp_path):
    step = SizingStep(load(tmp_path, {}))
    plan = step.plan(SizingFacts(SMALL, {}))
    assert plan.actions == ()
    assert "SHARED_BUFFERS_SIZE 1GB: a quarter of the memory" in str(plan.unchanged[0])
    step.act(plan.actions)


def test_what_the_operator_set_reaches_the_stack(tmp_path):
    settings = load(tmp_path, {"SHARED_BUFFERS_SIZE": "512MB", "MAX_CPUS": "7"})
    step = SizingStep(settings)
    facts = step.look()
    assert facts.given == {"SHARED_BUFFERS_SIZE": GB // 2, "MAX_CPUS": 7}
    assert facts.machine.memory > 0
    environment = settings.stack_environment(step.environment(SizingFacts(SMALL, facts.given)))
    assert environment["SHARED_BUFFERS_SIZE"] == "512MB"
    assert environment["MAX_WORKERS"] == "4"
    assert [row.name for row in step.rows(facts) if row.given] == ["SHARED_BUFFERS_SIZE", "MAX_CPUS"]


def test_a_plan_that_cannot_start_is_refused_with_values_that_can(tmp_path):
    step = SizingStep(load(tmp_path, {}))
    given = {"SHARED_BUFFERS_SIZE": 16 * GB, "MAX_LOCKS_PER_TRANSACTION": 36500}
    with pytest.raises(HostError, match="PostgreSQL would reserve 19886MB") as refused:
        step.plan(SizingFacts(SMALL, given))
    assert refused.value.fix == "change .env: SHARED_BUFFERS_SIZE=1GB, MAX_LOCKS_PER_TRANSACTION=2048"
