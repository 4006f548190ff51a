"""A FlowAuth of before 1.18.1 whose volume is all that is left, taken over, upgraded and brought back.

Each test goes on from the one before it.
"""

import json
import os
import secrets
import signal
import ssl
import stat
from pathlib import Path

import docker
import httpx
import pytest
from cryptography.fernet import Fernet

from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import NAMESPACE
from tests.swarm.eventually import eventually
from tests.swarm.machine import container_of, containers, engine, execute, ports
from tests.swarm.neighbour import mistake, neighbour
from tests.swarm.old_flowauth import HASHER, OLD_TABLES

pytestmark = pytest.mark.swarm

STACK = "selftest-old"
PORTS = ports(31500)
VOLUME = f"{STACK}_flowauth_postgres_data"
DEPLOY = ("deploy", "--target", "flowauth")
MIGRATE = ("flowauth.migrate",)
OLD = {"username": "old", "password": "an old password"}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with neighbour(tmp_path_factory.mktemp("migration") / "here", STACK, 31500) as made:
        yield made


@pytest.fixture(scope="module")
def password():
    return secrets.token_hex(16)


@pytest.fixture(scope="module", autouse=True)
def _old_volume(machine, password, tmp_path_factory):
    """What `docker stack rm` of the old installation left."""
    client = docker.from_env(version="auto")
    file = tmp_path_factory.mktemp("old") / "password"
    file.write_text(password)
    file.chmod(0o444)
    client.volumes.create(VOLUME, labels={NAMESPACE: STACK})
    hashed = client.containers.run(
        os.environ["FLOWAUTH_IMAGE"], ["python", "-c", HASHER], remove=True, network_mode="none"
    )
    database = client.containers.run(
        os.environ["POSTGRES_IMAGE"],
        detach=True,
        network_mode="none",
        user="999:999",
        environment={"POSTGRES_USER": "flowauth", "POSTGRES_DB": "flowauth", "POSTGRES_PASSWORD_FILE": "/password"},
        volumes={VOLUME: {"bind": "/var/lib/postgresql/data"}, str(file): {"bind": "/password", "mode": "ro"}},
    )
    try:
        eventually(lambda: database.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0)
        tables = OLD_TABLES.replace("{hash}", hashed.decode().strip().replace("$", "\\$"))
        done = database.exec_run(["sh", "-c", f"psql -U flowauth -v ON_ERROR_STOP=1 <<SQL\n{tables}\nSQL"])
        assert done.exit_code == 0, done.output
        database.stop(timeout=60)
    finally:
        database.remove(force=True)


@pytest.fixture(scope="module")
def package_engine():
    return Engine(os.environ)


def signs_in(machine, **body):
    """The status of the answer, through the edge."""
    context = ssl.create_default_context(cadata=machine.value("ca-flowkit.pem"))
    with httpx.Client(
        timeout=60, verify=context, base_url=f"https://localhost:{PORTS['FLOWAUTH_HOST_PORT']}"
    ) as client:
        return client.post("/signin", json=body).status_code


def psql(query):
    return execute(STACK, "flowauth_postgres", "psql", "-U", "flowauth", "-qAtc", query).strip()


