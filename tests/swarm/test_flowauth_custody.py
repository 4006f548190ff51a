"""FlowAuth's data and the vault, on a real engine: each test goes on from the one before it."""

import secrets
import shutil

import pytest
from cryptography.fernet import Fernet

from tests.swarm.machine import engine, execute, objects
from tests.swarm.neighbour import mistake, neighbour

pytestmark = pytest.mark.swarm

STACK = "selftest-kept"
VOLUME = f"{STACK}_flowauth_postgres_data"
DEPLOY = ("deploy", "--target", "flowauth")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with neighbour(tmp_path_factory.mktemp("kept") / "here", STACK, 31000) as made:
        made.invoke(*DEPLOY)
        yield made


@pytest.fixture(scope="module")
def vault(machine, tmp_path_factory):
    """The vault and its key, as an operator keeps copies of them."""
    kept = tmp_path_factory.mktemp("copies")
    files = (machine.folder / ".flowkit" / STACK / "vault", machine.home / ".config" / "flowkit" / f"{STACK}.key")
    for file in files:
        shutil.copy2(file, kept / file.name)
    return {file: kept / file.name for file in files}


def running():
    found = objects(STACK)
    return found["services"] or found["containers"]


def sql(statement):
    return execute(STACK, "flowauth_postgres", "psql", "-U", "flowauth", "-d", "flowauth", "-Atc", statement).strip()


def test_with_every_secret_renewed_flowauth_reads_what_it_kept_encrypted(machine):
    key = Fernet(machine.value("FLOWAUTH_FERNET_KEY"))
    sealed = key.encrypt(b"a two-factor secret").decode()
    sql(f"INSERT INTO two_factor_auth (user_id, enabled, _secret_key) SELECT id, false, '{sealed}' FROM \"user\"")
    names = machine.json("secrets.rotate", "--all", "--dry-run", expect=2)["names"]
    before = {name: machine.value(name) for name in names}

    machine.invoke("secrets.rotate", "--all")

    assert not any(machine.value(name) == before[name] for name in names)
    new = machine.value("FLOWAUTH_FERNET_KEY")
    kept = sql("SELECT _secret_key FROM two_factor_auth")
    assert kept != sealed
    assert Fernet(new).decrypt(kept) == b"a two-factor secret"
    assert {item["status"] for item in machine.json("verify", "--target", "flowauth")["findings"]} <= {"ok", "skipped"}
    sql("DELETE FROM two_factor_auth")


@pytest.mark.parametrize("name", ["FLOWAUTH_DB_PASSWORD", "FLOWAUTH_FERNET_KEY"])
def test_what_the_database_depends_on_is_not_replaced(machine, vault, name):
    before = machine.value(name)
    value = secrets.token_hex(16).encode() if name == "FLOWAUTH_DB_PASSWORD" else Fernet.generate_key()

    said = mistake(machine.invoke("secrets.import", name, "-", stdin=value, expect=1))

    assert VOLUME in said
    assert machine.value(name) == before


def test_without_its_vault_the_data_is_not_started_on(machine, vault):
    machine.invoke("down")
    for item in engine().secrets(filters={"label": f"org.flowkit.stack={STACK}"}):
        engine().remove_secret(item["ID"])  # as on a machine that was set up anew
    for file in vault:
        file.unlink()

    said = mistake(machine.invoke(*DEPLOY, expect=3))

    assert f"the volume {VOLUME} holds a database that this vault does not know" in said
    assert "bring back that vault" in said
    assert not running()
    assert engine().secrets(filters={"label": f"org.flowkit.stack={STACK}"}) == []
    assert not next(iter(vault)).exists(), "no other vault is made in its place"


def test_with_its_vault_brought_back_it_goes_on(machine, vault):
    for file, copy in vault.items():
        shutil.copy2(copy, file)

    machine.invoke(*DEPLOY)

    assert {item["status"] for item in machine.json("verify", "--target", "flowauth")["findings"]} <= {"ok", "skipped"}
    assert machine.json(*DEPLOY)["changes"] == 0


def test_data_that_has_vanished_is_missed_until_it_is_said_to_be_gone(machine):
    machine.invoke("down")
    engine().remove_volume(VOLUME)

    said = mistake(machine.invoke(*DEPLOY, expect=3))

    assert "is empty, but this vault knows a database there" in said
    assert not running()
    machine.invoke(*DEPLOY, "--start-empty")
    assert machine.json(*DEPLOY)["changes"] == 0
