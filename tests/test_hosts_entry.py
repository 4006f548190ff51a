"""The step that makes FlowKit's names known on this machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secrets_quickstart.errors import HostError
from secrets_quickstart.settings import load
from secrets_quickstart.steps.hosts_entry import HostsEntryStep

FOREIGN = b"127.0.0.1 localhost\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "hosts"
    path.write_bytes(FOREIGN)
    return path


@pytest.fixture
def step_with(tmp_path, path):
    def build(**environ: str):
        return HostsEntryStep(load(tmp_path, {"FLOWKIT_HOSTS_FILE": str(path), **environ}))

    return build


def test_both_names_are_added_and_then_nothing_is_left_to_do(step_with, path):
    step = step_with()
    plan = step.plan(step.look())
    assert [str(action) for action in plan.actions] == [f"{path}: add 127.0.0.1 flowkit.api flow.api"]
    step.act(plan.actions)
    assert b"\n127.0.0.1\tflowkit.api flow.api\n" in path.read_bytes()
    again = step.plan(step.look())
    assert again.actions == ()
    assert "already" in again.unchanged[0].reason


def test_another_address_replaces_our_lines(step_with, path):
    first = step_with()
    first.act(first.plan(first.look()).actions)
    step = step_with(FLOWKIT_HOSTS_ADDRESS="10.0.0.7")
    step.act(step.plan(step.look()).actions)
    assert b"10.0.0.7\tflowkit.api flow.api\n" in path.read_bytes()
    assert b"127.0.0.1\tflowkit.api" not in path.read_bytes()


def test_removal_gives_the_file_back(step_with, path):
    step = step_with()
    step.act(step.plan(step.look()).actions)
    step.act(step.plan_removal(step.look()).actions)
    assert path.read_bytes() == FOREIGN
    assert step.plan_removal(step.look()).actions == ()


def test_lines_of_the_operators_own_are_enough(step_with, path):
    path.write_bytes(b"127.0.0.1 localhost flowkit.api flow.api\n")
    step = step_with()
    assert step.plan(step.look()).actions == ()


def test_a_name_that_is_another_machine_stops_it(step_with, path):
    path.write_bytes(b"10.0.0.5 flow.api\n")
    step = step_with()
    with pytest.raises(HostError, match=r"flow\.api is another machine") as refused:
        step.plan(step.look())
    assert "10.0.0.5" in refused.value.why
    assert "FLOWKIT_HOSTS_ENTRY=false" in refused.value.fix


def test_without_the_right_to_write_the_command_is_told_and_nothing_planned(step_with, path):
    step = step_with()
    plan = step.plan(replace(step.look(), writable=False))
    assert plan.actions == ()
    assert f"printf '127.0.0.1 flowkit.api flow.api\\n' | sudo tee -a {path}" in plan.unchanged[0].reason


def test_a_write_that_fails_after_all_tells_the_command_too(step_with, path):
    step = step_with()
    actions = step.plan(step.look()).actions
    path.unlink()
    with pytest.raises(HostError) as refused:
        step.act(actions)
    assert "sudo tee -a" in refused.value.fix


def test_it_can_be_turned_off_even_where_there_is_no_hosts_file(step_with, path):
    path.unlink()
    step = step_with(FLOWKIT_HOSTS_ENTRY="false")
    plan = step.plan(step.look())
    assert plan.actions == ()
    assert plan.unchanged[0].reason == "FLOWKIT_HOSTS_ENTRY is false"
