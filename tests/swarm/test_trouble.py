"""One FlowDB whose data is in a directory, and all that can happen to it: each test goes on from the one before it."""

import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from tests.swarm.machine import Machine, container_of, engine, execute, objects
from tests.swarm.neighbour import Cable, is_untouched, mistake, neighbour, watched

pytestmark = pytest.mark.swarm

STACK = "selftest-trouble"
FLOWDB = ("deploy", "--target", "flowdb")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("trouble")


@pytest.fixture(scope="module")
def machine(place):
    with neighbour(place / "one", STACK, FLOWDB_DATA_DIR=str(place / "data"), FLOWKIT_DEADLINE="120") as made:
        yield made
        # the directory belongs to this deployment again, whatever a test that failed left in it
        made.invoke("down", expect=None)


@pytest.fixture(scope="module")
def other(place, machine):
    """Another deployment, with a vault of its own, that was given the same directory."""
    with neighbour(place / "two", "selftest-stranger", 25000, FLOWDB_DATA_DIR=str(place / "data")) as made:
        yield made


def stack_line(line):
    return line.startswith("stack: create")


def starting(line):
    """The first line of the wait says any state: a quick FlowDB may never be seen in some of them."""
    return line.startswith("  flowdb: ") and "running 1/1" not in line


def interrupt(process):
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize("when", [lambda line: line.startswith("values:"), starting], ids=["values", "waiting"])
def test_ctrl_c_ends_a_run_with_130_and_a_sentence(machine, when):
    ended = watched(machine, *FLOWDB, when=when, do=interrupt)

    assert ended.status == 130
    assert "Traceback" not in ended.stderr
    assert "interrupted: nothing is lost" in ended.stderr


def test_an_engine_that_goes_away_and_comes_back_is_waited_for(machine, place):
    cable = Cable(place / "engine.sock")
    cable.connect()

    def hiccup(_):
        cable.cut()
        threading.Timer(2, cable.connect).start()

    ended = watched(machine, *FLOWDB, when=lambda line: "stack: " in line, do=hiccup, DOCKER_HOST=cable.host)
    again = machine.invoke(*FLOWDB)

    assert "Traceback" not in ended.stderr
    assert ended.status in {0, 1}  # 1 if the very command was cut off that creates the services
    assert "done and verified" in ended.stdout + again.stdout
    cable.cut()


def test_an_engine_that_stays_away_is_an_error_with_a_fix_and_the_next_run_goes_on(machine, place):
    machine.invoke("down")
    cable = Cable(place / "engine.sock")
    cable.connect()

    ended = watched(
        machine, *FLOWDB, when=stack_line, do=lambda _: cable.cut(), DOCKER_HOST=cable.host, FLOWKIT_DEADLINE="10"
    )

    assert ended.status == 1
    mistake(ended)
    machine.invoke(*FLOWDB)


def test_of_two_runs_at_once_the_second_is_told_who_is_at_work(machine):
    machine.invoke("down")
    first = {}
    second = []

    def run_another(process):
        first["pid"] = process.pid
        second.append(machine.invoke("deploy", "--target", "library", expect=1))

    ended = watched(machine, *FLOWDB, when=stack_line, do=run_another)

    assert ended.status == 0
    said = mistake(second[0])
    assert "invoke deploy --target flowdb" in said
    assert f"process {first['pid']}" in said


def test_a_service_that_was_updated_by_hand_is_seen_as_drift_and_put_right(machine):
    by_hand = ("docker", "service", "update", "-q", "--detach=true")
    subprocess.run(
        [*by_hand, "--env-add", "STATS_TARGET=1", "--limit-memory", "4294967296", f"{STACK}_flowdb"], check=True
    )

    planned = machine.json("plan", "--target", "flowdb", expect=2)
    lines = [line for step in planned["steps"] for line in step["actions"]]
    machine.invoke(*FLOWDB)

    assert len(lines) == 1
    assert "variable STATS_TARGET: 1 becomes 10000" in lines[0]
    assert "memory limit 4294967296 becomes" in lines[0]
    assert machine.json("plan", "--target", "flowdb")["changes"] == 0


def test_a_second_deployment_is_not_let_to_the_data_of_the_first(machine, other):
    data = execute(STACK, "flowdb", "psql", "-Atc", "SELECT system_identifier FROM pg_control_system()")

    said = mistake(other.invoke(*FLOWDB, expect=3))

    assert "a database that this vault does not know" in said
    assert is_untouched(other)
    assert execute(STACK, "flowdb", "psql", "-Atc", "SELECT system_identifier FROM pg_control_system()") == data


