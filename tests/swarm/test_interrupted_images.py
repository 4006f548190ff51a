"""A run that is killed, or gets Ctrl-C, while it builds or pulls images, and the run after it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from docker.errors import APIError

from secrets_quickstart.catalog.images import BY_NAME, IMAGES
from secrets_quickstart.swarm import images
from secrets_quickstart.swarm.engine import Engine
from tests.swarm.machine import Machine, containers, execute
from tests.swarm.neighbour import neighbour
from tests.swarm.registries import two_doors

pytestmark = [pytest.mark.swarm, pytest.mark.alone]

PORTS = 21500
TARGET = ("deploy", "--target", "library")
OTHERS = ("flowdb", "flowmachine")
"""What the target runs besides redis."""

SLEEP = re.compile(r"  redis: building: .*?(\d+)/\1 RUN")
"""The last line of `slow`'s Dockerfile has begun."""

SOON = 10
"""Seconds; less than what is slept, so that nobody has waited for that."""


def slow(here: Machine, least: int) -> tuple[images.Recipe, str]:
    """Give the copy's redis image a line that notes the time, and one that sleeps so many seconds or one more.

    What the image is now, and how long it is exactly: no build before had that line.
    """
    seconds = f"{least}.{time.time_ns() % 10**9:09}"
    dockerfile = here.folder / "images/redis/Dockerfile"
    lines = f"USER root\nRUN date +%s.%N >/first\nRUN sleep {seconds}\nUSER 999:999\n"
    dockerfile.write_text(dockerfile.read_text() + lines)
    return images.recipes(here.folder / "images", ["redis"])["redis"], seconds


def sleepers(seconds: str) -> list[int]:
    """Processes that carry out that line."""
    found = psutil.process_iter(["cmdline"])
    return [process.pid for process in found if process.info["cmdline"] == ["sleep", seconds]]


def assert_gone(seconds: str) -> None:
    end = time.monotonic() + SOON
    while sleepers(seconds):
        assert time.monotonic() < end, "the engine goes on building for nobody"
        time.sleep(0.1)


def assert_not_there(engine: Engine, recipe: images.Recipe) -> None:
    """Neither by its name nor under its label."""
    assert recipe.reference not in images.held(engine)
    label = f"{images.INPUTS_LABEL}={recipe.inputs}"
    assert engine.api.images(all=True, filters={"label": label}) == []


def built(lines: str) -> list[str]:
    return re.findall(r"^images: build flowkit/(\w+):", lines, re.MULTILINE)


def pulled(lines: str) -> list[str]:
    return re.findall(r"^images: pull \S*/(\w+):", lines, re.MULTILINE)


@pytest.fixture
def here(tmp_path, engine, built) -> Iterator[Machine]:
    with neighbour(tmp_path / "here", "selftest-interrupted", PORTS) as made:
        yield made
    recipe = images.recipes(made.folder / "images", ["redis"])["redis"]
    if recipe.reference != built["redis"].reference:  # which other tests start
        with suppress(APIError):
            engine.api.remove_image(recipe.reference, force=True)


def test_a_run_killed_while_it_builds_is_carried_on_by_the_next(here, engine):
    recipe, seconds = slow(here, 6)
    before = {*Path("/tmp").glob("flowkit-*")}

    ended = here.invoke_and_kill(*TARGET, when=lambda line: SLEEP.match(line) is not None, after=1)
    killed = time.time()

    assert ended.status == -9, ended.stderr
    assert built(ended.stderr) == ["redis"]
    assert_gone(seconds)
    assert_not_there(engine, recipe)
    assert list(containers(here.stack)) == []
    assert {*Path("/tmp").glob("flowkit-*")} <= before

    again = here.invoke(*TARGET)

    assert built(again.stderr) == ["redis"]
    assert recipe.reference in images.held(engine)
    assert float(execute(here.stack, "redis", "cat", "/first")) < killed  # that line was finished
    assert "nothing to do" in here.invoke(*TARGET).stdout


@pytest.mark.parametrize("command", [TARGET, ("images.build", "--names", "redis")])
def test_ctrl_c_ends_a_build_at_once_and_says_that_nothing_is_lost(here, engine, command):
    recipe, seconds = slow(here, 60)
    begun: float | None = None
    lines: list[str] = []

    with here.start(*command) as process:
        for raw in process.stderr or ():
            lines.append(raw.decode().rstrip())
            if begun is None and SLEEP.match(lines[-1]):
                time.sleep(0.5)
                begun = time.monotonic()
                os.kill(process.pid, signal.SIGINT)  # to it alone: no terminal tells the programs that it has started
        status = process.wait()

    assert begun is not None
    assert time.monotonic() - begun < SOON
    assert status == 130, lines
    assert lines[-1] == "interrupted: nothing is lost, the next run carries on"
    assert not any("Traceback" in line or "failed" in line for line in lines)
    assert_gone(seconds)
    assert_not_there(engine, recipe)


MEGABYTES = 150
"""Of noise, which no compression makes small: pulling them takes seconds."""


@pytest.fixture
def registry(engine) -> Iterator[str]:
    """An address with all official images that the target needs, redis with a lot of noise in it."""
    recipes = images.recipes(Path(__file__).parents[2] / "images", [row.name for row in IMAGES])
    with two_doors() as (address, _):
        for name in (*OTHERS, "redis"):
            repository = f"{address}/slow/{BY_NAME[name].official}"
            if name == "redis":
                _with_noise(engine, recipes[name].reference, repository)
            else:
                engine.client.images.get(recipes[name].reference).tag(repository, "now")
            assert '"error"' not in engine.client.images.push(repository, "now")
            engine.client.images.remove(f"{repository}:now")
        yield f"{address}/slow"
        for reference in images.held(engine):
            if reference.startswith(address):
                with suppress(APIError):
                    engine.api.remove_image(reference, force=True)


def _with_noise(engine: Engine, image: str, repository: str) -> None:
    command = ["dd", "if=/dev/urandom", "of=/noise", "bs=1M", f"count={MEGABYTES}"]
    container = engine.client.containers.run(image, command, user="0", detach=True)
    assert container.wait()["StatusCode"] == 0
    settings = {"User": "999:999", "Cmd": ["redis-server"]}
    container.commit(repository, "now", conf=settings)
    container.remove()


def test_a_run_killed_while_it_pulls_is_carried_on_by_the_next(here, engine, registry):
    here.variables |= {
        "FLOWKIT_IMAGES": "official",
        "FLOWKIT_REGISTRY": registry,
        "CONTAINER_TAG": "now",
        "REDIS_TAG": "now",
    }

    ended = here.invoke_and_kill(*TARGET, when=lambda line: line.startswith("  redis: pulling: "))

    assert ended.status == -9, ended.stderr
    assert set(pulled(ended.stderr)) == {"redis", *OTHERS}
    time.sleep(1)
    there = {reference for reference in images.held(engine) if reference.startswith(f"{registry}/redis")}
    assert there == set()
    assert list(containers(here.stack)) == []
    finished = [name for name in OTHERS if f"  {name}: pulled: " in ended.stderr]

    again = here.invoke(*TARGET)

    assert set(pulled(again.stderr)) == {"redis", *OTHERS} - set(finished)
    assert execute(here.stack, "redis", "stat", "-c", "%s", "/noise").strip() == str(MEGABYTES << 20)
    assert "nothing to do" in here.invoke(*TARGET).stdout
