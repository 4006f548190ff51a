"""Copying secrets from the vault into the swarm."""

import pytest

from secrets_quickstart.catalog.labels import FINGERPRINT, GENERATION, NAME, STACK
from secrets_quickstart.errors import SecretConflict
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.secrets import Create, SecretsStep, variable_of, wanted
from secrets_quickstart.vault import Origin, Vault
from tests.fakes import FakeEngine

NAMES = wanted(["flowdb"])


@pytest.fixture
def vault():
    made = Vault.in_memory()
    for name in NAMES:
        made.put(name, Sensitive(f"value of {name}"), Origin.GENERATED)
    return made


@pytest.fixture
def engine():
    return FakeEngine()


def carry_out(step):
    plan = step.plan(step.look())
    step.act(plan.actions)
    return plan


def test_every_secret_of_the_components_is_created_and_no_other(vault, engine):
    carry_out(SecretsStep(engine, vault, "s", ["flowdb"]))

    assert set(engine.secrets) == {f"s_{name}_g1" for name in NAMES}


def test_a_second_run_writes_nothing(vault, engine):
    carry_out(SecretsStep(engine, vault, "s", ["flowdb"]))
    engine.writes.clear()

    plan = carry_out(SecretsStep(engine, vault, "s", ["flowdb"]))

    assert plan.actions == ()
    assert engine.writes == []


def test_the_swarm_gets_the_value_and_labels_that_do_not_tell_it(vault, engine):
    carry_out(SecretsStep(engine, vault, "s", ["flowdb"]))

    made = engine.secrets["s_FLOWDB_POSTGRES_PASSWORD_g1"]
    assert made["value"] == b"value of FLOWDB_POSTGRES_PASSWORD"
    labels = made["Spec"]["Labels"]
    assert (labels[STACK], labels[NAME], labels[GENERATION]) == ("s", "FLOWDB_POSTGRES_PASSWORD", "1")
    assert labels[FINGERPRINT] == vault.fingerprint("FLOWDB_POSTGRES_PASSWORD")
    assert not any("value of" in text for text in labels.values())


def test_what_a_killed_run_left_out_is_made_up_for(vault, engine):
    step = SecretsStep(engine, vault, "s", ["flowdb"])
    actions = step.plan(step.look()).actions
    step.act(actions[:2])

    rest = step.plan(step.look())

    assert rest.actions == actions[2:]


def test_a_new_generation_gets_a_name_of_its_own_and_the_old_one_stays(vault, engine):
    carry_out(SecretsStep(engine, vault, "s", ["flowdb"]))
    vault.put("FLOWDB_POSTGRES_PASSWORD", Sensitive("another"), Origin.IMPORTED)

    step = SecretsStep(engine, vault, "s", ["flowdb"])
    plan = carry_out(step)

    assert [str(action) for action in plan.actions] == ["create the secret s_FLOWDB_POSTGRES_PASSWORD_g2"]
    assert "s_FLOWDB_POSTGRES_PASSWORD_g1" in engine.secrets
    assert step.environment()["FLOWDB_POSTGRES_PASSWORD_SECRET"] == "s_FLOWDB_POSTGRES_PASSWORD_g2"


def test_a_secret_that_somebody_else_made_is_refused_with_ways_out(vault, engine):
    engine.add_secret("s_FLOWDB_POSTGRES_PASSWORD_g1")
    step = SecretsStep(engine, vault, "s", ["flowdb"])

    with pytest.raises(SecretConflict, match="no label of ours") as caught:
        step.plan(step.look())

    assert "secrets.adopt" in caught.value.fix
    assert engine.writes == []


def test_a_secret_of_another_vault_is_refused(vault, engine):
    carry_out(SecretsStep(engine, vault, "s", ["flowdb"]))
    other = Vault.in_memory()
    for name in NAMES:
        other.put(name, Sensitive(f"value of {name}"), Origin.GENERATED)

    step = SecretsStep(engine, other, "s", ["flowdb"])
    with pytest.raises(SecretConflict, match="another value"):
        step.plan(step.look())


def test_a_secret_without_a_value_in_the_vault_is_refused(vault, engine):
    carry_out(SecretsStep(engine, vault, "s", ["flowdb"]))

    step = SecretsStep(engine, Vault.in_memory(), "s", ["flowdb"])
    with pytest.raises(SecretConflict, match="no value of that name"):
        step.plan(step.look())


def test_a_vault_older_than_the_swarm_is_refused(vault, engine):
    labels = {STACK: "s", NAME: "FLOWDB_POSTGRES_PASSWORD", GENERATION: "2", FINGERPRINT: "x"}
    engine.add_secret("s_FLOWDB_POSTGRES_PASSWORD_g2", labels)

    step = SecretsStep(engine, vault, "s", ["flowdb"])
    with pytest.raises(SecretConflict, match="later generation"):
        step.plan(step.look())


def test_two_stacks_share_a_swarm(vault, engine):
    carry_out(SecretsStep(engine, vault, "s", ["flowdb"]))

    plan = carry_out(SecretsStep(engine, vault, "t", ["flowdb"]))

    assert len(plan.actions) == len(NAMES)


def test_before_there_is_a_swarm_everything_is_planned(vault):
    step = SecretsStep(FakeEngine(state="inactive"), vault, "s", ["flowdb"])

    assert len(step.plan(step.look()).actions) == len(NAMES)


def test_a_plan_holds_no_value(vault, engine):
    step = SecretsStep(engine, vault, "s", ["flowdb"])

    facts = step.look()
    shown = repr(facts) + repr(step.plan(facts)) + str(Create("a", 1, "b"))

    assert "value of" not in shown


@pytest.mark.parametrize(
    ("name", "variable"),
    [("REDIS_PASSWORD", "REDIS_PASSWORD_SECRET"), ("cert-flowkit.pem", "CERT_FLOWKIT_PEM_SECRET")],
)
def test_a_stack_file_chooses_the_secret_by_a_variable(name, variable):
    assert variable_of(name) == variable
