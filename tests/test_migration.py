"""Upgrading FlowAuth's database and going back, cut off wherever one likes: on a database of a few dictionaries."""

import copy
import json
from dataclasses import replace

import pytest

from secrets_quickstart.checks.check import Finding, Status
from secrets_quickstart.errors import ServiceError, UsageError, VerificationFailed
from secrets_quickstart.operations import flowauth_tables, migration
from secrets_quickstart.operations.flowauth_tables import Note
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.containers import Execution
from tests.flowauth_migrations import NEW, OLD, Killed, World


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


def test_the_dump_is_of_the_tables_before_the_upgrade(world):
    done = world.migrate()

    assert world.machine.writes == ["dump", "upgrade"]
    assert world.dumped() == [OLD["tables"]]
    assert done.dump == world.dumps()[0]
    assert (done.before.is_old, done.after.is_new) == (True, True)
    assert done.after.without_scopes == ("api",)


def test_when_it_is_done_nothing_is_to_do_but_the_uploads(world):
    world.migrate()
    again = world.migrate()

    assert again.actions == ()
    assert "flowauth.link --server api" in again.next[0]
    world.machine.content["scopes"] = ["api"]
    assert world.migrate().next == ()


def test_a_dry_run_writes_nothing(world):
    assert len(world.migrate(dry_run=True).actions) == 3
    assert world.machine.writes == []
    assert world.dumps() == []


@pytest.mark.parametrize("number", [1, 2])
def test_cut_off_anywhere_the_next_run_carries_on_and_the_dump_is_of_before(world, number):
    world.machine.blows_at = number
    with pytest.raises(Killed):
        world.migrate()

    done = world.migrate()

    assert done.after.is_new
    assert OLD["tables"] in world.dumped()
    assert json.loads(done.dump.read_text())["tables"] == OLD["tables"]
    assert world.migrate().actions == ()


def test_a_dump_that_is_out_of_date_by_the_next_run_is_taken_again(world):
    world.machine.blows_at = 2
    with pytest.raises(Killed):
        world.migrate()
    world.machine.content["users"].append("eve")  # FlowAuth runs on

    done = world.migrate()

    assert json.loads(done.dump.read_text())["users"] == ["ann", "bob", "eve"]


def test_cut_off_after_the_upgrade_all_that_is_left_is_checked(world, monkeypatch):
    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(migration, "_checked", die)
        with pytest.raises(Killed):
            world.migrate()

    done = world.migrate()

    assert done.findings
    assert world.dumped() == [OLD["tables"]], "no second dump, of the tables of after"
    assert {item.status for item in done.findings} == {Status.OK}


def test_users_that_are_missing_afterwards_are_told_with_the_way_back(world):
    world.machine.loses = "bob"

    with pytest.raises(VerificationFailed, match="bob are missing") as caught:
        world.migrate()
    assert f"--back-to {world.dumps()[0]}" in caught.value.fix
    with pytest.raises(VerificationFailed):
        world.migrate()  # it is not taken for done


def test_a_flowauth_that_does_not_let_its_admin_in_is_restarted(world, monkeypatch):
    refused = Finding("sign-in", Status.OBSTACLE, "wrong password", "give the right one")

    def sign_in(_):
        return Finding("sign-in", Status.OK, "admin") if "start" in world.machine.writes else refused

    monkeypatch.setattr(migration, "_sign_in", sign_in)

    done = world.migrate()

    assert world.machine.writes == ["dump", "upgrade", "stop", "start"]
    assert {item.status for item in done.findings} == {Status.OK}


def test_an_upgrade_that_fails_says_so_and_is_tried_again(world):
    world.machine.upgrade_fails = True
    with pytest.raises(ServiceError, match="it is locked"):
        world.migrate()

    world.machine.upgrade_fails = False
    assert world.migrate().after.is_new


def test_a_flowauth_that_knows_no_newer_tables_is_said_to_be_too_old(world, monkeypatch):
    monkeypatch.setattr(containers, "execute", lambda *_: Execution(0, "", ""))

    done = world.migrate()

    assert "1.18.1 or later" in done.next[0]
    assert world.dumped() == [OLD["tables"]]


def test_a_database_from_elsewhere_is_dumped_before_the_vault_takes_it_for_its_own(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch, runs=False, claimed=False)
    world.machine.blows_at = 1
    with pytest.raises(Killed):
        world.migrate()
    assert world.vault.claims == {}

    done = world.migrate()

    assert world.vault.claims[world.place.identity]["identifier"] == "7"
    assert world.dumped() == [OLD["tables"]]
    assert "deploy --target flowauth" in done.next[0]


