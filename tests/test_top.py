"""What the running tasks take, as `invoke top` shows it."""

import io
import json
import threading

import pytest
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.operations import usage
from secrets_quickstart.swarm import engine as engines
from secrets_quickstart.tasks import watching
from tests.deployments import World
from tests.fakes import FakeApi


def counted(cpu=0, memory=50 << 20, **more):
    """What an engine with cgroup v1 says; `cpu` in percent of one processor."""
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": cpu * 10}, "system_cpu_usage": 2000, "online_cpus": 2},
        "precpu_stats": {"cpu_usage": {"total_usage": 0}, "system_cpu_usage": 0},
        "memory_stats": {"usage": memory, "limit": 100 << 20, "stats": {"total_inactive_file": 10 << 20}},
        "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 5}, {"op": "Write", "value": 7}]},
        "pids_stats": {"current": 3},
        **more,
    }


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path / "world", monkeypatch)
    monkeypatch.setattr(engines, "Engine", lambda _: made.engine)
    monkeypatch.setattr(watching, "settings", made.settings)
    made.deploy("flowmachine")
    made.engine.add_containers()
    made.engine.stats = {item["Id"]: counted(cpu=50) for item in made.engine.containers}
    return made


def shown(capsys, **options):
    capsys.readouterr()
    watching.top(Context(), **options)
    return capsys.readouterr().out


def test_each_running_task_is_shown_by_the_name_of_its_service(world, capsys):
    found = json.loads(shown(capsys, json=True))

    assert [task["task"] for task in found["tasks"]] == ["cache_cleaner.1", "flowdb.1", "flowmachine.1", "redis.1"]
    assert found["tasks"][1] == {
        "service": "flowdb", "task": "flowdb.1", "cpu": 50.0, "memory": 40 << 20, "memory_limit": 100 << 20,
        "received": 11, "sent": 22, "read": 5, "written": 7, "processes": 3,
    }  # fmt: skip


def test_elsewhere_than_on_a_terminal_it_is_one_plain_table(world, capsys):
    header, *rows = shown(capsys).splitlines()

    assert " ".join(header.split()) == "TASK CPU MEMORY LIMIT OF LIMIT RECEIVED SENT READ WRITTEN PROCESSES"
    assert " ".join(rows[1].split()) == "flowdb.1 50.0 % 41.9 MB 104.9 MB 40 % 0.0 MB 0.0 MB 0.0 MB 0.0 MB 3"
    assert len(rows) == 4


def test_the_second_version_of_cgroups_is_understood(world, capsys):
    stats = counted(
        memory_stats={"usage": 50 << 20, "limit": 100 << 20, "stats": {"inactive_file": 20 << 20}},
        blkio_stats={"io_service_bytes_recursive": [{"op": "read", "value": 5}, {"op": "write", "value": 7}]},
    )
    world.engine.stats = dict.fromkeys(world.engine.stats, stats)

    task = json.loads(shown(capsys, json=True))["tasks"][0]

    assert (task["memory"], task["read"], task["written"]) == (30 << 20, 5, 7)


def test_what_an_engine_leaves_out_is_nothing(world, capsys):
    stats = counted(networks=None, blkio_stats={"io_service_bytes_recursive": None}, pids_stats={})
    stats["precpu_stats"] = {"cpu_usage": {"total_usage": 0}}
    stats["cpu_stats"].pop("system_cpu_usage")
    world.engine.stats = dict.fromkeys(world.engine.stats, stats)

    task = json.loads(shown(capsys, json=True))["tasks"][0]

    assert [task[name] for name in ("cpu", "received", "sent", "read", "written", "processes")] == [0.0, 0, 0, 0, 0, 0]


def test_a_task_that_ends_meanwhile_is_left_out(world, capsys):
    flowdb, redis, *_ = world.engine.containers
    del world.engine.stats[flowdb["Id"]]
    world.engine.stats[redis["Id"]]["memory_stats"] = {}

    assert [task["task"] for task in json.loads(shown(capsys, json=True))["tasks"]] == [
        "cache_cleaner.1",
        "flowmachine.1",
    ]


def test_all_are_asked_side_by_side(world, capsys, monkeypatch):
    """The engine takes a second or two for each; all of them have to be asked before the first has answered."""
    meeting = threading.Barrier(4, timeout=10)
    stats = FakeApi.stats

    def slow(api, container, **options):
        meeting.wait()
        return stats(api, container, **options)

    monkeypatch.setattr(FakeApi, "stats", slow)

    assert len(json.loads(shown(capsys, json=True))["tasks"]) == 4


def test_tasks_of_other_nodes_are_named_with_the_node_to_ask(world, capsys):
    task = world.engine.tasks[0]
    task["NodeID"] = "node2"
    world.engine.add_containers()

    assert json.loads(shown(capsys, json=True))["elsewhere"] == [
        {"service": "flowdb", "task": "flowdb.1", "node": "node2"}
    ]
    assert shown(capsys).splitlines()[-1] == "on node2, which can only be asked there: flowdb.1"


def test_a_worker_shows_its_own_tasks_and_says_that_it_knows_no_others(world, capsys):
    world.engine.manager = False

    *_, last = shown(capsys).splitlines()

    assert last == "only this node is shown: it is no manager of a swarm, and only managers know where tasks are"


def test_nothing_that_runs_is_said_to_be_nothing(world, capsys):
    world.engine.containers = []

    assert shown(capsys) == "no task of the stack s runs on this node\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_one_table_takes_the_place_of_the_other_until_ctrl_c(world, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr(watching, "BETWEEN", 0)
    looks: list[usage.Look] = []

    def look(*arguments):
        if len(looks) == 3:
            raise KeyboardInterrupt
        looks.append(usage_look(*arguments))
        return looks[-1]

    usage_look = usage.look
    monkeypatch.setattr(usage, "look", look)

    watching.top(Context())

    assert len(looks) == 3
    assert terminal.getvalue().count("redis.1") >= 3
    assert "\x1b[" in terminal.getvalue()


def test_on_a_terminal_once_is_one_plain_table(world, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert report.is_live()

    watching.top(Context(), once=True)

    assert terminal.getvalue().count("redis.1") == 1
    assert "\x1b[" not in terminal.getvalue()
