"""`secrets.adopt` of a stack of ours: its lost vault is made anew from what runs, and deploys go on."""

import pytest
from invoke.context import Context

from secrets_quickstart.catalog.secrets import BY_NAME
from secrets_quickstart.errors import ServiceError, VaultError
from secrets_quickstart.material import keys
from secrets_quickstart.operations import drift_facts
from secrets_quickstart.operations.drift import State, judge
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.secrets import SecretsStep, wanted
from secrets_quickstart.tasks import secrets_of_stack as tasks
from secrets_quickstart.vault import Origin
from tests.adoptions import COMPONENTS, adopt, adoptable, drift, lose_the_vault
from tests.deployments import Killed


@pytest.fixture
def world(tmp_path, monkeypatch):
    return adoptable(tmp_path / "world", monkeypatch)


def test_a_lost_vault_is_made_anew_from_what_runs_and_the_next_deploy_touches_nothing(world):
    world.deploy("library", sample=True)
    lost = lose_the_vault(world)
    tasks_before = [dict(task) for task in world.engine.tasks]
    world.engine.writes.clear()

    adopt(world)

    vault = world.vault()
    mounted = set(wanted(COMPONENTS))
    assert {name: vault.value(name) for name in mounted} == {name: lost[name] for name in mounted}
    assert {line.partition(" ")[0] for line in world.engine.writes} == {"label"}
    assert drift(world) == []
    world.engine.writes.clear()
    assert world.deploy("library", sample=True).verified
    assert world.engine.writes == []
    assert world.engine.tasks == tasks_before


def test_the_whole_of_flowkit_comes_back_but_for_what_only_the_vault_had(world):
    world.deploy()
    lost = lose_the_vault(world)
    world.engine.writes.clear()

    done = adopt(world)

    vault = world.vault()
    ended = {"FLOWETL_AIRFLOW_ADMIN_USERNAME", "FLOWETL_AIRFLOW_ADMIN_PASSWORD"}  # a job's, which has ended
    assert {item.name for item in done.lost} == {
        "ca-key-flowkit.pem", "FLOWAUTH_ANALYST_PASSWORD", "FLOWETL_AIRFLOW_ADMIN_PASSWORD",
    }  # fmt: skip
    kept_apart = {name for name in lost if not BY_NAME[name].components}
    assert {name: vault.value(name) for name in vault.names()} == {
        name: value for name, value in lost.items() if name not in kept_apart | ended
    }
    assert {(row.name, row.detail) for row in drift(world)} == {
        (name, "it was there before the vault, which begins with generation 2") for name in ended
    }
    before = {task["ID"]: task["DesiredState"] for task in world.engine.tasks}
    world.engine.writes.clear()
    world.deploy()
    assert [line for line in world.engine.writes if "secret" in line] == [
        f"create secret s_{name}_g2" for name in sorted(ended, reverse=True)
    ]
    assert before.items() <= {task["ID"]: task["DesiredState"] for task in world.engine.tasks}.items()
    assert drift(world) == []


def test_a_second_adoption_changes_nothing(world):
    world.deploy("library")
    lose_the_vault(world)
    adopt(world)
    world.engine.writes.clear()
    held = world.held()

    done = adopt(world)

    assert done.actions == ()
    assert set(done.held) == set(wanted(COMPONENTS))
    assert world.held() == held
    assert world.engine.writes == []


def test_cut_off_before_any_write_the_next_adoption_does_what_is_left(world):
    world.deploy("library", sample=True)
    lose_the_vault(world)
    number = 0
    while True:
        number += 1
        world.fuse.set(number)
        try:
            adopt(world)
        except Killed:
            assert len(world.held()) in {0, len(wanted(COMPONENTS))}, "the vault is written whole or not at all"
            continue
        break
    world.fuse.set(0)

    assert number > 3
    assert drift(world) == []
    world.engine.writes.clear()
    world.deploy("library", sample=True)
    assert world.engine.writes == []


def test_what_is_derived_goes_on_following_what_it_is_derived_from(world):
    world.deploy("flowkit")
    origins = {name: world.vault().entry(name).origin for name in world.vault().names()}
    lose_the_vault(world)

    adopt(world)

    vault = world.vault()
    for name in vault.names():
        now = vault.entry(name).origin
        expected = {Origin.GENERATED: Origin.IMPORTED}.get(origins[name], origins[name])
        if name != "trusted-flowkit.pem":  # its authority is lost
            assert now is expected, name


