"""A deployment at a glance, as `invoke status` shows it: what is known, and why the rest is not."""

import json
import os
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.clients.flowdb import FlowdbClient
from secrets_quickstart.errors import HostError, ServiceError
from secrets_quickstart.host import disk
from secrets_quickstart.operations import etl_days, overview
from secrets_quickstart.swarm import containers
from secrets_quickstart.tasks import watching
from tests.deployments import World
from tests.fakes import FakeApi, FakeEngine

RECORDS = [
    ("calls", date(2016, 1, 1), "ingested", datetime(2026, 1, 1, tzinfo=UTC)),
    ("calls", date(2016, 1, 3), "ingested", datetime(2026, 1, 1, tzinfo=UTC)),
    ("calls", date(2016, 1, 4), "quarantine", datetime(2026, 1, 1, tzinfo=UTC)),
    ("topups", date(2016, 1, 2), "ingested", datetime(2026, 1, 1, tzinfo=UTC)),
]


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path / "world", monkeypatch)
    monkeypatch.setattr(overview, "Engine", lambda _: made.engine)
    monkeypatch.setattr(watching, "settings", made.settings)
    monkeypatch.setattr(FlowdbClient, "query", answers)
    return made


@pytest.fixture
def deployed(world):
    world.deploy("flowdb")
    world.engine.add_containers()
    return world


def answers(_client, statement, *_, **__):
    return RECORDS if statement == etl_days.RECORDS else [(5_000_000, 3, 8_000_000_000, 70_000_000)]


def refuses(*_, **__):
    raise ServiceError("FlowDB does not answer at 127.0.0.1 port 9000", why="Connection refused", fix="wait")


def shown(capsys, code=0, **options):
    capsys.readouterr()
    ended = 0
    try:
        watching.status(Context(), **options)
    except Exit as exit_:
        ended = exit_.code
    said = capsys.readouterr()
    assert ended == code, said
    return said.out


def document(capsys, code=0):
    return json.loads(shown(capsys, code, json=True))


def test_everything_that_can_be_seen_is_shown(deployed, capsys):
    found = document(capsys)

    (service,) = found["services"]
    assert (service["service"], service["state"], service["health"]) == ("flowdb", "up", "healthy")
    assert service["image_id"] == "sha256:" + "ab" * 32
    assert found["cache"] == {"bytes": 5_000_000, "limit": 8_000_000_000, "results": 3, "database_bytes": 70_000_000}
    assert found["days"] == [
        {"type": "calls", "days": 2, "first": "2016-01-01", "last": "2016-01-03"},
        {"type": "topups", "days": 1, "first": "2016-01-02", "last": "2016-01-02"},
    ]
    assert [place["name"] for place in found["places"]] == ["FLOWDB_DATA_DIR", "FLOWDB_ETL_DIR"]
    assert found["unknown"] == {}


def test_people_see_the_same(deployed, capsys):
    text = shown(capsys)

    assert "flowdb   up     healthy  running 1/1" in text
    assert text.splitlines()[1].endswith("abababababab")
    assert f"{deployed.data}\n" in text
    assert "FlowMachine's cache: 5.0 MB of 8.0 GB, 3 results\n" in text
    assert "loaded: calls 2 days (2016-01-01 to 2016-01-03), topups 1 day (2016-01-02 to 2016-01-02)\n" in text
    assert "unknown" not in text


