"""`secrets.adopt` of a stack that somebody deployed by hand, and how the command speaks of it."""

import json

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.catalog.labels import VAULT
from secrets_quickstart.catalog.secrets import DATABASE_PASSWORDS
from secrets_quickstart.errors import SecretConflict, SettingsError
from secrets_quickstart.operations import adoption
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.secrets import wanted
from secrets_quickstart.tasks import secrets_of_stack as tasks
from secrets_quickstart.vault import Origin, Vault, key_of
from tests.adoptions import COMPONENTS, PASSWORD, adopt, adoptable, drift


@pytest.fixture
def world(tmp_path, monkeypatch):
    return adoptable(tmp_path / "world", monkeypatch)


@pytest.fixture
def by_hand(world):
    """FlowDB and FlowMachine, deployed by hand with the documented names; the values."""
    engine = world.engine
    engine._init({})
    values = {name: f"{name} as given" for name in wanted(COMPONENTS)}
    values |= {"FLOWMACHINE_FLOWDB_USER": "flowmachine", "FLOWAPI_FLOWDB_USER": "reader"}
    for name, value in values.items():
        engine.add_secret(name, value=f"{value}\n".encode())
    for service, component in (("flowdb", "flowdb"), ("redis", "flowmachine"), ("flowmachine", "flowmachine")):
        engine.add_service("s", service, {name: name for name in wanted([component])})
    engine.writes.clear()
    return values


def test_a_deployment_by_hand_is_taken_over_and_nothing_is_restarted(world, by_hand):
    done = adopt(world)

    vault = world.vault()
    assert {name: vault.value(name).text() for name in vault.names()} == by_hand
    assert world.engine.writes == []
    assert vault.entry("FLOWMACHINE_FLOWDB_USER").origin is Origin.CHOSEN
    assert vault.entry("FLOWAPI_FLOWDB_USER").origin is Origin.IMPORTED, "its variable says flowapi"
    assert all(vault.entry(name).origin is Origin.IMPORTED for name in DATABASE_PASSWORDS)
    assert done.lost == ()


def test_the_next_deploy_takes_the_data_of_a_deployment_by_hand_with_the_same_passwords(world, by_hand):
    world.engine.volumes["s_flowdb_data"] = world.data
    world.engine.make_database(world.data)
    adopt(world)

    world.deploy("library", FLOWDB_DATA_DIR="")

    assert {name: world.vault().value(name).text() for name in by_hand} == by_hand
    created = world.engine.secrets[f"s_{PASSWORD}_g1"]["value"]
    assert created.decode() == by_hand[PASSWORD]
    assert drift(world) == []


def test_a_deployment_over_secrets_of_a_lost_vault_gets_numbers_that_are_free(world, by_hand):
    world.engine.add_secret(f"s_{PASSWORD}_g4", {"org.flowkit.stack": "s", "org.flowkit.name": PASSWORD, VAULT: "lost"})

    adopt(world)

    assert world.vault().generations(PASSWORD) == (5,)


def test_of_two_secrets_with_the_same_value_the_one_of_this_stacks_own_name_stays(world, by_hand):
    world.engine.add_secret("s_REDIS_PASSWORD_g2", value=by_hand["REDIS_PASSWORD"].encode())
    world.engine.add_service("s", "cache_cleaner", {"REDIS_PASSWORD": "s_REDIS_PASSWORD_g2"})

    done = adopt(world)

    assert world.vault().generations("REDIS_PASSWORD") == (2,)
    assert [label.object.name for label in done.labels] == ["s_REDIS_PASSWORD_g2"]


def test_a_value_that_the_vault_has_already_is_left_alone(world, by_hand):
    vault = Vault.create(world.settings().vault_path, key_of(world.settings()))
    vault.put(PASSWORD, Sensitive(by_hand[PASSWORD]), Origin.IMPORTED)

    done = adopt(world)

    assert done.held == (PASSWORD,)
    assert world.vault().generations(PASSWORD) == (1,)


def test_another_value_in_the_vault_is_never_replaced_and_nothing_else_is_taken(world, by_hand):
    vault = Vault.create(world.settings().vault_path, key_of(world.settings()))
    vault.put("REDIS_PASSWORD", Sensitive("another"), Origin.IMPORTED)

    with pytest.raises(SecretConflict, match="another REDIS_PASSWORD than redis") as caught:
        adopt(world)

    assert "FLOWKIT_VAULT" in caught.value.fix
    assert world.held() == {"REDIS_PASSWORD 1": b"another"}


def test_services_that_have_different_values_are_refused(world, by_hand):
    world.engine.add_secret("other", value=b"different")
    world.engine.add_service("s", "cache_cleaner", {"REDIS_PASSWORD": "other"})

    with pytest.raises(SecretConflict, match="not the same everywhere"):
        adopt(world)

    assert world.held() == {}


def test_what_no_running_task_has_is_said(world, by_hand):
    for task in world.engine.tasks:
        if task["ServiceID"] == world.engine.services["s_flowdb"]["ID"]:
            task["Status"]["State"] = "failed"

    done = adopt(world)

    said = {item.name: str(item) for item in done.lost}
    assert said.keys() == {PASSWORD, "FLOWAPI_FLOWDB_USER", "FLOWAPI_FLOWDB_PASSWORD"}
    assert "no task of flowdb runs" in said[PASSWORD]
    assert "run this again" in said[PASSWORD]


def test_what_runs_on_another_node_is_read_there(world, by_hand):
    for task in world.engine.tasks:
        task["NodeID"] = "elsewhere"

    assert all("run this there" in str(item) for item in adopt(world).lost)


def test_a_value_that_cannot_serve_is_not_taken(world, by_hand):
    world.engine.secrets["REDIS_PASSWORD"]["value"] = b"two\nlines"

    (lost,) = adopt(world).lost

    assert (lost.name, "more than one line" in lost.why) == ("REDIS_PASSWORD", True)
    assert "REDIS_PASSWORD" not in world.vault()


def test_a_database_whose_data_the_settings_would_put_elsewhere_is_refused(world, by_hand):
    container = world.engine.services["s_flowdb"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    container["Mounts"] = [{"Source": "/srv/flowdb", "Target": "/var/lib/postgresql/data", "Type": "bind"}]

    with pytest.raises(SettingsError, match="/srv/flowdb") as caught:
        adopt(world)

    assert "FLOWDB_DATA_DIR=/srv/flowdb" in caught.value.fix
    assert world.held() == {}


def test_a_dry_run_shows_names_and_services_and_changes_nothing(world, by_hand, capsys):
    with pytest.raises(Exit) as raised:
        tasks.adopt(Context(), dry_run=True)

    assert raised.value.code == 2
    out = capsys.readouterr().out
    assert f"take {PASSWORD} from flowdb into the vault, as generation 1" in out
    assert "as given" not in out
    assert not world.settings().vault_path.exists()
    assert world.engine.writes == []


def test_it_is_done_only_when_it_is_agreed_to(world, by_hand, capsys):
    with pytest.raises(Exit) as raised:
        tasks.adopt(Context())
    assert raised.value.code == 2
    assert "fix: give --yes" in capsys.readouterr().err

    tasks.adopt(Context(), yes=True, json=True)

    document = json.loads(capsys.readouterr().out)
    assert document["changes"] == len(by_hand)
    assert "as given" not in json.dumps(document)
    assert world.vault().names()


def test_no_value_is_in_a_plan(world, by_hand):
    assert "as given" not in repr(adoption.plan(world.settings()))
