"""Fixtures for tests on a real engine."""

import os

import docker.errors
import pytest

from tests.swarm.machine import Machine, engine


@pytest.fixture(scope="session", autouse=True)
def _a_real_engine():
    """Say what is missing rather than skip: these tests were asked for."""
    if os.geteuid() != 0:
        pytest.exit("the swarm tests change the hosts file and make bind mounts: run them as root", 1)
    try:
        engine().ping()
    except docker.errors.DockerException as error:
        pytest.exit(f"the swarm tests need a Docker Engine: ./bootstrap.sh starts one ({error})", 1)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A deployment's folder, and nothing deployed; purged at the end whatever happened."""
    made = Machine.make(tmp_path_factory.mktemp("machine"), "smoke")
    made.invoke("purge", "--stack", "smoke", expect=None)
    yield made
    made.invoke("purge", "--stack", "smoke", expect=None)