def test_a_later_generation_keeps_its_number_and_what_follows_is_free(world):
    world.deploy("library")
    vault = world.vault()
    vault.put("REDIS_PASSWORD", Sensitive("second-password-of-redis"), Origin.GENERATED)
    world.deploy("library")
    lose_the_vault(world)

    adopt(world)

    again = world.vault()
    assert again.generations("REDIS_PASSWORD") == (2,)
    assert again.value("REDIS_PASSWORD").text() == "second-password-of-redis"
    assert {row.name for row in judge(drift_facts.look(world.settings())) if row.state is State.SUPERSEDED} == {
        "REDIS_PASSWORD"
    }
    assert again.put("REDIS_PASSWORD", Sensitive("third"), Origin.GENERATED) == 3
    world.deploy("library")
    assert "s_REDIS_PASSWORD_g3" in world.engine.secrets


def test_a_later_secret_that_nobody_uses_yet_is_gone_past(world):
    world.deploy("library")
    world.vault().put("REDIS_PASSWORD", Sensitive("never reached redis"), Origin.GENERATED)
    step = SecretsStep(world.engine, world.vault(), "s", COMPONENTS)
    step.act(step.plan(step.look()).actions)
    lost = lose_the_vault(world)

    adopt(world)
    world.deploy("library")

    assert world.vault().generations("REDIS_PASSWORD") == (3,)
    assert world.engine.secrets["s_REDIS_PASSWORD_g3"]["value"] != lost["REDIS_PASSWORD"].reveal()
    assert world.engine.secrets["s_REDIS_PASSWORD_g3"]["value"] == world.engine.secrets["s_REDIS_PASSWORD_g1"]["value"]
    assert drift(world) == []


def test_a_secret_that_nothing_uses_and_nobody_can_read_does_not_stand_in_the_way(world):
    world.deploy("flowkit")
    for service in ("s_flowauth", "s_flowauth_postgres", "s_flowauth_redis", "s_edge"):
        world.engine.api.remove_service(world.engine.services[service]["ID"])
    lost = lose_the_vault(world)

    done = adopt(world)

    assert {item.name for item in done.left_out} >= {"SECRET_KEY", "FLOWAUTH_DB_PASSWORD"}
    assert "SECRET_KEY" not in world.vault()
    vault = world.vault()
    assert vault.put("SECRET_KEY", Sensitive("new"), Origin.GENERATED) == 2
    assert world.engine.secrets["s_SECRET_KEY_g1"]["value"] == lost["SECRET_KEY"].reveal()
    assert {row.name for row in drift(world)} == {"FLOWETL_AIRFLOW_ADMIN_USERNAME", "FLOWETL_AIRFLOW_ADMIN_PASSWORD"}


def test_a_service_that_still_has_a_former_generation_is_no_conflict(world):
    world.deploy("library")
    world.vault().put("REDIS_PASSWORD", Sensitive("second-password-of-redis"), Origin.GENERATED)

    done = adopt(world)

    assert done.actions == ()
    assert "REDIS_PASSWORD" in done.held


def test_with_nothing_running_nothing_can_be_read(world):
    world.deploy("library")
    world.engine.services.clear()
    lose_the_vault(world)

    with pytest.raises(ServiceError, match="nothing of the stack s runs"):
        adopt(world)
    assert not world.settings().vault_path.exists()


def test_a_vault_whose_key_is_lost_is_not_touched_and_leads_to_adopt(world):
    world.deploy("library")
    world.settings().vault_key_file.unlink()
    before = world.settings().vault_path.read_bytes()

    with pytest.raises(VaultError, match="is missing") as caught:
        adopt(world)

    assert "secrets.adopt" in caught.value.fix
    assert world.settings().vault_path.read_bytes() == before


def test_what_is_shown_to_people_is_a_line_for_each_value_and_one_for_all_labels(world, capsys):
    world.deploy("flowkit")
    lose_the_vault(world)

    tasks.adopt(Context(), yes=True)

    lines = capsys.readouterr().out.splitlines()
    assert "take FLOWETL_REDIS_PASSWORD from flowetl_redis into the vault, as generation 1" in lines
    (label,) = [line for line in lines if line.startswith("label")]
    assert f"label {sum(line.startswith('take') for line in lines)} of the swarm's secrets" in label
    assert sum(line.startswith("cannot be recovered: ") for line in lines) == 3


def test_a_signing_key_is_taken_with_its_other_half(world):
    world.deploy("flowkit")
    lose_the_vault(world)
    adopt(world)

    vault = world.vault()
    assert keys.verification_key(vault.value("PRIVATE_JWT_SIGNING_KEY")) == vault.value("PUBLIC_JWT_SIGNING_KEY")
    assert vault.entry("PUBLIC_JWT_SIGNING_KEY").origin is Origin.DERIVED
