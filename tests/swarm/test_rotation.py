"""New values for secrets on a real engine: each test goes on from the one before it."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from tests.bench.rotation import Probe
from tests.swarm.eventually import eventually
from tests.swarm.machine import container_of, containers, engine, execute, objects
from tests.swarm.neighbour import mistake, neighbour, watched

pytestmark = pytest.mark.swarm

STACK = "selftest-rotation"
DEPLOY = ("deploy", "--target", "flowapi")
PASSWORD = "FLOWAPI_FLOWDB_PASSWORD"
ROTATE = ("secrets.rotate", "--names", PASSWORD)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with neighbour(tmp_path_factory.mktemp("rotation") / "here", STACK, 25500) as made:
        made.invoke("deploy", "--target", "flowapi", FLOWDB_SAMPLE_DATA="true", FLOWDB_SAMPLE_DAYS="1")
        made.variables |= {"FLOWDB_SAMPLE_DATA": "true", "FLOWDB_SAMPLE_DAYS": "1"}
        yield made


def sql(machine, statement):
    return execute(STACK, "flowdb", "psql", "-U", "flowdb", "-d", "flowdb", "-Atc", statement).strip()


def lets_in(machine, role, password):
    """Whether FlowDB does, as anybody outside would ask it."""
    port = int(machine.variables["FLOWDB_HOST_PORT"])
    try:
        psycopg.connect(host="127.0.0.1", port=port, dbname="flowdb", user=role, password=password).close()
    except psycopg.OperationalError as problem:
        if "password authentication failed" not in str(problem):
            raise
        return False
    return True


def serial(machine, authority):
    """Of the certificate that FlowAPI shows to a client that trusts this authority and nobody else."""
    context = ssl.create_default_context(cadata=authority)
    place = ("127.0.0.1", int(machine.variables["FLOWAPI_HOST_PORT"]))
    with (
        socket.create_connection(place, timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="flowkit.api") as secured,
    ):
        return (secured.getpeercert() or {})["serialNumber"]


def running(service):
    """The stack's containers that are of this service."""
    label = "com.docker.swarm.service.name"
    return {item["Id"] for item in containers(STACK) if item["Config"]["Labels"][label] == f"{STACK}_{service}"}


@contextmanager
def load(machine, answers):
    """Queries of FlowDB, and of FlowMachine through FlowAPI with one token; what is answered goes into `answers`."""
    ports = {name: int(machine.variables[f"{name}_HOST_PORT"]) for name in ("FLOWDB", "FLOWAPI")}
    sql(machine, "CREATE ROLE analyst LOGIN PASSWORD 'analyst' IN ROLE flowmachine")
    token = machine.invoke("flowapi.token").stdout.strip()

    def of_flowdb():
        place = f"host=127.0.0.1 port={ports['FLOWDB']} dbname=flowdb user=analyst password=analyst"
        with psycopg.connect(place, connect_timeout=5) as connection:
            answers["FlowDB"].append(connection.execute("SELECT count(*) FROM events.calls").fetchone())

    def of_flowapi():
        answer = available_dates(ports["FLOWAPI"], token)
        answers["FlowAPI"].append((answer.status_code, answer.text if answer.is_success else ""))

    probes = [Probe("", ask) for ask in (of_flowdb, of_flowapi) for _ in range(3)]
    for probe in probes:
        probe.start()
    try:
        yield
    finally:
        for probe in probes:
            probe.stop()


def available_dates(port, token):
    headers = {"Authorization": f"Bearer {token}"}
    url = f"https://127.0.0.1:{port}/api/0/available_dates"
    return httpx.get(url, headers=headers, timeout=10, verify=False)  # whose certificate it is, is another test's


def assert_deployed_as_it_is(machine):
    """A deployment writes nothing; it may wait for the cache cleaner, which ends when it finds FlowDB restarted."""
    kinds = ("nodes", "services", "secrets", "networks", "volumes")
    before = objects(STACK)
    done = machine.json(*DEPLOY)
    after = objects(STACK)
    assert {kind: after[kind] for kind in kinds} == {kind: before[kind] for kind in kinds}
    lines = [line for item in done["steps"] for line in item["actions"]]
    assert all(line.startswith("wait for cache_cleaner") for line in lines), lines


def left_in_the_swarm(machine):
    """Secret objects that are not of the vault's newest generation."""
    newest = {row["name"]: row["generation"] for row in machine.json("secrets.list")}
    found = objects(STACK)["secrets"]
    return {title for title in found if not title.endswith(f"_g{newest[title.split('_', 1)[1].rsplit('_g', 1)[0]]}")}


