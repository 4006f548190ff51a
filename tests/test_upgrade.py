"""Other images for what runs: there and verified, or everything as before, data included."""

import copy

import pytest

from secrets_quickstart.errors import NotConverged, PreflightFailed, ServiceError, UsageError, VerificationFailed
from secrets_quickstart.operations import (
    rotation,
    rotation_choice,
    upgrade,
    upgrade_plan,
)
from secrets_quickstart.operations.upgrade import Wish
from secrets_quickstart.operations.upgrade_back import WayBack
from secrets_quickstart.operations.upgrade_note import UNDER_WAY
from tests.deployments import Killed
from tests.upgrades import DATA, PASSPHRASE, Upgrading


@pytest.fixture
def worlds(tmp_path, monkeypatch):
    count = iter(range(1000))
    return lambda: Upgrading(tmp_path / f"world{next(count)}", monkeypatch)


@pytest.fixture
def world(worlds):
    return worlds().deployed()


def test_services_whose_image_has_changed_get_it_and_nothing_else_is_touched(world):
    untouched = {name for name in world.engine.services if name not in {"s_flowdb", "s_flowauth"}}
    versions = {name: world.engine.services[name]["Version"] for name in untouched}

    done = world.upgrade()

    assert [change.service for change in done.changes] == ["flowdb", "flowauth"]
    now = world.images()
    assert {name for name in now if now[name] != world.before[name]} == {"flowdb", "flowauth"}
    tasks = {task["ServiceID"] for task in world.engine.tasks if task["DesiredState"] == "shutdown"}
    assert tasks & {world.engine.services[name]["ID"] for name in untouched} == {
        world.engine.services["s_flowetl_init"]["ID"]
    }
    assert versions.keys() == untouched
    assert UNDER_WAY not in world.vault().claims
    assert world.deploy().changes == 0


def test_images_and_a_backup_come_before_anything_is_changed(world):
    before = copy.deepcopy(world.engine.services)

    def look():
        world.events.append("update")

    world.does = {"flowdb": look, "flowauth": look}
    world.upgrade()

    assert world.events[:3] == ["build flowdb", "build flowauth", "back up"]
    assert world.events[3:] == ["update"] * len(world.events[3:])
    assert before != world.engine.services


def test_flowdb_is_up_before_what_needs_it_is_touched(world):
    seen = []
    world.does = {"flowdb": lambda: seen.append(world.images()["flowauth"] == world.before["flowauth"])}

    world.upgrade()

    assert seen[0]


def test_a_second_run_has_nothing_to_do_and_writes_nothing(world):
    world.upgrade()
    writes, held = list(world.engine.writes), world.files()
    events = list(world.events)

    done = world.upgrade(passphrase=None)

    assert done.changes == ()
    assert not done.carried_on
    assert (world.engine.writes, world.events) == (writes, events)
    assert {name: held[name] for name in held if "vault.lock" not in name} == {
        name: content for name, content in world.files().items() if "vault.lock" not in name
    }


def test_without_a_passphrase_nothing_is_begun(world):
    with pytest.raises(UsageError, match="a backup comes before an upgrade"):
        world.upgrade(passphrase=None)

    assert world.images() == world.before
    assert world.events in ([], ["build flowdb", "build flowauth"])


def test_a_plan_changes_nothing(world):
    writes = list(world.engine.writes)

    planned = upgrade.plan(world.settings(), Wish())

    assert [change.service for change in planned.changes] == ["flowdb", "flowauth"]
    assert (world.engine.writes, world.events) == (writes, [])


def test_an_image_that_does_not_start_is_taken_back_and_what_was_written_meanwhile_is_kept(world):
    specs = copy.deepcopy(world.specs())

    def refused():
        world.data_of["flowauth"]["rows"] = {'public."user"': 3}
        world.crash("flowauth")()

    world.does = {"flowauth": refused}
    with pytest.raises(NotConverged, match="the former version runs again: flowauth does not come up"):
        world.upgrade()

    assert world.specs() == specs
    assert world.filled == []
    assert world.data_of["flowauth"]["rows"] == {'public."user"': 3}
    assert UNDER_WAY not in world.vault().claims


