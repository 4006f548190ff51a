"""What keeps a service from coming up, as a real engine shows it: recognised at once, with the way out.

The stack file is a small one of this test; the services do nothing but wait.
"""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from secrets_quickstart.errors import EngineError, NotConverged
from secrets_quickstart.steps.stack import Inputs, StackStep
from secrets_quickstart.swarm import images, services, volumes
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.stack_files import StackFile
from secrets_quickstart.swarm.watching import remove_and_wait
from tests.swarm.machine import REPOSITORY

pytestmark = pytest.mark.swarm

STACK = "selftest-waiting"
TEXT = """
version: "3.8"
services:
  flowdb:
    image: ${IMAGE}
    command: ["sh", "-c", "${COMMAND:-sleep 3600}"]
    init: true
    environment: {}
    volumes:
      - ${DIRECTORY:-some}:/data
    secrets: [PASSWORD]
    stop_grace_period: 1s
    deploy:
      placement:
        constraints:
          - ${CONSTRAINT:-node.role==manager}
      resources:
        limits:
          memory: ${LIMIT:-0}
        reservations:
          memory: ${RESERVED:-0}
      restart_policy:
        delay: 200ms
      labels:
        org.flowkit.inputs: ${FLOWDB_INPUTS:-by hand}
volumes:
  some: {}
secrets:
  PASSWORD:
    external: true
    name: ${PASSWORD_SECRET}
"""


@pytest.fixture(scope="module")
def engine():
    return Engine({})


@pytest.fixture(scope="module")
def secret(engine):
    made = engine.api.create_secret(f"{STACK}_password", b"a password", labels={})
    yield f"{STACK}_password"
    engine.api.remove_secret(made["ID"])


@pytest.fixture(scope="module")
def stacks(engine, secret):
    """A stack for each test, all removed at the end: that takes as long as removing one."""
    made: list[str] = []
    yield made
    for stack in made:
        for service in services.state(engine, stack).services.values():
            services.remove(engine, service)
    for stack in made:
        remove_and_wait(engine, stack, deadline=60, tell=lambda _: None)
        for volume in volumes.of_stack(engine, stack):
            volumes.remove(engine, volume)


@pytest.fixture
def inputs(stacks, secret, tmp_path):
    """What is deployed when nothing is wrong."""
    (tmp_path / "flowdb.yml").write_text(TEXT)
    docker = Path(shutil.which("docker") or "/usr/bin/docker")
    reference = images.recipes(REPOSITORY / "images", ("redis",))["redis"].reference
    environment = {"PATH": str(docker.parent), "HOME": str(tmp_path), "IMAGE": reference, "PASSWORD_SECRET": secret}
    file = StackFile(tmp_path / "flowdb.yml")
    stacks.append(f"{STACK}{len(stacks)}")
    return Inputs(stacks[-1], ("flowdb",), (file,), environment, registry_auth=False, deadline=60)


def deploy(engine, inputs, **given):
    """Bring it about; seconds that it took."""
    chosen = replace(inputs, environment={**inputs.environment, **given})
    step = StackStep(engine, chosen, lambda _: None)
    begun = time.monotonic()
    step.act(step.plan(step.look()).actions)
    return time.monotonic() - begun


def failure(engine, inputs, **given):
    begun = time.monotonic()
    with pytest.raises(NotConverged) as raised:
        deploy(engine, inputs, **given)
    assert time.monotonic() - begun < 20
    return raised.value


def test_what_comes_up_is_waited_for_no_longer_than_it_takes(engine, inputs):
    assert deploy(engine, inputs) < 10
    assert (
        StackStep(engine, inputs, lambda _: None).plan(StackStep(engine, inputs, lambda _: None).look()).actions == ()
    )


def test_a_missing_image_is_named_and_is_to_be_built(engine, inputs):
    found = failure(engine, inputs, IMAGE="flowkit/redis:local-never-built")

    assert "No such image" in found.why
    assert "images.build" in found.fix


def test_a_node_that_nobody_labelled_is_what_a_service_waits_for(engine, inputs):
    found = failure(engine, inputs, CONSTRAINT="node.labels.nobody==here")

    assert "fits on no node" in found.why
    assert "label" in found.fix


def test_memory_that_no_node_has_is_said_to_be_too_much(engine, inputs):
    found = failure(engine, inputs, RESERVED="900TB")

    assert "insufficient resources" in found.why
    assert "memory" in found.fix


def test_a_directory_that_is_not_there_is_what_a_service_was_rejected_for(engine, inputs, tmp_path):
    found = failure(engine, inputs, DIRECTORY=str(tmp_path / "gone"))

    assert "bind source path does not exist" in found.why
    assert "directory" in found.fix


def test_a_crash_loop_shows_the_last_words_and_no_password(engine, inputs):
    found = failure(engine, inputs, COMMAND="echo the last words >&2; exit 7")

    assert "stopped 3 times in a row" in found.why
    assert "(7)" in found.why
    assert "the last words" in found.log


def test_what_is_killed_for_its_memory_is_said_to_be_so(engine, inputs):
    found = failure(engine, inputs, LIMIT="16m", COMMAND="head -c 200m /dev/zero | tail")

    assert "137" in found.why


def test_a_deadline_names_what_is_late(engine, inputs):
    slow = replace(inputs, deadline=3)

    with pytest.raises(NotConverged) as raised:
        deploy(engine, slow, COMMAND="sleep 1", CONSTRAINT="node.labels.nobody==here")

    assert "flowdb" in raised.value.why
    assert "FLOWKIT_DEADLINE" in raised.value.fix


def test_a_secret_that_is_not_there_is_named_by_the_client_and_not_asked_for_again(engine, inputs):
    begun = time.monotonic()

    with pytest.raises(EngineError, match="waiting_missing"):
        deploy(engine, inputs, PASSWORD_SECRET="waiting_missing")

    assert time.monotonic() - begun < 5


def test_an_update_that_cannot_start_fails_though_the_former_task_ran(engine, inputs):
    deploy(engine, inputs)

    found = failure(engine, inputs, COMMAND="exit 3")

    assert "flowdb" in found.what


def test_a_removal_is_over_when_a_deployment_can_follow_at_once(engine, inputs):
    deploy(engine, inputs)
    remove_and_wait(engine, inputs.stack, deadline=60, tell=lambda _: None)
    assert deploy(engine, inputs) < 15
