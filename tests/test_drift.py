"""`secrets.status`: vault, swarm and services compared, and what each difference is called."""

import json

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.catalog.labels import NAME, STACK, VAULT
from secrets_quickstart.errors import EngineError
from secrets_quickstart.operations import drift_facts
from secrets_quickstart.operations.drift import State, judge, named
from secrets_quickstart.operations.drift_facts import facts_of
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.secrets import SecretsStep, labels_of, object_name, wanted
from secrets_quickstart.tasks import secrets_of_stack as tasks
from secrets_quickstart.vault import KeyFile, Origin, Vault
from tests.deployments import World
from tests.fakes import FakeEngine

PASSWORD = "FLOWDB_POSTGRES_PASSWORD"
NAMES = wanted(["flowdb"])


@pytest.fixture
def vault(tmp_path):
    made = Vault.create(tmp_path / "vault", KeyFile(tmp_path / "key"))
    for name in NAMES:
        made.put(name, Sensitive(f"value of {name}"), Origin.GENERATED)
    return made


@pytest.fixture
def engine(vault):
    """FlowDB deployed, with the vault's secrets."""
    made = FakeEngine()
    deploy(made, vault)
    return made


def deploy(engine, vault):
    step = SecretsStep(engine, vault, "s", ["flowdb"])
    step.act(step.plan(step.look()).actions)
    mount(engine, {name: object_name("s", name, vault.generation(name)) for name in NAMES})


def mount(engine, titles):
    engine.add_service("s", "flowdb", titles)


def states(engine, vault):
    """States and details by name and generation, of what is not as it should be."""
    rows = judge(facts_of("s", engine, vault))
    return {(row.name, row.generation): (row.state, row.detail) for row in rows if row.state is not State.OK}


def test_what_is_deployed_as_the_vault_has_it_is_ok_and_says_who_uses_it(engine, vault):
    rows = judge(facts_of("s", engine, vault))

    assert [row.name for row in rows] == list(NAMES)
    assert {row.state for row in rows} == {State.OK}
    assert {row.used_by for row in rows} == {("flowdb",)}
    assert {row.created for row in rows} == {vault.entry(name).created for name in NAMES}


def test_a_value_without_its_docker_secret_is_missing_while_its_component_is_deployed(engine, vault):
    del engine.secrets[f"s_{PASSWORD}_g1"]

    assert states(engine, vault) == {(PASSWORD, 1): (State.MISSING, "in the vault, not in the swarm")}


def test_nothing_is_missing_for_a_component_that_is_not_deployed(engine, vault):
    vault.put("REDIS_PASSWORD", Sensitive("x"), Origin.GENERATED)
    vault.put("ca-key-flowkit.pem", Sensitive("x"), Origin.GENERATED)

    details = {row.name: row.detail for row in judge(facts_of("s", engine, vault))}

    assert states(engine, vault) == {}
    assert (details["REDIS_PASSWORD"], details["ca-key-flowkit.pem"]) == ("not deployed", "stays in the vault")


def test_a_secret_of_somebody_else_under_our_name_is_foreign(engine, vault):
    engine.add_secret("s_REDIS_PASSWORD_g1")
    engine.add_secret("s_SECRET_KEY_g1", {STACK: "other"})
    engine.add_secret("s_notes_g1")

    assert {state for state, _ in states(engine, vault).values()} == {State.FOREIGN}
    assert states(engine, vault).keys() == {("REDIS_PASSWORD", 1), ("SECRET_KEY", 1)}


def test_a_secret_of_another_vault_is_foreign(engine, vault, tmp_path):
    other = Vault.create(tmp_path / "other", KeyFile(tmp_path / "key"))
    for name in NAMES:
        other.put(name, Sensitive("another"), Origin.GENERATED)

    found = states(engine, other)

    assert set(found.values()) == {(State.FOREIGN, "another vault made it")}
    assert len(found) == len(NAMES)


def test_a_secret_with_another_value_than_the_vaults_is_changed(engine, vault):
    engine.secrets[f"s_{PASSWORD}_g1"]["Spec"]["Labels"]["org.flowkit.fingerprint"] = "0" * 32

    assert states(engine, vault) == {(PASSWORD, 1): (State.CHANGED, "not the vault's value")}


def test_a_service_that_was_not_told_of_a_new_generation_is_named(engine, vault):
    vault.put(PASSWORD, Sensitive("new"), Origin.GENERATED)
    step = SecretsStep(engine, vault, "s", ["flowdb"])
    step.act(step.plan(step.look()).actions)

    found = states(engine, vault)

    assert found[PASSWORD, 1] == (State.CHANGED, "flowdb still has generation 1, the vault has 2")
    assert found[PASSWORD, 2] == (State.UNUSED, "no service mounts it")


