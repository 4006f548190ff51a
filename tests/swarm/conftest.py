"""Fixtures for tests on a real engine."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import docker.errors
import pytest

from secrets_quickstart.catalog.images import IMAGES
from secrets_quickstart.swarm import images
from secrets_quickstart.swarm.engine import Engine
from tests.swarm import leftovers
from tests.swarm.machine import INVOKE, REPOSITORY, TESTS, make_swarm
from tests.swarm.machine import engine as api

TURNS = Path("/run/flowkit-selftest.turns")
"""Locked by the one of several workers that installs, builds or makes what all of them use."""
PACKAGES = {"docker-registry": "docker-registry", "htpasswd": "apache2-utils", "chromium": "chromium"}
"""Programs that tests start, and Debian's packages of them."""


@contextmanager
def _in_turn():
    with TURNS.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session", autouse=True)
def _a_real_engine():
    """Say what is missing rather than skip: these tests were asked for."""
    if os.geteuid() != 0:
        pytest.exit("the swarm tests change the hosts file and make bind mounts: run them as root", 1)
    try:
        api().ping()
    except docker.errors.DockerException as error:
        pytest.exit(f"the swarm tests need a Docker Engine: ./bootstrap.sh starts one ({error})", 1)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c():
    """Commands that are started here can be interrupted, although a shell's background job ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _a_swarm(_a_real_engine):
    """One swarm for all modules, so that no purge in between takes it down; left again if it was made here.

    A run that was killed left nothing.  Of several workers the first makes it and the last leaves it.  Gives whether
    the swarm was made for tests.
    """
    with leftovers.none() as is_last:
        with _in_turn():
            if api().info()["Swarm"]["LocalNodeState"] == "inactive":
                make_swarm()
        made = TESTS in (api().inspect_swarm()["Spec"]["Labels"] or {})
        yield made
        if made and is_last() and not leftovers.strangers(api()):
            api().leave_swarm(force=True)


@pytest.fixture
def no_swarm(_a_swarm):
    """Meanwhile the engine is in no swarm, as on a fresh machine."""
    if not _a_swarm:
        pytest.skip("the engine was in a swarm already when the tests began, which is not theirs to leave")
    if others := leftovers.strangers(api()):
        pytest.skip(f"somebody else uses the swarm of the tests meanwhile: {', '.join(others)}")
    api().leave_swarm(force=True)
    yield
    if api().info()["Swarm"]["LocalNodeState"] != "inactive":
        api().leave_swarm(force=True)
    make_swarm()


@pytest.fixture(scope="session", autouse=True)
def _programs():
    """What the tests start besides FlowKit, from the distribution."""
    with _in_turn():
        missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
        if missing and shutil.which("apt-get"):
            subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
            install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(install, check=True, capture_output=True, env=environment)


@pytest.fixture(scope="session", autouse=True)
def _images(_a_real_engine):
    """All local images, built once; each one's name is in NAME_IMAGE for the tests of that image."""
    with _in_turn():
        subprocess.run([INVOKE, "images.build"], cwd=REPOSITORY, check=True, stdout=sys.stderr)
    names = [row.name for row in IMAGES]
    for recipe in images.recipes(REPOSITORY / "images", names).values():
        os.environ[f"{recipe.name.upper()}_IMAGE"] = recipe.reference


@pytest.fixture(scope="session")
def engine(_a_real_engine):
    """The engine, as the package reaches it."""
    return Engine(os.environ)


@pytest.fixture(scope="session")
def built(_images):
    """What the redis image of this repository and its base are made of; both are built."""
    return images.recipes(REPOSITORY / "images", ["redis"])