def test_under_load_every_secret_gets_another_value_and_the_old_ones_open_nothing(machine):
    names = machine.json("secrets.rotate", "--all", "--dry-run", expect=2)["names"]
    before = {name: machine.value(name) for name in names}
    records = sql(machine, "SELECT count(*) FROM events.calls")
    sql(machine, "ALTER SYSTEM SET log_statement = 'all'")
    sql(machine, "SELECT pg_reload_conf()")
    server = container_of(STACK, "flowdb")

    answers: dict[str, list[Any]] = {"FlowDB": [], "FlowAPI": []}
    with load(machine, answers):
        eventually(lambda: all(len(each) > 10 for each in answers.values()))
        ended = machine.invoke("secrets.rotate", "--all")
        told = {name: len(each) for name, each in answers.items()}
        eventually(lambda: all(len(each) > told[name] + 10 for name, each in answers.items()))

    assert {*answers["FlowDB"]} == {(int(records),)}, "a wrong answer is worse than none"
    right = [answer for answer in answers["FlowAPI"] if answer[0] == 200]
    assert len(set(right)) == 1
    assert answers["FlowAPI"][-1][0] == 422, "that token is void with its key: its signature is another's"
    new = available_dates(int(machine.variables["FLOWAPI_HOST_PORT"]), machine.invoke("flowapi.token").stdout.strip())
    assert (new.status_code, new.text) == right[0]
    now = {name: machine.value(name) for name in names}
    assert {name for name in names if now[name] == before[name]} == set()
    for role in ("flowdb", "flowmachine", "flowapi"):
        name = "FLOWDB_POSTGRES_PASSWORD" if role == "flowdb" else f"{role.upper()}_FLOWDB_PASSWORD"
        assert lets_in(machine, role, now[name])
        assert not lets_in(machine, role, before[name])
    assert sql(machine, "SELECT count(*) FROM events.calls") == records
    assert left_in_the_swarm(machine) == set()
    assert_deployed_as_it_is(machine)
    log = engine().logs(server).decode()
    assert "ALTER ROLE" in log
    for value in (*before.values(), *now.values()):
        assert value.strip() not in ended.stdout + ended.stderr + log
    sql(machine, "ALTER SYSTEM RESET log_statement")


@pytest.mark.parametrize("moment", ["roles: give", "stack: update the service flowapi"])
def test_killed_in_the_middle_the_next_run_carries_on(machine, moment):
    before = machine.value(PASSWORD)

    ended = machine.invoke_and_kill(*ROTATE, when=lambda line: line.startswith(moment))

    assert ended.status == -9, ended.stderr
    new = machine.value(PASSWORD)
    assert new != before
    if "roles" in moment:
        machine.invoke(*DEPLOY)  # whoever comes next brings it about
        assert lets_in(machine, "flowapi", new)
    said = machine.invoke(*ROTATE).stderr
    assert f"carrying on with {PASSWORD}" in said
    assert machine.value(PASSWORD) == execute(STACK, "flowapi", "cat", f"/run/secrets/{PASSWORD}") == new
    assert lets_in(machine, "flowapi", new)
    assert not lets_in(machine, "flowapi", before)
    assert left_in_the_swarm(machine) == set()


def test_when_verification_fails_the_old_value_is_in_use_again(machine):
    before = machine.value(PASSWORD)

    def spoil(_process):
        sql(machine, "ALTER ROLE flowapi PASSWORD 'somebody else'")

    ended = watched(machine, *ROTATE, when=lambda line: line.startswith("verify: asking"), do=spoil)

    assert ended.status == 5, ended.stderr
    assert "the old values are in use again" in mistake(ended)
    assert machine.value(PASSWORD) == before
    assert lets_in(machine, "flowapi", before)
    assert left_in_the_swarm(machine) == set()
    assert_deployed_as_it_is(machine)


def test_clients_that_trust_the_authority_are_shown_a_renewed_certificate_and_only_who_serves_it_is_restarted(machine):
    authority = machine.value("ca-flowkit.pem")
    former, its, versions = serial(machine, authority), running("flowapi"), objects(STACK)["services"]

    machine.invoke("certs.renew", "--name", "cert-flowkit.pem")

    assert serial(machine, authority) != former
    assert not running("flowapi") & its
    # not by containers: see assert_deployed_as_it_is
    now = objects(STACK)["services"]
    assert {name for name in now if now[name] != versions[name]} == {f"{STACK}_flowapi"}
    assert_deployed_as_it_is(machine)