def test_what_comes_after_a_component_that_fails_is_never_touched(world):
    versions = {name: item["Version"] for name, item in world.engine.services.items() if "flowauth" in name}
    world.does = {"flowdb": world.crash("flowdb")}

    with pytest.raises(NotConverged):
        world.upgrade()

    assert {name: world.engine.services[name]["Version"] for name in versions} == versions


def test_rows_that_the_new_version_has_lost_come_back_and_what_it_left_is_set_aside(world):
    world.does = {"flowdb": world.damage("flowdb", rows={"events.calls": 99})}

    with pytest.raises(VerificationFailed, match=r"events\.calls of flowdb has 99 rows, and had 100") as caught:
        world.upgrade()

    assert "FlowDB was restored as of at nine" in str(caught.value)
    assert "/left" in str(caught.value)
    assert world.data_of["flowdb"]["rows"] == DATA["flowdb"]["rows"]
    assert [found["rows"] for found in world.aside] == [{"events.calls": 99}]
    assert world.images() == world.before
    assert world.filled == ["flowdb"]


def test_tables_that_were_migrated_before_something_else_failed_come_back(world):
    world.does = {"flowauth": world.damage("flowauth", revision=["2"])}
    world.trouble = [True]

    with pytest.raises(VerificationFailed, match="the former version runs again: the check of FlowAPI failed"):
        world.upgrade()

    assert world.filled == ["flowauth"]
    assert world.data_of["flowauth"]["revision"] == ["1"]


def test_tables_that_a_service_migrated_before_the_swarm_took_it_back_come_back_too(world):
    before = copy.deepcopy(world.engine.services["s_flowauth"]["Spec"])

    def migrated_and_taken_back():
        world.data_of["flowauth"]["revision"] = ["2"]
        world.engine.put_specification(before)

    world.does = {"flowauth": migrated_and_taken_back}
    world.trouble = [True]
    with pytest.raises(VerificationFailed, match="FlowAuth's database was restored as of at nine"):
        world.upgrade()

    assert world.filled == ["flowauth"]
    assert world.data_of["flowauth"]["revision"] == ["1"]


def test_a_migration_that_keeps_what_counts_is_no_loss(world):
    world.does = {"flowauth": world.damage("flowauth", revision=["2"], columns={'public."user"': "other"})}

    world.upgrade()

    assert world.data_of["flowauth"]["revision"] == ["2"]
    assert world.filled == []


def test_a_database_that_another_component_has_harmed_comes_back_too(worlds):
    world = worlds().deployed(changed=("flowetl",))
    world.does = {"flowetl_worker": world.damage("flowdb", rows={"events.calls": 1})}

    with pytest.raises(VerificationFailed, match=r"events\.calls of flowdb has 1 rows"):
        world.upgrade()

    assert world.filled == ["flowdb"]
    assert world.images() == world.before
    assert world.data_of["flowdb"]["rows"] == DATA["flowdb"]["rows"]


def test_cut_off_before_any_write_the_next_run_comes_to_the_same_end(worlds):
    whole = worlds().deployed()
    whole.fuse.set(0)
    whole.upgrade()
    writes = whole.fuse.burnt

    for number in range(1, writes + 1, 3):
        world = worlds().deployed()
        world.fuse.set(number)
        with pytest.raises(Killed):
            world.upgrade()
        world.fuse.set(0)

        world.upgrade()

        assert world.images() == whole.images(), number
        assert UNDER_WAY not in world.vault().claims, number
        assert world.upgrade(passphrase=None).changes == (), number
        assert world.deploy().changes == 0, number
    assert writes > 10


