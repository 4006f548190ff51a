"""Users of FlowMachine as a library, with the unmodified package, against a stack that has no server of it."""

from __future__ import annotations

import json
import os
import subprocess

import psycopg
import pytest

from tests.swarm.machine import container_of, engine, execute
from tests.swarm.neighbour import mistake, neighbour

pytestmark = pytest.mark.swarm

STACK, PORTS = "selftest-users", 26500
QUERY = """
import json, sys, flowmachine
from flowmachine.core import make_spatial_unit
from flowmachine.features import daily_location

flowmachine.connect(**json.load(sys.stdin))
query = daily_location("2016-01-01", spatial_unit=make_spatial_unit("admin", level=3))
found = {"stored_before": query.is_stored, "table": query.fully_qualified_table_name}
query.store().result()
print(json.dumps(found | {"rows": len(query.get_dataframe())}))
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with neighbour(tmp_path_factory.mktemp("users") / "here", STACK, PORTS, FLOWDB_SAMPLE_DATA="true") as made:
        made.invoke("deploy", "--target", "library")
        yield made


def flowmachine(*options, arguments=None):
    """What the query finds on a user's machine, which has FlowMachine's package and nothing of ours."""
    command = ["docker", "run", "--rm", "--interactive", "--network=host", "--entrypoint=python", *options]
    ended = subprocess.run(
        [*command, os.environ["FLOWMACHINE_IMAGE"], "-c", QUERY],
        input=json.dumps(arguments or {}), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def of_flowdb(question):
    return execute(STACK, "flowdb", "psql", "-U", "flowdb", "-d", "flowdb", "-Atc", question).strip()


def session(access):
    return psycopg.connect(
        host=access["flowdb_host"], port=access["flowdb_port"], dbname="flowdb",
        user=access["flowdb_user"], password=access["flowdb_password"], autocommit=True, connect_timeout=5,
    )  # fmt: skip


def names(machine):
    return {row["name"]: row["can_log_in"] for row in machine.json("users.list")}


def test_flowmachine_connects_with_the_file_alone_and_what_it_stores_is_there_for_all(machine, tmp_path):
    file = tmp_path / "ada.env"

    said = machine.invoke("users.add", "ada", "--host", "127.0.0.1", "--out", str(file))

    assert said.stdout == f"{file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    found = flowmachine(f"--env-file={file}")
    assert (found["stored_before"], found["rows"] > 100) == (False, True)
    assert of_flowdb(f"SELECT tableowner FROM pg_tables WHERE schemaname || '.' || tablename = '{found['table']}'") == (
        "flowmachine"
    )
    assert of_flowdb(f"SELECT has_table_privilege('flowapi', '{found['table']}', 'SELECT')") == "t"


def test_another_user_finds_what_the_first_has_stored(machine):
    access = machine.json("users.add", "bob", "--host", "127.0.0.1")

    assert flowmachine(arguments=access)["stored_before"] is True
    assert names(machine) == {"ada": True, "bob": True}


def test_a_user_has_flowmachines_rights_and_no_more(machine):
    access = machine.json("users.add", "bob", "--host", "127.0.0.1", "--reset-password")

    with session(access) as connection:
        assert connection.execute("SELECT current_user::text").fetchone() == ("flowmachine",)
        assert connection.execute("SELECT count(*) > 0 FROM events.calls").fetchone() == (True,)
        for refused in ("DELETE FROM events.calls", "CREATE ROLE eve", "ALTER ROLE bob SUPERUSER"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused.encode())


def test_the_same_name_again_is_refused_and_its_password_stays(machine):
    access = machine.json("users.add", "bob", "--host", "127.0.0.1", "--reset-password")

    said = mistake(machine.invoke("users.add", "bob", expect=2))

    assert "bob already" in said
    session(access).close()


def test_a_new_password_makes_the_former_one_useless_and_no_password_is_in_the_log(machine):
    first, second = (machine.json("users.add", "bob", "--host", "127.0.0.1", "--reset-password") for _ in range(2))

    session(second).close()
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        session(first)
    log = engine().logs(container_of(STACK, "flowdb")).decode()
    assert "authentication failed" in log
    assert not any(access["flowdb_password"] in log for access in (first, second))


def test_a_user_is_removed_while_connected_and_what_they_own_stays(machine):
    access = machine.json("users.add", "bob", "--host", "127.0.0.1", "--reset-password")
    connection = session(access)
    connection.execute("SET ROLE none")
    connection.execute("CREATE TABLE geography.map_of_bob AS SELECT 1 AS one")
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM geography.map_of_bob")

    said = machine.invoke("users.remove", "bob")

    assert "1 session ended" in said.stdout
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        session(access)
    assert of_flowdb("SELECT tableowner FROM pg_tables WHERE tablename = 'map_of_bob'") == "flowmachine"
    assert names(machine) == {"ada": True}
    assert machine.json("verify", "--target", "library")["counts"]["obstacle"] == 0


@pytest.mark.parametrize("name", ["flowdb", "flowmachine", "flowapi", "somebody", "nobody"])
def test_a_role_that_was_not_made_so_is_not_removed(machine, name):
    of_flowdb("CREATE ROLE somebody LOGIN")
    try:
        mistake(machine.invoke("users.remove", name, expect=2))
        assert of_flowdb("SELECT count(*) FROM pg_roles WHERE rolname IN ('flowdb','flowmachine','flowapi','somebody')"
                         " AND rolcanlogin") == "4"  # fmt: skip
        assert name == "nobody" or mistake(machine.invoke("users.add", name, expect=2))
    finally:
        of_flowdb("DROP ROLE somebody")


def test_a_removal_that_was_broken_off_is_seen_and_carried_on(machine):
    of_flowdb("ALTER ROLE ada NOLOGIN")

    assert names(machine) == {"ada": False}
    machine.invoke("users.remove", "ada")
    assert names(machine) == {}