def test_a_registrys_digest_is_shown_before_the_engines_own(deployed, capsys):
    spec = deployed.engine.services["s_flowdb"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    spec["Image"] = "flowminder/flowdb:1.34.0@sha256:" + "cd" * 32

    assert document(capsys)["services"][0]["digest"] == "sha256:" + "cd" * 32
    assert "flowminder/flowdb:1.34.0  cdcdcdcdcdcd\n" in shown(capsys)


def test_a_flowdb_that_does_not_answer_is_unknown_with_the_reason(deployed, capsys, monkeypatch):
    monkeypatch.setattr(FlowdbClient, "query", refuses)

    found = document(capsys)

    assert (found["cache"], found["days"]) == (None, [])
    why = "FlowDB does not answer at 127.0.0.1 port 9000: Connection refused"
    assert found["unknown"] == {"cache": why, "days": why}
    assert f"unknown: cache: {why}\n" in shown(capsys)


def test_a_flowdb_that_never_answers_holds_nobody_up(deployed, capsys, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(overview, "WITHIN", 0.5)
    monkeypatch.setattr(FlowdbClient, "query", lambda *_, **__: released.wait(30))
    begun = time.monotonic()

    found = document(capsys)

    assert time.monotonic() - begun < 5
    released.set()
    assert found["unknown"] == dict.fromkeys(("cache", "days"), "no answer came in time")
    assert found["services"][0]["state"] == "up"


def test_a_defect_of_ours_is_no_traceback_and_tells_no_value(deployed, capsys, monkeypatch):
    def broken(*_, **__):
        raise KeyError("hunter2")

    monkeypatch.setattr(FlowdbClient, "query", broken)

    assert document(capsys)["unknown"]["cache"] == "the question broke off (KeyError)"


def test_a_stack_that_was_stopped_still_has_its_data_and_certificates(world, capsys):
    world.deploy("flowkit")
    held = [row["name"] for row in document(capsys)["certificates"]]
    world.engine.services.clear()
    world.engine.tasks.clear()

    found = document(capsys)

    assert found["services"] == []
    assert [row["name"] for row in found["certificates"]] == held != []
    assert {"FLOWDB_DATA_DIR", "s_flowauth_postgres_data"} <= {place["name"] for place in found["places"]}
    assert found["unknown"]["cache"].startswith("there is no service flowdb in the stack s")
    assert "the stack s does not run\n" in shown(capsys)


def test_a_machine_without_a_swarm_says_so_and_shows_what_is_on_its_disks(deployed, capsys):
    deployed.engine.state = "inactive"

    found = document(capsys, 1)

    assert found["unknown"]["services"] == "the engine is in no swarm"
    assert found["services"] == []
    assert "FLOWDB_DATA_DIR" in [place["name"] for place in found["places"]]


def test_a_vault_that_cannot_be_opened_is_a_reason_for_all_that_needs_it(deployed, capsys):
    deployed.settings().vault_key_file.unlink()

    unknown = document(capsys)["unknown"]

    assert unknown.keys() == {"certificates", "cache", "days"}
    assert "key" in unknown["certificates"]


def test_disks_of_other_machines_are_not_taken_for_ours(deployed, capsys, monkeypatch):
    monkeypatch.setattr(FakeEngine, "host", "tcp://elsewhere:2376")

    found = document(capsys)

    assert found["places"] == []
    assert found["unknown"]["volumes"] == "the engine is on another machine, and so are its disks"


def test_other_nodes_are_named_because_their_disks_are_not_seen(deployed, capsys, monkeypatch):
    def nodes(api):
        return [api.inspect_node("node1"), {**api.inspect_node("node2"), "Description": {"Hostname": "two"}}]

    monkeypatch.setattr(FakeApi, "nodes", nodes)

    assert document(capsys)["unknown"] == {"other_nodes": "only this node's disks can be measured: run this on two too"}


def test_what_may_not_be_looked_at_has_an_unknown_size_and_the_room_beside_it(deployed, capsys, monkeypatch):
    def refused(path, _within):
        raise HostError(f"{path} cannot be looked at", why="permission denied", fix="run this as root")

    monkeypatch.setattr(disk, "size", refused)

    place = document(capsys)["places"][0]

    assert (place["bytes"], place["free"] > 0) == (None, True)
    assert place["unknown"] == f"{deployed.data} cannot be looked at: permission denied"
    assert f"unknown: FLOWDB_DATA_DIR: {place['unknown']}\n" in shown(capsys)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("Up 2 hours (healthy)", "healthy"),
        ("Up 2 seconds (health: starting)", "starting"),
        ("Up 2 minutes (unhealthy)", "unhealthy"),
        ("Up 2 minutes", ""),
    ],
)
def test_health_is_what_the_engine_says_of_the_container(deployed, status, word):
    deployed.engine.containers[0]["Status"] = status

    (found,) = containers.of_stack(deployed.engine, "s")

    assert (found.service, found.task, found.health) == ("flowdb", "flowdb.1", word)


def test_the_worst_of_several_tasks_counts_and_the_swarm_is_believed_about_other_nodes(deployed, capsys):
    deployed.engine.add_task("s_flowdb", slot=2)
    deployed.engine.tasks[-1]["NodeID"] = "node2"
    assert document(capsys)["services"][0]["health"] == "healthy"

    deployed.engine.containers[0]["Status"] = "Up 2 minutes (unhealthy)"

    assert document(capsys)["services"][0]["health"] == "unhealthy"


def test_a_service_without_a_health_check_is_unchecked(deployed, capsys):
    deployed.engine.services["s_flowdb"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Healthcheck"] = None

    assert document(capsys, 4)["services"][0]["health"] == "unchecked"


def test_a_directory_is_as_large_as_its_files_each_counted_once(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(b"x" * 100_000)
    before = disk.size(tmp_path, 10)
    (tmp_path / "again").hardlink_to(tmp_path / "below" / "file")
    (tmp_path / "link").symlink_to("/usr")

    assert 100_000 <= before < 150_000
    assert disk.size(tmp_path, 10) <= before + 8192


def test_a_directory_with_too_many_files_is_not_waited_for(tmp_path):
    with pytest.raises(HostError, match="too many files"):
        disk.size(tmp_path, -1)


def test_a_directory_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(HostError, match="is not there"):
        disk.size(tmp_path / "nowhere", 10)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_disk_that_fails_is_a_reason(tmp_path, monkeypatch, error):
    def fails(_path):
        raise error

    monkeypatch.setattr(os, "scandir", fails)
    with pytest.raises(HostError, match=str(error.strerror).lower()):
        disk.size(Path(tmp_path), 10)