def test_without_its_vault_a_running_stack_is_left_alone(machine):
    state = machine.folder / ".flowkit" / STACK
    before = objects(STACK)
    (state / "vault").rename(state / "moved")

    said = mistake(machine.invoke(*FLOWDB, expect=3))

    assert "bring back the vault" in said
    assert not (state / "vault").exists()
    assert objects(STACK) == before
    (state / "moved").rename(state / "vault")
    assert "nothing to do" in machine.invoke(*FLOWDB).stdout
    assert objects(STACK) == before


def test_a_crash_loop_is_recognised_at_once_and_shows_the_last_words(machine, place):
    machine.invoke("down")
    map_file = place / "data" / "global" / "pg_filenode.map"
    map_file.rename(place / "kept.map")
    begun = time.monotonic()

    ended = machine.invoke(*FLOWDB, expect=4)

    assert time.monotonic() - begun < 60
    said = mistake(ended)
    assert "stopped 3 times in a row" in said
    assert any("pg_filenode.map" in line for line in said.splitlines() if line.startswith("  | "))
    owner = (place / "data" / "PG_VERSION").stat()
    shutil.copy(place / "kept.map", map_file)
    os.chown(map_file, owner.st_uid, owner.st_gid)
    machine.invoke(*FLOWDB)


def test_a_database_is_adopted_by_those_who_know_its_passwords(machine, other: Machine):
    execute(STACK, "flowdb", "psql", "-c", "CREATE TABLE kept AS SELECT 42 AS answer")
    machine.invoke("down")
    for name in ("FLOWDB_POSTGRES_PASSWORD", "FLOWMACHINE_FLOWDB_PASSWORD", "FLOWAPI_FLOWDB_PASSWORD"):
        other.invoke("secrets.import", name, "-", stdin=machine.value(name).encode())

    ended = other.invoke(*FLOWDB)

    assert "done and verified" in ended.stdout
    assert execute(other.stack, "flowdb", "psql", "-Atc", "SELECT answer FROM kept").strip() == "42"
    other.invoke("down")


def test_a_password_that_a_database_was_made_with_is_not_replaced(machine):
    said = mistake(
        machine.invoke("secrets.import", "FLOWDB_POSTGRES_PASSWORD", "-", stdin=b"x" * 8 + b"yzabcdef", expect=1)
    )

    assert "was made with the one that the vault holds" in said


def test_a_directory_gone_empty_is_refused_until_somebody_says_that_the_data_is_gone(machine, place):
    (place / "data").rename(place / "elsewhere")

    said = mistake(machine.invoke(*FLOWDB, expect=3))

    assert "--start-empty" in said
    assert is_running(machine) is False
    machine.invoke(*FLOWDB, "--start-empty")
    assert "does not exist" in execute(STACK, "flowdb", "psql", "-Atc", "SELECT answer FROM kept")


def is_running(machine):
    return bool(objects(machine.stack)["services"])


def test_another_database_in_its_place_is_refused(machine, place):
    machine.invoke("down")
    (place / "data").rename(place / "new")
    (place / "elsewhere").rename(place / "data")

    said = mistake(machine.invoke(*FLOWDB, expect=3))

    assert "another database than the one this vault knows" in said
    (place / "data").rename(place / "elsewhere")
    (place / "new").rename(place / "data")
    machine.invoke(*FLOWDB)


@pytest.mark.parametrize("client", ["/usr/bin", "/usr/local/bin"])
def test_either_docker_client_puts_a_label_right_without_restarting_anything(machine, client):
    if not os.access(f"{client}/docker", os.X_OK):
        pytest.skip(f"there is no docker client in {client}")
    container = container_of(STACK, "flowdb")
    api = engine()
    found = api.inspect_service(f"{STACK}_flowdb")
    spec = {**found["Spec"], "Labels": {**found["Spec"]["Labels"], "org.flowkit.inputs": "another"}}
    api.update_service(found["ID"], found["Version"]["Index"], **as_arguments(spec))

    ended = machine.invoke(*FLOWDB, PATH=f"{client}:{os.environ['PATH']}")

    assert "done and verified: 1 change" in ended.stdout
    assert container_of(STACK, "flowdb") == container


def as_arguments(spec):
    """A specification as the SDK's `update_service` wants it."""
    return {
        "name": spec["Name"],
        "labels": spec["Labels"],
        "task_template": spec["TaskTemplate"],
        "mode": spec["Mode"],
        "update_config": spec.get("UpdateConfig"),
        "rollback_config": spec.get("RollbackConfig"),
        "networks": spec.get("Networks"),
        "endpoint_spec": spec.get("EndpointSpec"),
    }


def test_purge_empties_the_directory_and_leaves_the_stranger_alone(machine, other, place):
    machine.invoke("purge", "--stack", STACK)

    assert (place / "data").is_dir()
    assert list((place / "data").iterdir()) == []
    assert other.invoke("secrets.list").stdout.count("imported") == 3
