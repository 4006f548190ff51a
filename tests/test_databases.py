"""Databases and their secrets: the table against the stack files, and whole deployments on a fake engine."""

import secrets
from pathlib import Path

import pytest

from secrets_quickstart.catalog.components import BY_NAME, COMPONENTS
from secrets_quickstart.catalog.databases import DATABASES, FLOWAUTH
from secrets_quickstart.catalog.secrets import BY_NAME as SECRETS
from secrets_quickstart.errors import HostError, MaterialError
from secrets_quickstart.material.generation import Choices, generate
from secrets_quickstart.operations.imports import import_value
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.swarm.stack_files import StackFile
from tests.deployments import World

ROOT = Path(__file__).parents[1]
TEXTS = load(ROOT / "tests", {}).stack_environment()
DATA = ":/var/lib/postgresql/data"


def stack_file(component):
    return StackFile(ROOT / "compose" / BY_NAME[component].stack_file).resolved(TEXTS)


@pytest.mark.parametrize("component", [part.name for part in COMPONENTS])
def test_every_postgresql_of_a_stack_file_has_a_row_that_names_its_volume(component):
    services = stack_file(component)["services"].items()
    mounted = {(name, mount.removesuffix(DATA)) for name, entry in services for mount in entry.get("volumes", ())
               if isinstance(mount, str) and mount.endswith(DATA)}  # fmt: skip

    rows = {(row.service, row.volume) for row in DATABASES if row.component == component}
    assert mounted == rows


@pytest.mark.parametrize("row", DATABASES, ids=lambda row: row.name)
def test_a_database_is_made_with_secrets_that_there_are(row):
    assert row.passwords
    for name in row.secrets:
        assert row.component in SECRETS[name].components


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path / "world", monkeypatch)


def lose_the_vault(world):
    """It, and the swarm with its secrets: the data is all that is left."""
    for path in (world.settings().vault_path, world.settings().vault_key_file):
        path.unlink()
    for part in (world.engine.services, world.engine.secrets):
        part.clear()


def test_the_data_of_a_flowauth_whose_vault_is_lost_is_not_started_on(world):
    world.deploy("flowauth")
    lose_the_vault(world)

    with pytest.raises(HostError, match="s_flowauth_postgres_data holds a database that this vault does not know"):
        world.deploy("flowauth")
    assert world.engine.services == {}


def test_only_the_vault_that_knows_the_data_goes_on_with_it(world):
    world.deploy("flowauth")
    chosen = world.settings()
    kept = {path: path.read_bytes() for path in (chosen.vault_path, chosen.vault_key_file)}
    lose_the_vault(world)
    with pytest.raises(HostError):
        world.deploy("flowauth")
    for path, content in kept.items():
        path.write_bytes(content)
    world.engine.secrets.clear()

    assert world.deploy("flowauth").verified


def test_data_that_has_vanished_is_missed(world):
    world.deploy("flowauth")
    world.engine.services.clear()
    world.engine.volumes.clear()

    with pytest.raises(HostError, match="is empty, but this vault knows a database there"):
        world.deploy("flowauth")


@pytest.mark.parametrize("name", FLOWAUTH.secrets)
def test_a_secret_that_flowauths_database_depends_on_is_not_replaced(world, name):
    import_value(world.settings(), name, value_for(name))  # before there is a database
    world.deploy("flowauth")

    with pytest.raises(MaterialError, match="knows no other") as caught:
        import_value(world.settings(), name, value_for(name))
    assert "s_flowauth_postgres_data" in caught.value.why
    assert world.vault().generation(name) == 1


def test_a_secret_that_no_database_depends_on_is_replaced(world):
    world.deploy("flowauth")

    assert import_value(world.settings(), "FLOWAUTH_ADMIN_PASSWORD", value_for("FLOWAUTH_ADMIN_PASSWORD"))


def test_a_password_for_a_database_elsewhere_is_the_operators_affair(world):
    elsewhere = {"DB_URI": "postgresql://flowauth:{}@db.example.org:5432/flowauth"}
    world.deploy("flowauth", **elsewhere)

    assert world.vault().claims == {}
    assert import_value(world.settings(**elsewhere), "FLOWAUTH_DB_PASSWORD", value_for("FLOWAUTH_DB_PASSWORD"))
    assert world.deploy("flowauth", **elsewhere).verified


def test_flowauths_data_goes_when_the_stack_is_purged(world):
    world.deploy("flowauth")

    assert "volume s_flowauth_postgres_data, with all that is in it" in world.purge().lines()
    assert world.engine.volumes == {}


def value_for(name):
    return generate(SECRETS[name], {}, Choices()) if name.endswith("KEY") else Sensitive(secrets.token_hex(16))
