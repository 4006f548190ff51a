"""New values for secrets: databases told, services deployed, and all of it as before when something fails."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet

from secrets_quickstart.catalog.secrets import BY_NAME
from secrets_quickstart.errors import UsageError, VerificationFailed
from secrets_quickstart.operations import deployment
from secrets_quickstart.operations.rotation_choice import Wish
from tests.deployments import Killed
from tests.rotations import Rotating

PASSWORD = "FLOWAPI_FLOWDB_PASSWORD"


@pytest.fixture
def worlds(tmp_path, monkeypatch):
    count = iter(range(1000))
    return lambda: Rotating(tmp_path / f"world{next(count)}", monkeypatch)


@pytest.fixture
def world(worlds):
    return worlds().deployed()


def test_everything_gets_another_value_and_everybody_learns_it(world):
    before = {name: world.vault().value(name).text() for name in world.vault().names()}

    names = world.rotate()

    now = {name: world.vault().value(name).text() for name in world.vault().names()}
    same = {name for name in before if now[name] == before[name]}
    assert {BY_NAME[name].source.__class__.__name__ for name in same} == {
        "FromVariable", "Alias", "AuthorityKey", "AuthorityCertificate", "TrustedCertificates", "Password"
    }  # fmt: skip
    assert {name for name in same if BY_NAME[name].source.__class__.__name__ == "Password"} == {
        "FLOWAUTH_ANALYST_PASSWORD"
    }
    assert not set(names) & same
    found, expected = world.titles()
    assert found == expected
    assert world.vault().claims.get("rotation") is None
    assert world.deploy().changes == 0


def test_a_keys_records_are_readable_throughout(world):
    world.rotate(Wish(("FLOWAUTH_FERNET_KEY", "AIRFLOW__CORE__FERNET_KEY")))

    for name in ("FLOWAUTH_FERNET_KEY", "AIRFLOW__CORE__FERNET_KEY"):
        Fernet(world.vault().value(name).reveal())  # one key, not two
        assert world.vault().generation(name) == 3


def test_cut_off_before_any_write_the_next_run_comes_to_the_same_end(worlds):
    whole = worlds().deployed()
    whole.fuse.set(0)
    whole.rotate()
    writes = whole.fuse.burnt

    for number in range(1, writes + 1, 7):
        world = worlds().deployed()
        before = world.held()
        world.fuse.set(number)
        with pytest.raises(Killed):
            world.rotate()
        world.fuse.set(0)

        world.rotate()  # its verification is the judge

        assert before.items() <= world.held().items(), f"a value was lost: {number}"
        found, expected = world.titles()
        assert found == expected, number
        assert world.deploy().changes == 0, number
    assert writes > 60


def test_a_deployment_after_one_that_was_cut_off_locks_nobody_out(worlds):
    wish = Wish((PASSWORD, "FLOWETL_POSTGRES_PASSWORD"))
    whole = worlds().deployed()
    whole.fuse.set(0)
    whole.rotate(wish)

    for number in range(1, whole.fuse.burnt + 1, 3):
        world = worlds().deployed()
        world.fuse.set(number)
        with pytest.raises(Killed):
            world.rotate(wish)
        world.fuse.set(0)

        world.deploy()  # its verification is the judge

        world.rotate(wish)
        found, expected = world.titles()
        assert found == expected, number


def test_when_verification_fails_the_old_values_are_in_use_again(world):
    before = {name: world.vault().value(name).text() for name in world.vault().names()}
    world.trouble = [True]

    with pytest.raises(VerificationFailed, match="the old values are in use again"):
        world.rotate()

    now = {name: world.vault().value(name).text() for name in world.vault().names()}
    certificates = {name for name in before if "cert" in name}
    assert {name: now[name] for name in before if name not in certificates} == {
        name: before[name] for name in before if name not in certificates
    }
    found, expected = world.titles()
    assert found == expected
    assert world.deploy().changes == 0


def test_going_back_that_fails_too_is_carried_on_by_the_next_run(world):
    before = world.vault().value(PASSWORD)
    world.trouble = [True, True]

    with pytest.raises(VerificationFailed, match="so did going back"):
        world.rotate(Wish((PASSWORD,)))

    world.rotate(Wish(older_than=timedelta(days=1)))
    assert world.vault().value(PASSWORD) == before
    assert world.vault().claims.get("rotation") is None


def test_cut_off_on_the_way_back_it_still_comes_back(worlds):
    whole = worlds().deployed()
    whole.fuse.set(0)
    whole.trouble = [True]
    wish = Wish((PASSWORD, "AIRFLOW__CORE__FERNET_KEY"))
    with pytest.raises(VerificationFailed):
        whole.rotate(wish)
    writes = whole.fuse.burnt

    for number in range(writes // 2, writes + 1, 7):
        world = worlds().deployed()
        before = {name: world.vault().value(name) for name in wish.names}
        world.trouble = [True]
        world.fuse.set(number)
        with pytest.raises((Killed, VerificationFailed)):
            world.rotate(wish)
        world.fuse.set(0)

        world.rotate(Wish(older_than=timedelta(days=1)))

        if not world.trouble:  # it had begun to go back
            assert {name: world.vault().value(name) for name in wish.names} == before, number


def test_a_stack_that_is_not_as_it_would_be_deployed_is_left_alone(world):
    before = world.held()
    variables = world.folder / ".env"
    variables.write_text("FLOWAPI_HOST_PORT=9191\n")

    with pytest.raises(UsageError, match="not as it would be deployed now"):
        world.rotate()

    assert world.held() == before


def test_the_library_keeps_its_server_away(worlds):
    world = worlds()
    world.deployed("library")
    world.kept = {key: text for key, text in world.kept.items() if key[0] == "flowdb"}

    order = deployment.order_of_deployed(world.settings(), world.engine)

    assert order.target.name == "library"


def test_beside_other_components_too(worlds):
    world = worlds()
    world.deployed("library")
    world.kept = {}  # nobody asks the databases here
    world.deploy("flowetl")

    order = deployment.order_of_deployed(world.settings(), world.engine)

    assert set(order.components) == {"flowdb", "flowmachine", "flowetl"}
    assert world.settings().with_overrides(order.target.overrides)["FLOWMACHINE_REPLICAS"] == 0


def test_ctrl_c_is_as_harmless_as_being_killed(worlds):
    whole = worlds().deployed()
    whole.fuse.set(0)
    wish = Wish((PASSWORD, "AIRFLOW__CORE__FERNET_KEY"))
    whole.rotate(wish)

    for number in range(2, whole.fuse.burnt + 1, 9):
        world = worlds().deployed()
        world.fuse.set(number, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            world.rotate(wish)
        world.fuse.set(0)

        world.rotate(wish)  # its verification is the judge

        found, expected = world.titles()
        assert found == expected, number