def test_one_of_today_from_elsewhere_is_dumped_as_well(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch, NEW, runs=False, claimed=False)

    world.migrate()

    assert world.dumped() == [NEW["tables"]]
    assert world.place.identity in world.vault.claims


def test_after_the_deployment_it_is_checked_against_what_was_dumped(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch, runs=False, claimed=False)
    world.migrate()
    world.machine.runs, world.machine.replicas = True, 1
    world.machine.upgrade()

    done = world.migrate()

    assert {item.status for item in done.findings} == {Status.OK}
    assert len(world.dumps()) == 1


def test_a_database_without_tables_is_left_to_flowauth(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch, {**OLD, "tables": []})

    assert world.migrate().actions == ()
    assert world.dumps() == []


def test_going_back_dumps_what_is_there_and_leaves_flowauth_stopped_on_old_tables(world):
    dump = world.migrate().dump
    world.machine.writes.clear()

    done = world.go_back(dump)

    assert world.machine.writes == ["dump", "stop", "restore"]
    assert world.machine.content == OLD
    assert world.machine.replicas == 0
    assert "FlowAuth is stopped" in done.next[0]
    assert json.loads(done.dump.read_text())["tables"] == NEW["tables"]


def test_going_back_to_tables_of_today_starts_flowauth(world):
    world.migrate()
    today = world.settings.state_dir / "dumps" / "today.dump"
    today.write_text(json.dumps(NEW))

    done = world.go_back(today)

    assert world.machine.writes[-3:] == ["stop", "restore", "start"]
    assert world.machine.content == NEW
    assert done.next == ()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_going_back_cut_off_anywhere_is_done_by_the_next_run(world, number):
    dump = world.migrate().dump
    world.machine.writes.clear()
    world.machine.blows_at = number
    with pytest.raises(Killed):
        world.go_back(dump)
    assert world.machine.content["tables"] == NEW["tables"]

    world.go_back(dump)

    assert world.machine.content == OLD


def test_after_going_back_whatever_upgrades_it_is_checked_against_that_dump(world):
    dump = world.migrate().dump
    world.go_back(dump)
    world.machine.loses = "ann"
    world.machine.upgrade()  # a deployment
    world.machine.replicas = 1

    with pytest.raises(VerificationFailed, match="ann are missing") as caught:
        world.migrate()
    assert str(dump) in caught.value.fix


def test_after_going_back_to_tables_of_today_nothing_is_to_be_checked(world):
    done = world.go_back(world.migrate().dump)
    world.go_back(done.dump)

    assert world.migrate().actions == ()


def test_after_going_back_a_migration_begins_anew(world):
    world.go_back(world.migrate().dump)
    world.machine.replicas = 1

    done = world.migrate()

    assert done.before.is_old
    assert world.dumped() == [OLD["tables"], NEW["tables"], OLD["tables"]]


@pytest.mark.parametrize(
    ("content", "why"), [('{"tables": ["user", "server"]', "no whole dump"), ('{"tables": ["web"]}', "no dump of")]
)
def test_a_file_that_is_no_dump_of_flowauths_stops_nothing(world, content, why):
    junk = world.settings.folder / "junk"
    junk.write_text(content)

    for ask in (lambda: world.go_back(junk), lambda: migration.look_back(world.settings, junk, lambda _: None)):
        with pytest.raises(ServiceError, match=why):
            ask()
    assert world.machine.writes == []


def test_a_dump_that_is_not_there_is_wrong_usage(world):
    with pytest.raises(UsageError, match="there is no dump"):
        world.go_back(world.settings.folder / "none")


def test_a_note_that_cannot_be_made_out_counts_for_none(world):
    world.migrate()
    note = world.settings.state_dir / flowauth_tables.NOTE
    assert world.note().checked
    for junk in ("", "{}", "[]", '{"identifier": 7, "dump": 1, "users": 1, "servers": 1, "checked": 1}'):
        note.write_text(junk)
        assert Note.read(note) is None
    assert world.migrate().actions == ()


def test_the_note_of_another_database_is_not_believed(world):
    world.migrate()
    note = world.note()
    world.machine.content = copy.deepcopy(OLD)
    replace(note, identifier="8", checked=False).write(world.settings.state_dir / flowauth_tables.NOTE)

    world.migrate()

    assert len(world.dumps()) == 2