def test_cut_off_anywhere_on_the_way_back_it_still_comes_back(worlds):
    def broken():
        world = worlds().deployed()
        world.does = {"flowdb": world.damage("flowdb", rows={"events.calls": 99})}
        return world

    whole = broken()
    whole.fuse.set(0)
    with pytest.raises(VerificationFailed):
        whole.upgrade()

    for number in range(whole.aside_at - 4, whole.fuse.burnt + 1):
        world = broken()
        world.fuse.set(number)
        with pytest.raises((Killed, VerificationFailed)):
            world.upgrade()
        world.fuse.set(0)

        if UNDER_WAY in world.vault().claims:
            with pytest.raises((ServiceError, VerificationFailed), match="the former version runs again"):
                world.upgrade()

        assert world.images() == world.before, number
        assert world.data_of["flowdb"]["rows"] == DATA["flowdb"]["rows"], number
        assert all(found["rows"] == {"events.calls": 99} for found in world.aside), number
        assert UNDER_WAY not in world.vault().claims, number


def test_going_back_that_fails_too_is_carried_on_by_the_next_run(world):
    world.trouble = [True, True]
    with pytest.raises(VerificationFailed, match="the upgrade failed, and so did going back"):
        world.upgrade()

    with pytest.raises(ServiceError, match="had failed, and the former version runs again"):
        world.upgrade()

    assert world.images() == world.before
    assert UNDER_WAY not in world.vault().claims
    world.upgrade()
    assert world.images() != world.before


def test_a_database_that_was_restored_is_not_touched_again_by_the_run_that_carries_on(world):
    world.does = {"flowdb": world.damage("flowdb", rows={"events.calls": 99})}
    world.verification = [VerificationFailed("the check of FlowDB failed")]
    with pytest.raises(VerificationFailed, match="so did going back"):
        world.upgrade()
    events = list(world.events)

    with pytest.raises(ServiceError, match="FlowDB was restored as of at nine"):
        world.upgrade()

    assert (world.filled, world.events) == (["flowdb"], events)
    assert world.images() == world.before


def test_what_has_failed_is_taken_back_by_the_next_run_even_if_it_would_work_now(world, monkeypatch):
    def killed(*_):
        raise Killed

    world.trouble = [True]
    with monkeypatch.context() as patched:
        patched.setattr(WayBack, "go", killed)
        with pytest.raises(Killed):
            world.upgrade()

    with pytest.raises(ServiceError, match="had failed, and the former version runs again"):
        world.upgrade()

    assert world.images() == world.before


def test_a_database_on_which_nothing_new_ran_goes_on_running(worlds):
    world = worlds().deployed(changed=("flowapi",))
    world.trouble = [True]

    with pytest.raises(VerificationFailed, match="the former version runs again"):
        world.upgrade()

    assert [event for event in world.events if event.startswith("look at")] == []
    assert world.images() == world.before


def test_nobody_else_changes_the_stack_while_an_upgrade_waits_to_be_carried_on(world):
    world.fuse.set(0)
    world.does = {"flowdb": lambda: (_ for _ in ()).throw(Killed())}
    with pytest.raises(Killed):
        world.upgrade()
    world.does = {}

    for command in (
        world.deploy,
        lambda: rotation.rotate(world.settings(), rotation_choice.Wish(everything=True), "invoke secrets.rotate"),
    ):
        with pytest.raises(UsageError, match="an upgrade was interrupted"):
            command()
    assert upgrade.plan(world.settings(), Wish()).interrupted
    assert world.upgrade().carried_on


@pytest.mark.parametrize("mode", ["local", "auto"])
def test_local_images_have_no_tag(world, mode):
    settings, wish = world.settings(FLOWKIT_IMAGES=mode), Wish("1.35.0", passphrase=PASSPHRASE)

    for command in (lambda: upgrade.upgrade(settings, wish, "invoke upgrade"), lambda: upgrade.plan(settings, wish)):
        with pytest.raises(UsageError, match="local images have no tag to choose"):
            command()

    assert (world.images(), world.events) == (world.before, [])


def test_what_stands_in_the_way_is_said_before_anything_is_changed(world, monkeypatch):
    monkeypatch.setattr(upgrade_plan, "release", lambda reference: (1, int(reference in world.before.values())))
    writes = list(world.engine.writes)

    with pytest.raises(PreflightFailed, match="is older"):
        world.upgrade()

    assert (world.engine.writes, world.events) == (writes, [])