def tables():
    return set(psql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'").split())


def dumps(machine):
    return sorted((machine.folder / ".flowkit" / STACK / "dumps").glob("*"))


def replicas():
    return engine().inspect_service(f"{STACK}_flowauth")["Spec"]["Mode"]["Replicated"]["Replicas"]


def is_nothing_started():
    return list(containers(STACK)) == []


def test_a_volume_from_elsewhere_is_not_started_on(machine):
    for command in (DEPLOY, MIGRATE):
        said = mistake(machine.invoke(*command, expect=None))

        assert "does not know" in said
        assert "import FLOWAUTH_DB_PASSWORD and FLOWAUTH_FERNET_KEY" in said
    assert is_nothing_started()


def test_with_its_secrets_it_is_not_started_on_before_there_is_a_dump(machine, password):
    machine.invoke("secrets.import", "FLOWAUTH_DB_PASSWORD", "-", stdin=password.encode())
    machine.invoke("secrets.import", "FLOWAUTH_FERNET_KEY", "-", stdin=Fernet.generate_key())

    said = mistake(machine.invoke(*DEPLOY, expect=3))

    assert "no dump" in said
    assert "invoke flowauth.migrate" in said
    assert is_nothing_started()


def test_a_dry_run_starts_and_writes_nothing(machine):
    planned = machine.json(*MIGRATE, "--dry-run", expect=2)

    assert len(planned["actions"]) == 1
    assert dumps(machine) == []
    assert is_nothing_started()


def test_killed_while_it_dumps_nothing_that_looks_whole_is_left(machine):
    ended = machine.invoke_and_kill(*MIGRATE, when=lambda line: line.startswith("migrate: dump"), after=0.05)

    assert ended.status == -signal.SIGKILL
    assert [path for path in dumps(machine) if path.suffix == ".dump"] == []


def test_the_dump_comes_first_and_only_its_owner_can_read_it(machine):
    done = machine.json(*MIGRATE)

    assert done["before"] == {"tables": "groups", "users": 1, "servers": 1}
    assert done["after"] is None, "nothing has been upgraded yet"
    [dump] = dumps(machine)  # and what the killed run left is gone
    assert str(dump) == done["dump"]
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert stat.S_IMODE(dump.parent.stat().st_mode) == 0o700
    assert any("deploy --target flowauth" in line for line in done["next"])
    assert is_nothing_started()


def test_the_deployment_that_follows_upgrades_and_people_keep_their_passwords(machine):
    machine.invoke(*DEPLOY)

    assert signs_in(machine, **OLD) == 200
    assert signs_in(machine, username="old", password="another password") == 401


def test_then_all_is_checked_and_what_is_left_to_do_is_said(machine):
    done = machine.json(*MIGRATE)

    assert {item["check"]: item["status"] for item in done["findings"]} == dict.fromkeys(
        ("revision", "tables", "users", "servers", "dump", "sign-in"), "ok"
    )
    assert done["after"] == {"tables": "roles", "users": 2, "servers": 1}, "the admin is new"
    assert done["upload_again"] == ["old_api"]
    assert any("flowauth.link --server old_api" in line for line in done["next"])
    assert dumps(machine) == [Path(done["dump"])], "there is no second dump"


def test_once_more_there_is_nothing_to_do(machine):
    assert machine.json(*MIGRATE)["changes"] == 0
    assert machine.json(*MIGRATE, "--dry-run")["changes"] == 0
    assert machine.json(*DEPLOY)["changes"] == 0


def test_a_dump_that_breaks_off_is_refused_and_nothing_is_stopped(machine, tmp_path):
    [dump] = dumps(machine)
    broken = tmp_path / "broken.dump"
    broken.write_bytes(dump.read_bytes()[:-100])

    said = mistake(machine.invoke(*MIGRATE, "--back-to", str(broken), "--yes", expect=1))

    assert "no whole dump" in said
    assert replicas() == 1
    assert "role" in tables()


def test_nobody_goes_back_by_mistake(machine):
    [dump] = dumps(machine)

    assert "--yes" in mistake(machine.invoke(*MIGRATE, "--back-to", str(dump), expect=2))
    assert machine.json(*MIGRATE, "--back-to", str(dump), "--dry-run", expect=2)["changes"] == 2
    assert replicas() == 1


def test_going_back_leaves_the_tables_as_they_were_and_a_dump_of_those_of_today(machine):
    [dump] = dumps(machine)

    done = machine.json(*MIGRATE, "--back-to", str(dump), "--yes")

    assert replicas() == 0, "a FlowAuth of today would upgrade them at once"
    assert {"group", "server_capability", "token"} <= tables()
    assert "role" not in tables()
    assert psql('SELECT username FROM "user"') == "old"
    assert dumps(machine) == [dump, Path(done["dump"])]


def test_from_there_one_can_upgrade_again(machine):
    machine.invoke(*MIGRATE)
    machine.invoke(*DEPLOY)

    done = machine.json(*MIGRATE)

    assert done["counts"]["obstacle"] == 0
    assert signs_in(machine, **OLD) == 200


def test_going_back_to_tables_of_today_starts_flowauth_again(machine):
    today = dumps(machine)[1]
    psql("""UPDATE "user" SET _password = 'none' WHERE username = 'old'""")
    assert signs_in(machine, **OLD) == 401

    machine.invoke(*MIGRATE, "--back-to", str(today), "--yes")

    assert replicas() == 1
    assert signs_in(machine, **OLD) == 200


def test_a_running_flowauth_on_old_tables_is_upgraded_in_place(machine, package_engine):
    """As an official one may be, which waits to be told: here its tables are exchanged below it."""
    below = Postgresql(package_engine, container_of(STACK, "flowauth_postgres"), os.environ)
    before = container_of(STACK, "flowauth")
    below.restore(dumps(machine)[0])
    assert "role" not in tables()

    planned = machine.json(*MIGRATE, "--dry-run", expect=2)
    done = machine.json(*MIGRATE)

    assert len(planned["actions"]) == 3
    assert done["before"]["tables"] == "groups"
    assert done["after"]["tables"] == "roles"
    assert done["counts"]["obstacle"] == 0
    assert any("restart FlowAuth" in line for line in done["actions"]), "its admin was not among the old users"
    assert container_of(STACK, "flowauth") != before
    assert signs_in(machine, **OLD) == 200


def test_nothing_of_it_is_secret(machine, password):
    note = (machine.folder / ".flowkit" / STACK / "flowauth-migration.json").read_text()

    assert password not in note
    assert set(json.loads(note)) == {"identifier", "dump", "users", "servers", "checked"}


def test_a_purge_takes_the_dumps_with_it(machine):
    assert dumps(machine)

    machine.invoke("purge", "--stack", STACK)

    assert dumps(machine) == []
    assert not (machine.folder / ".flowkit" / STACK).exists()
