"""The swarm itself: made for the first deployment on a machine that has none, and taken down with the last one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from secrets_quickstart.catalog.labels import MADE_BY
from tests.swarm.machine import Machine, engine, make_swarm, objects
from tests.swarm.neighbour import neighbour

pytestmark = [pytest.mark.swarm, pytest.mark.alone]

LABEL = "flowkit.data"
TARGET = ("deploy", "--target", "flowdb")


@pytest.fixture
def here(no_swarm: None, tmp_path: Any) -> Iterator[Machine]:
    with neighbour(tmp_path / "here", "selftest-alone", 21000, FLOWKIT_DATA_NODE_LABEL=LABEL) as made:
        yield made


def membership() -> dict[str, Any]:
    found: dict[str, Any] = engine().info()["Swarm"]
    return found


def test_a_deployment_makes_the_swarm_and_its_purge_takes_it_down(here):
    ended = here.invoke(*TARGET)

    assert "swarm: initialise a swarm of this node alone" in ended.stderr
    assert membership()["LocalNodeState"] == "active"
    assert membership()["NodeAddr"] == "127.0.0.1"
    assert MADE_BY in engine().inspect_swarm()["Spec"]["Labels"]
    assert [node["Spec"]["Labels"] for node in engine().nodes()] == [{LABEL: "true"}]

    before = objects(here.stack)
    assert "nothing to do" in here.invoke(*TARGET).stdout
    assert objects(here.stack) == before

    here.invoke("down")
    assert membership()["LocalNodeState"] == "active"  # it holds the secrets

    here.invoke("purge", "--stack", here.stack)
    assert membership()["LocalNodeState"] == "inactive"
    assert "nothing to do" in here.invoke("purge", "--stack", here.stack).stdout


def test_a_swarm_that_somebody_else_made_is_used_and_left_alone(here):
    make_swarm()
    cluster = engine().inspect_swarm()["ID"]

    assert "initialise" not in here.invoke(*TARGET).stderr
    here.invoke("purge", "--stack", here.stack)

    assert membership()["LocalNodeState"] == "active"
    assert engine().inspect_swarm()["ID"] == cluster


def test_our_swarm_outlives_the_purge_while_another_deployment_is_in_it(here, tmp_path):
    here.invoke(*TARGET)
    with neighbour(tmp_path / "other", "selftest-beside", 21500, FLOWKIT_DATA_NODE_LABEL=LABEL) as other:
        other.invoke(*TARGET)

        here.invoke("purge", "--stack", here.stack)
        assert membership()["LocalNodeState"] == "active"
        assert "nothing to do" in other.invoke(*TARGET).stdout

        other.invoke("purge", "--stack", other.stack)
        assert membership()["LocalNodeState"] == "inactive"


@pytest.mark.parametrize("after", [0.0, 0.2])
def test_a_run_killed_while_it_makes_the_swarm_is_carried_on_by_the_next(here, after):
    ended = here.invoke_and_kill(*TARGET, when=lambda line: line.startswith("swarm: initialise"), after=after)
    assert ended.status == -9, ended.stderr

    here.invoke(*TARGET)

    assert MADE_BY in engine().inspect_swarm()["Spec"]["Labels"]
    here.invoke("purge", "--stack", here.stack)
    assert membership()["LocalNodeState"] == "inactive"
