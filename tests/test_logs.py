"""What services have written, as `invoke logs` shows it."""

import json
import threading

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.swarm import engine as engines
from secrets_quickstart.swarm import logs
from secrets_quickstart.tasks import watching
from tests.deployments import World
from tests.fakes import FakeApi


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path / "world", monkeypatch)
    monkeypatch.setattr(engines, "Engine", lambda _: made.engine)
    monkeypatch.setattr(watching, "settings", made.settings)
    made.deploy("flowdb")
    return made


def shown(capsys, service="flowdb", **options):
    capsys.readouterr()
    watching.logs(Context(), service=service, **options)
    return capsys.readouterr().out.splitlines()


def task_of(world):
    return world.engine.tasks[0]["ID"]


def test_the_lines_of_a_service_are_shown_as_they_were_written(world, capsys):
    world.engine.write(task_of(world), "one\n")
    world.engine.write(task_of(world), "  two \r\n")

    assert shown(capsys) == ["one", "  two "]


def test_a_long_line_that_the_engine_has_cut_is_one_again_though_another_task_writes_between(world, capsys):
    first = task_of(world)
    world.engine.add_task("s_flowdb", slot=2)
    second = world.engine.tasks[-1]["ID"]
    world.engine.write(first, "a long ")
    world.engine.write(second, "another's\n")
    world.engine.write(first, "line\n")
    world.engine.write(second, "not yet ended")

    lines = [json.loads(line) for line in shown(capsys, json=True)]

    assert [(line["task"], line["text"]) for line in lines] == [
        ("flowdb.2", "another's"),
        ("flowdb.1", "a long line"),
        ("flowdb.2", "not yet ended"),
    ]
    assert {line["time"] for line in lines} == {"2026-01-01T00:00:00.123456789Z"}


def test_where_a_service_has_several_tasks_each_line_says_whose_it_is(world, capsys):
    world.engine.services["s_flowdb"]["Spec"]["Mode"]["Replicated"]["Replicas"] = 2
    world.engine.write(task_of(world), "one\n")
    world.engine.write("forgottenbytheswarm", "two\n")

    assert shown(capsys) == ["flowdb.1  one", "flowdb.forgottenbyt  two"]


def test_a_message_without_its_origin_is_shown_all_the_same(world, capsys):
    world.engine.log.append(b"error from daemon in stream: incomplete log stream\n")

    assert shown(capsys) == ["error from daemon in stream: incomplete log stream"]


def test_since_is_counted_back_from_the_engines_clock_and_tail_is_passed_on(world, capsys):
    now = world.engine.now().timestamp()

    shown(capsys, since="10m", tail=5, follow=True)

    options = world.engine.log_options
    assert abs(options["since"] - (now - 600)) <= 1
    assert (options["tail"], options["follow"], options["stdout"], options["stderr"]) == (5, True, True, True)


def test_without_options_everything_is_asked_for_once(world, capsys):
    shown(capsys)

    assert (world.engine.log_options["tail"], world.engine.log_options["follow"]) == ("all", False)
    assert "since" not in world.engine.log_options


def here(world, task_id, container):
    """The task is one of this node's."""
    world.engine.containers.append({"Id": container, "Labels": {"com.docker.swarm.task.id": task_id}})
    return container


def test_what_was_written_on_this_node_is_not_asked_of_the_swarm(world, capsys, monkeypatch):
    world.engine.add_task("s_flowdb", slot=2)
    for number, task in enumerate(world.engine.tasks):
        container = here(world, task["ID"], f"c{number}")
        world.engine.write_here(container, f"first of {number}\n", second=number)
        world.engine.write_here(container, "a long ", second=number + 10)
        world.engine.write_here(container, "line\n", second=number + 10)

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(FakeApi, "service_logs", never)

    assert shown(capsys) == ["first of 0", "first of 1", "a long line", "a long line"]


def test_what_was_written_elsewhere_comes_between(world, capsys):
    world.engine.add_task("s_flowdb", slot=2)
    one, two = (task["ID"] for task in world.engine.tasks)
    world.engine.write_here(here(world, one, "c1"), "third\n", second=3)
    for second, task_id, text in ((2, two, "second\n"), (3, one, "third\n"), (4, two, "fourth\n")):
        world.engine.write(task_id, text, second=second)

    assert shown(capsys) == ["second", "third", "fourth"]


def test_following_goes_on_where_the_containers_log_ended(world, capsys):
    task_id = task_of(world)
    world.engine.write_here(here(world, task_id, "c1"), "one\n", second=1)
    for second, text in ((1, "one\n"), (2, "two\n")):
        world.engine.write(task_id, text, second=second)

    assert shown(capsys, follow=True, tail=1) == ["one", "two"]
    options = world.engine.log_options
    assert (options["since"], options["tail"]) == ("1767225601.123456789", "all")


def test_a_log_whose_end_the_engine_has_forgotten_ends_when_nothing_comes(world, capsys, monkeypatch):
    def endless(*_, **__):
        yield b"one\n"
        threading.Event().wait()

    monkeypatch.setattr(FakeApi, "service_logs", endless)
    monkeypatch.setattr(logs, "SILENCE", 0.05)

    assert shown(capsys) == ["one"]


def test_ctrl_c_is_how_following_ends(world, capsys, monkeypatch):
    def lines(*_, **__):
        yield b"one\n"
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeApi, "service_logs", lines)

    assert shown(capsys, follow=True) == ["one"]


def test_lines_come_as_they_are_written(world, capsys, monkeypatch):
    def lines(*_, **__):
        yield b"one\n"
        assert capsys.readouterr().out == "one\n"
        yield b"two\n"

    monkeypatch.setattr(FakeApi, "service_logs", lines)

    assert shown(capsys, follow=True) == ["two"]


def test_a_log_that_cannot_be_read_is_an_error_that_says_whose(world, capsys, monkeypatch):
    import docker.errors

    def lines(*_, **__):
        raise docker.errors.APIError("no", explanation="logging driver does not support reading")

    monkeypatch.setattr(FakeApi, "service_logs", lines)
    with pytest.raises(Exit) as raised:
        shown(capsys)

    assert raised.value.code == 1
    assert "the log of flowdb cannot be read: logging driver" in capsys.readouterr().err


def test_a_service_that_is_not_there_is_refused_with_those_that_are(world, capsys):
    with pytest.raises(Exit) as raised:
        shown(capsys, service="flowbd")

    assert raised.value.code == 2
    assert "choose one of flowdb" in capsys.readouterr().err


@pytest.mark.parametrize("since", ["10", "m", "-1h", "1w", "ten minutes"])
def test_a_since_that_is_not_understood_is_refused(world, capsys, since):
    with pytest.raises(Exit) as raised:
        shown(capsys, since=since)

    assert raised.value.code == 2
    assert "write it like 90s, 10m, 2h or 1d" in capsys.readouterr().err
