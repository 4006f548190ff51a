"""How a stack stands, as `invoke status` shows it."""

import pytest

from secrets_quickstart.errors import ServiceError
from secrets_quickstart.operations import status
from tests.deployments import World
from tests.fakes import FakeEngine


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path / "world", monkeypatch)
    monkeypatch.setattr(status, "Engine", lambda _: made.engine)
    made.deploy("flowdb")
    return made


def only_row(world):
    (row,) = status.look(world.settings())
    return row


def test_what_is_up_is_shown_with_its_port_and_image(world):
    row = only_row(world)

    assert (row.service, row.state, row.tasks, row.port) == ("flowdb", "up", "running 1/1", "9000")
    assert row.image.startswith("flowkit/flowdb:local-")
    assert row.since


def test_what_starts_is_shown_with_how_far_it_is(world):
    world.engine.tasks[0]["Status"]["State"] = "starting"

    assert (only_row(world).state, only_row(world).tasks) == ("starting", "starting, not healthy yet")


def test_a_crash_loop_shows_as_failed(world):
    world.engine.tasks.clear()
    for _ in range(3):
        world.engine.add_task("s_flowdb", state="failed", error="task: non-zero exit (1)")
        world.engine.tasks[-1]["DesiredState"] = "shutdown"

    row = only_row(world)

    assert row.state == "failed"
    assert "stopped 3 times" in row.tasks


def test_nothing_deployed_is_no_rows(world):
    world.engine.services.clear()

    assert status.look(world.settings()) == []


def test_the_components_that_are_deployed_are_those_with_a_service_in_the_stack():
    engine = FakeEngine()
    engine.add_service("s", "flowmachine")
    engine.add_service("s", "flowdb")
    engine.add_service("other", "flowauth")

    assert status.deployed(engine, "s") == ("flowdb", "flowmachine")
    with pytest.raises(ServiceError, match="no services"):
        status.deployed(engine, "nobodys")
