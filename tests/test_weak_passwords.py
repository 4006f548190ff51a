"""A stack that was adopted with well-known passwords: refused a deployment, and led out by new ones."""

from functools import partial

import pytest

from secrets_quickstart.catalog.rotation import ROLES
from secrets_quickstart.checks.check import Finding, Obstacle, finding
from secrets_quickstart.checks.custody_checks import WEAK, weak_values
from secrets_quickstart.checks.facts_custody import custody_facts, opened
from secrets_quickstart.checks.facts_swarm import Owned
from secrets_quickstart.errors import PreflightFailed, UsageError, VerificationFailed
from secrets_quickstart.material import scram
from secrets_quickstart.operations import adoption, deploy
from secrets_quickstart.operations.rotation_choice import Wish
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.secrets import wanted
from secrets_quickstart.vault import Origin, Vault, key_of
from tests.adoptions import COMPONENTS, adopt
from tests.preflight_facts import but
from tests.rotations import Rotating

KNOWN = {"FLOWDB_POSTGRES_PASSWORD": "flowflow", "REDIS_PASSWORD": "fm_redis"}
WISH = Wish(tuple(KNOWN))
READER = "reader"
"""FlowAPI's role there; the variable says flowapi."""


class Adopted(Rotating):
    """FlowDB and FlowMachine, deployed by hand with the documented names and these values."""

    values: dict[str, str]
    others: tuple[Finding, ...] = ()
    """What preflight finds besides."""


def weakness(world, settings):
    """What preflight says of weak values, with all else in order."""
    running = tuple(Owned(name, "s") for name in world.engine.services)
    custody = custody_facts(settings, opened(settings))
    return finding(WEAK, weak_values(but(custody=custody, swarm__services=running, wanted__stack="s")))


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = Adopted(tmp_path / "world", monkeypatch)
    monkeypatch.setattr(adoption, "Engine", made._engine)
    monkeypatch.setattr(made, "settings", partial(made.settings, FLOWDB_DATA_DIR=""))
    made.engine._init({})
    made.engine.volumes["s_flowdb_data"] = made.data
    values = {name: f"{name} as given" for name in wanted(COMPONENTS)}
    values |= {"FLOWMACHINE_FLOWDB_USER": "flowmachine", "FLOWAPI_FLOWDB_USER": READER, **KNOWN}
    for name, value in values.items():
        made.engine.add_secret(name, value=value.encode())
    for service, component in (("flowdb", "flowdb"), ("redis", "flowmachine"), ("flowmachine", "flowmachine")):
        made.engine.add_service("s", service, {name: name for name in wanted([component])})
    made.engine.make_database(made.data)
    for row in ROLES:
        if row.secret in values:
            made.kept["flowdb", row.name.format_map(values)] = scram.verifier(Sensitive(values[row.secret]))
    made.values = values
    monkeypatch.setattr(deploy, "check", lambda settings, *_: (weakness(made, settings), *made.others))
    adopt(made)
    return made


def test_a_deployment_is_refused_with_the_command_that_leads_out(world):
    with pytest.raises(PreflightFailed, match=f"invoke secrets.rotate --names {','.join(KNOWN)}"):
        world.deploy("flowmachine")


def test_rotating_what_was_refused_brings_the_stack_up_to_date(world):
    assert set(world.rotate(WISH)) == set(KNOWN)

    vault = world.vault()
    assert {name: vault.value(name).text() for name in world.values if name not in KNOWN} == {
        name: value for name, value in world.values.items() if name not in KNOWN
    }
    assert scram.is_of(world.kept["flowdb", "flowdb"], vault.value("FLOWDB_POSTGRES_PASSWORD"))
    assert world.mounted("redis", "REDIS_PASSWORD") == vault.value("REDIS_PASSWORD").text() != "fm_redis"
    assert world.deploy("flowmachine").changes == 0


@pytest.mark.parametrize("names", [("FLOWDB_POSTGRES_PASSWORD",), ("FLOWAPI_FLOWDB_PASSWORD",)])
def test_rotating_anything_less_is_refused_and_changes_nothing(world, names):
    before = world.held()

    with pytest.raises(UsageError, match="not as it would be deployed now"):
        world.rotate(Wish(names))

    assert world.held() == before


def test_when_it_fails_the_old_passwords_are_in_use_again(world):
    world.trouble = [True]

    with pytest.raises(VerificationFailed, match="the old values are in use again"):
        world.rotate(WISH)

    assert {name: world.vault().value(name).text() for name in KNOWN} == KNOWN
    assert scram.is_of(world.kept["flowdb", "flowdb"], Sensitive("flowflow"))
    world.rotate(WISH)
    assert world.deploy("flowmachine").changes == 0


def test_another_obstacle_is_in_its_way_as_in_a_deployments(world):
    world.others = (finding("ports-free", Obstacle("another has the port", "choose another")),)
    before = world.held()

    with pytest.raises(PreflightFailed, match="another has the port") as refused:
        world.rotate(WISH)

    assert WEAK not in str(refused.value)
    assert world.held() == before


def test_what_nothing_runs_with_is_given_another_value_by_importing_it(world):
    vault = Vault.open(world.settings().vault_path, key_of(world.settings()))
    vault.put("FLOWETL_CELERY_PASSWORD", Sensitive("flowflow"), Origin.IMPORTED)

    with pytest.raises(PreflightFailed, match=r"invoke secrets\.import FLOWETL_CELERY_PASSWORD -"):
        world.deploy("flowmachine")
