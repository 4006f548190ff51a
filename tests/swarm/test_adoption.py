"""A vault that is lost, and a deployment by hand: both are taken over while they run, and the next deploy goes on."""

import json

import psycopg
import pytest

from secrets_quickstart.catalog.images import IMAGES
from secrets_quickstart.steps.secrets import wanted
from secrets_quickstart.swarm import images
from tests.swarm.machine import REPOSITORY, containers, objects, ports
from tests.swarm.neighbour import mistake, neighbour
from tests.swarm.test_by_hand import CLIENTS, created, deploy, wait

pytestmark = pytest.mark.swarm

STACK, BY_HAND = "selftest-adopt", "selftest-adopthand"
PORTS, PORTS_BY_HAND = 28500, 29500
PASSWORD = "FLOWDB_POSTGRES_PASSWORD"
WELL_KNOWN = "flowflow"
MOUNTED = wanted(["flowdb", "flowmachine"])


def sql(port, password, statement):
    where = f"host=127.0.0.1 port={port + 432} dbname=flowdb user=flowdb"
    with psycopg.connect(where, password=password) as connection:
        return connection.execute(statement)


def running(stack):
    return {item["Id"] for item in containers(stack)}


def secrets(machine, expect=0):
    """`secrets.status`, by name."""
    return {row["name"]: row for row in machine.json("secrets.status", expect=expect)["secrets"]}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with neighbour(tmp_path_factory.mktemp("adopt") / "one", STACK, PORTS) as made:
        made.invoke("deploy", "--target", "library")
        yield made


@pytest.fixture(scope="module")
def lost(machine):
    """What the vault held; it and its key are gone, the services run on."""
    held = {name: machine.value(name) for name in MOUNTED}
    sql(PORTS, held[PASSWORD], "CREATE TABLE kept AS SELECT 42 AS answer")
    assert {row["state"] for row in secrets(machine).values()} == {"ok"}
    (machine.folder / ".flowkit" / STACK / "vault").unlink()
    (machine.home / ".config" / "flowkit" / f"{STACK}.key").unlink()
    return held


def test_without_its_vault_nothing_is_deployed_and_the_way_out_is_named(machine, lost):
    before = objects(STACK)

    said = mistake(machine.invoke("deploy", "--target", "library", expect=3))

    assert "secrets.adopt" in said
    assert {row["state"] for row in secrets(machine, expect=2).values()} == {"orphaned"}
    assert objects(STACK) == before


def test_what_runs_is_read_into_a_new_vault_and_nothing_is_restarted(machine, lost):
    before, tasks = running(STACK), objects(STACK)["tasks"]
    planned = machine.invoke("secrets.adopt", "--dry-run", expect=2)
    assert f"take {PASSWORD} from flowdb" in planned.stdout

    done = machine.invoke("secrets.adopt", "--yes")

    assert {name: machine.value(name) for name in MOUNTED} == lost
    assert not any(
        value in text for value in lost.values() if len(value) > 11 for text in (planned.stdout, done.stdout)
    )
    assert (running(STACK), objects(STACK)["tasks"]) == (before, tasks)
    assert {row["state"] for row in secrets(machine).values()} == {"ok"}
    assert json.loads(machine.invoke("secrets.adopt", "--yes", "--json").stdout)["changes"] == 0


def test_the_next_deploy_is_verified_and_keeps_services_passwords_and_data(machine, lost):
    before = running(STACK)

    assert machine.json("deploy", "--target", "library")["verified"]

    assert running(STACK) == before
    assert sql(PORTS, lost[PASSWORD], "SELECT answer FROM kept").fetchone() == (42,)
    assert machine.json("deploy", "--target", "library")["changes"] == 0


@pytest.fixture
def by_hand(engine, tmp_path):
    """FlowDB, redis and the cache cleaner, deployed by hand: the machine, nothing deployed with it, and the values."""
    recipes = images.recipes(REPOSITORY / "images", [row.name for row in IMAGES])
    exported = {
        **images.variables(recipes.values()), **ports(PORTS_BY_HAND), "FLOWMACHINE_REPLICAS": "0",
        "FLOWKIT_STACK": BY_HAND, "HOME": "/", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    files = ("flowdb.yml", "flowmachine.yml")
    names = {"FLOWMACHINE_FLOWDB_USER": "flowmachine", "FLOWAPI_FLOWDB_USER": "reader", PASSWORD: WELL_KNOWN}
    with (
        created(engine, MOUNTED, names) as values,
        neighbour(tmp_path / "two", BY_HAND, PORTS_BY_HAND) as made,
    ):
        since = engine.now()
        deploy(CLIENTS[0], BY_HAND, files, exported)
        wait(engine, BY_HAND, files, since)
        yield made, values


def test_a_deployment_by_hand_is_taken_over_with_its_data_and_led_out_of_a_well_known_password(by_hand):
    machine, values = by_hand
    sql(PORTS_BY_HAND, values[PASSWORD], "CREATE TABLE kept AS SELECT 42 AS answer")
    before = running(BY_HAND)

    machine.invoke("secrets.adopt", "--yes")

    assert {name: machine.value(name) for name in MOUNTED} == values
    assert running(BY_HAND) == before
    said = mistake(machine.invoke("deploy", "--target", "library", expect=3))
    assert f"invoke secrets.rotate --names {PASSWORD}" in said
    assert running(BY_HAND) == before

    machine.invoke("secrets.rotate", "--names", PASSWORD)

    assert {name: machine.value(name) for name in MOUNTED if name != PASSWORD} == {
        name: value for name, value in values.items() if name != PASSWORD
    }
    assert sql(PORTS_BY_HAND, machine.value(PASSWORD), "SELECT answer FROM kept").fetchone() == (42,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        sql(PORTS_BY_HAND, WELL_KNOWN, "SELECT 1")
    assert machine.json("deploy", "--target", "library")["changes"] == 0
    assert {row["state"] for row in secrets(machine).values()} == {"ok"}