def test_a_former_generation_that_nobody_uses_is_superseded_which_is_no_drift(engine, vault):
    vault.put(PASSWORD, Sensitive("new"), Origin.GENERATED)
    deploy(engine, vault)

    assert states(engine, vault) == {(PASSWORD, 1): (State.SUPERSEDED, "the vault has gone on to generation 2")}
    assert not State.SUPERSEDED.is_drift


def test_a_secret_of_ours_that_the_vault_does_not_know_is_orphaned(engine, vault):
    vault.put("REDIS_PASSWORD", Sensitive("x"), Origin.GENERATED)
    engine.add_secret(
        "s_REDIS_PASSWORD_g2", {**labels_of("s", vault, "REDIS_PASSWORD", 1), "org.flowkit.generation": "2"}
    )
    engine.add_secret("s_old_g1", {STACK: "s", NAME: "OLD", "org.flowkit.generation": "1", VAULT: vault.id})

    found = states(engine, vault)

    assert found["REDIS_PASSWORD", 2] == (State.ORPHANED, "the vault holds generation 1 as its newest")
    assert found["OLD", 1] == (State.ORPHANED, "the vault holds no value of that name")


def test_without_a_vault_all_that_the_stack_has_is_orphaned(engine):
    assert set(states(engine, None).values()) == {(State.ORPHANED, "there is no vault")}


def test_what_a_service_mounts_and_nobody_has_is_missing(engine, vault):
    mount(engine, {**{name: f"s_{name}_g1" for name in NAMES}, "REDIS_PASSWORD": "gone"})

    assert states(engine, vault) == {("REDIS_PASSWORD", None): (State.MISSING, "flowdb has it, the swarm does not")}


def test_secrets_of_a_deployment_by_hand_are_foreign(vault):
    engine = FakeEngine()
    engine.add_secret(PASSWORD)
    mount(engine, {PASSWORD: PASSWORD})

    state, detail = states(engine, vault)[PASSWORD, None]

    assert state is State.FOREIGN
    assert "flowdb has it" in detail


def test_without_a_swarm_the_vaults_values_are_shown(vault):
    rows = judge(facts_of("s", FakeEngine(state="inactive"), vault))

    assert [row.name for row in rows] == list(NAMES)
    assert {row.state for row in rows} == {State.OK}


def test_a_swarm_that_cannot_be_asked_is_an_error(vault):
    with pytest.raises(EngineError, match="worker"):
        facts_of("s", FakeEngine(manager=False), vault)


@pytest.mark.parametrize(
    "title", ["s_REDIS_PASSWORD_g0", "s_REDIS_PASSWORD_g", "t_REDIS_PASSWORD_g1", "s_x_g1", "s__g1"]
)
def test_a_name_that_is_not_ours_is_not_taken_for_one(title):
    assert named("s", title) is None


def test_no_value_is_in_what_is_shown(engine, vault):
    facts = facts_of("s", engine, vault)

    shown = repr(facts) + repr(judge(facts)) + json.dumps([row.document() for row in judge(facts)])

    assert "value of" not in shown
    assert not any(vault.fingerprint(name) in json.dumps([row.document() for row in judge(facts)]) for name in NAMES)


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path / "world", monkeypatch)
    monkeypatch.setattr(drift_facts, "Engine", lambda _: made.engine)
    monkeypatch.setattr(tasks, "settings", made.settings)
    return made


def test_a_deployment_of_everything_has_no_drift_and_the_command_says_so(world, capsys):
    world.deploy()
    world.engine.writes.clear()

    tasks.status(Context(), json=True)

    document = json.loads(capsys.readouterr().out)
    assert document["drift"] == 0
    assert {row["state"] for row in document["secrets"]} == {"ok"}
    assert {row["name"] for row in document["secrets"]} == set(world.vault().names())
    assert world.engine.writes == []


def test_drift_is_exit_status_2_and_a_lost_vault_leads_to_adopt(world, capsys):
    world.deploy("flowdb")
    world.settings().vault_path.unlink()

    with pytest.raises(Exit) as raised:
        tasks.status(Context())

    assert raised.value.code == 2
    said = capsys.readouterr()
    assert "orphaned" in said.out
    assert "secrets.adopt" in said.err


def test_with_nothing_anywhere_there_is_nothing_to_show(world, capsys):
    tasks.status(Context())

    assert "no secrets" in capsys.readouterr().out
