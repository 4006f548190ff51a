"""What a killed run of the tests leaves is taken away, and nothing that is somebody else's."""

import subprocess

import psutil
import pytest

from secrets_quickstart.catalog.labels import STACK
from secrets_quickstart.host import hosts_file
from tests.swarm import leftovers
from tests.swarm.machine import engine as api
from tests.swarm.machine import objects
from tests.swarm.neighbour import KINDS, is_untouched, neighbour

pytestmark = [pytest.mark.swarm, pytest.mark.alone]

PREFIX = "selftest-killed"
TARGET = ("deploy", "--target", "flowdb")


@pytest.fixture
def here(no_swarm, tmp_path):
    with neighbour(tmp_path / "here", PREFIX, 29000, FLOWKIT_HOSTS_FILE=str(tmp_path / "unused")) as made:
        (tmp_path / "unused").touch()
        yield made


@pytest.fixture
def hosts(tmp_path):
    """A hosts file with a block of the tests' and one of an operator's; and what it is without the first."""
    path = tmp_path / "hosts"
    operators = hosts_file.with_entries(b"127.0.0.1\tlocalhost\n", "flowkit", {"flowkit.api": "127.0.0.1"})
    path.write_bytes(hosts_file.with_entries(operators, PREFIX, {"flow.api": "127.0.0.1"}))
    return path, operators


def test_all_of_a_killed_run_goes_and_an_operators_stack_stays(here, hosts, engine):
    ended = here.invoke_and_kill(*TARGET, when=lambda line: line.startswith("  flowdb:"), after=1)
    assert ended.status == -9, ended.stderr
    assert all(objects(PREFIX)[kind] for kind in KINDS)
    theirs = api().create_secret("flowkit_PASSWORD_g1", b"a password", labels={STACK: "flowkit"})
    swarm = api().inspect_swarm()["ID"]
    path, operators = hosts

    leftovers.take_away(engine, PREFIX, path)

    assert is_untouched(here)
    assert [item["ID"] for item in api().secrets()] == [theirs["ID"]]
    assert api().inspect_swarm()["ID"] == swarm
    assert path.read_bytes() == operators


def test_the_swarm_goes_too_when_nobody_else_uses_it(here, hosts, engine):
    here.invoke(*TARGET)

    leftovers.take_away(engine, PREFIX, hosts[0])

    assert api().info()["Swarm"]["LocalNodeState"] == "inactive"
    assert not [item for item in api().volumes()["Volumes"] or () if item["Name"].startswith(PREFIX)]


def test_a_deployment_whose_tests_were_killed_is_ended_and_no_other(here, hosts, engine):
    orphan, operators = (orphaned(stack) for stack in (here.stack, "flowkit"))
    with here.start("logs", "flowdb") as living:
        leftovers.take_away(engine, PREFIX, hosts[0])

        assert living.wait() != -9
    assert not psutil.pid_exists(orphan)
    assert psutil.pid_exists(operators)
    psutil.Process(operators).kill()


def orphaned(stack):
    """The number of a process whose parent has ended, and which is about that stack."""
    program = ["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"]
    environment = {"FLOWKIT_STACK": stack, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)
