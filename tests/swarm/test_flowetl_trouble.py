"""FlowETL when it goes wrong: a day is seen as a whole or not at all, and is right once it is loaded again.

Every day has its own trouble, so that no test disturbs another.
"""

import contextlib
import os
import re
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from tests.swarm.eventually import eventually
from tests.swarm.loading import contents
from tests.swarm.machine import container_of, engine
from tests.swarm.neighbour import neighbour
from tests.swarm.troubled_days import LONG, PORTS, ROWS, Etl, calls, messages

pytestmark = pytest.mark.swarm

STACK = "selftest-etl-trouble"

LOG_SPACE = "1g"
"""As much as preflight asks for: memory is taken only for what is written."""


@contextmanager
def memory(folder):
    """A file system of its own at a folder, which can be made full at once."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={LOG_SPACE},mode=0755", STACK, folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)


@contextmanager
def full(folder):
    """Meanwhile nothing can be written there, and no file or folder made."""

    def fill():
        used = os.statvfs(folder)
        size = (used.f_blocks - used.f_bfree) * used.f_frsize
        files = used.f_files - used.f_ffree
        with contextlib.suppress(subprocess.CalledProcessError):  # somebody wrote meanwhile
            mount("-o", f"remount,size={size},nr_inodes={files}", folder)
            return True

    eventually(fill)
    try:
        yield
    finally:
        mount("-o", f"remount,size={LOG_SPACE},nr_inodes=100000", folder)


@pytest.fixture(scope="module")
def etl(tmp_path_factory):
    place = tmp_path_factory.mktemp("etl-trouble")
    with (
        memory(place / "logs") as logs,
        neighbour(place / "here", STACK, PORTS, FLOWETL_HOST_LOG_DIR=str(logs)) as made,
    ):
        found = Etl(made, logs)
        found.prepare()
        made.invoke("deploy", "--target", "flowetl")
        yield found
        for loading in found.begun:
            with contextlib.suppress(ValueError):  # it was heard to its end
                loading.stop()


def scale(service, replicas):
    subprocess.run(
        ["docker", "service", "scale", "--detach=true", f"{STACK}_{service}={replicas}"],
        check=True,
        capture_output=True,
    )
    eventually(lambda: len(running(service)) == replicas, LONG)


def running(service):
    return engine().containers(filters={"label": f"com.docker.swarm.service.name={STACK}_{service}"})


def containers_of(services):
    return {name: container_of(STACK, name) for name in services}


def nothing_or_all(path):
    """What may be seen of a day while it is loaded; between the last two its rows are there, and not announced."""
    file = contents(path)
    return {(0, 0, False), (file.rows, file.checksum, False), (file.rows, file.checksum, True)}


def in_the_middle(change):
    """A change of one line of a file."""

    def changed(lines):
        middle = len(lines) // 2
        return [*lines[:middle], change(lines[middle]), *lines[middle + 1 :]]

    return changed


MALFORMED, OUTSIDE, MISSING = calls(2), calls(3), calls(4)
CHANGES = {
    MALFORMED: in_the_middle(lambda line: line.replace(str(MALFORMED.date), "yesterday-ish")),
    OUTSIDE: in_the_middle(lambda line: line.replace(str(OUTSIDE.date), str(OUTSIDE.date + timedelta(1)))),
    MISSING: None,
}
FAULTS = pytest.mark.parametrize("day", CHANGES, ids=["malformed", "outside", "missing"])


@pytest.fixture(scope="module")
def failed(etl):
    """What became of the days that cannot be loaded: at the same time, since each mostly waits."""
    for day, change in CHANGES.items():
        if change:
            etl.write(day, change)
    begun = {day: etl.begin(day) for day in CHANGES}
    return {day: loading.end() for day, loading in begun.items()}


@pytest.fixture(scope="module")
def mended(etl, failed):
    """What became of them with the right files."""
    for day in CHANGES:
        etl.write(day)
    begun = {day: etl.begin(day) for day in CHANGES}
    return {day: loading.end() for day, loading in begun.items()}


@FAULTS
def test_what_cannot_be_loaded_fails_the_day_says_why_and_is_not_seen(etl, failed, day):
    task, why = {
        MALFORMED: ("extract", rf"COPY stg_calls_{day.digits}, line {ROWS // 2 + 2}\b"),
        OUTSIDE: ("attach", "partition constraint .* is violated by some row"),
        MISSING: ("wait_for_file", "Sensor has timed out"),
    }[day]
    document, said = failed[day]

    assert (document["state"], document["loaded"]) == ("failed", False)
    assert [item["task"] for item in document["failed"]] == [task]
    assert re.search(why, "\n".join(document["failed"][0]["log"]))
    assert re.search(why, said)
    assert etl.is_unseen(day)
    assert etl.status(day)["state"] == "failed"
    assert task in etl.status(day)["detail"]
    left = {
        MALFORMED: {f"stg_calls_{day.digits}"},
        OUTSIDE: {f"extract_calls_{day.digits}"},
        MISSING: set(),
    }
    assert etl.left_of(day) == left[day]


@FAULTS
def test_the_day_is_right_once_its_file_is_and_nothing_is_left_of_before(etl, mended, day):
    document, said = mended[day]

    assert document["state"] == "succeeded", said
    assert etl.is_right(day)
    assert etl.left_of(day) == set()


def test_a_file_that_is_being_written_is_loaded_when_it_is_complete(etl):
    day = calls(5)
    etl.write(day)
    path = etl.path(day)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:100]))
    rest = iter(lines[100:])
    is_seen = threading.Event()

    def write():
        with path.open("a") as file:
            for line in rest:
                file.write(line)
                file.flush()
                if is_seen.wait(0.5):
                    file.writelines(rest)

    writer = threading.Thread(target=write)
    writer.start()
    loading = etl.begin(day)
    try:
        eventually(lambda: etl.says(day, "check_not_in_flux waits"), LONG)
        assert etl.is_unseen(day)
    finally:
        is_seen.set()
        writer.join()

    document, said = loading.end()

    assert document["state"] == "succeeded", said
    assert contents(path).rows == ROWS
    assert etl.is_right(day)


def test_a_flowdb_that_goes_in_the_middle_of_a_load_is_waited_for(etl):
    day = messages(6)
    etl.write(day)
    with etl.watched(day) as seen:
        loading = etl.begin(day)
        with etl.held(day):
            engine().kill(container_of(STACK, "flowdb"))
        document, said = loading.end()

    assert document["state"] == "succeeded", said
    assert "extract failed at attempt 1" in said
    assert "server closed the connection unexpectedly" in said
    assert etl.is_right(day)
    assert seen <= nothing_or_all(etl.path(day))


def test_a_worker_that_is_killed_in_the_middle_of_a_load_is_noticed_and_its_task_done_again(etl):
    day = messages(7)
    etl.write(day)
    with etl.watched(day) as seen:
        loading = etl.begin(day)
        with etl.held(day) as is_held:
            engine().kill(container_of(STACK, "flowetl_worker"))
            # what it began in FlowDB ends soon, or its successor would wait for that
            eventually(lambda: not is_held(), 30)
        document, said = loading.end()

    assert document["state"] == "succeeded", said
    assert "extract failed at attempt 1" in said
    assert "did not emit heartbeat" in said
    assert etl.is_right(day)
    assert seen <= nothing_or_all(etl.path(day))


def test_without_the_broker_for_a_minute_nothing_fails_and_all_goes_on_by_itself_afterwards(etl):
    day = messages(8)
    etl.write(day)
    services = ("flowetl_scheduler", "flowetl_worker", "flowetl_webserver", "flowetl_triggerer", "flowetl_flower")
    before = containers_of(services)
    with etl.watched(day) as seen:
        loading = etl.begin(day)
        with etl.held(day):
            scale("flowetl_redis", 0)
            gone = time.monotonic()
        # what the worker was at ends well without it, and nothing comes after
        with etl.connect() as flowdb:
            extracted = f"SELECT to_regclass('etl.extract_{day.kind.name}_{day.digits}')"
            eventually(lambda: flowdb.execute(extracted).fetchone()[0], LONG)
        time.sleep(max(0.0, 60 - (time.monotonic() - gone)))
        assert etl.status(day)["state"] == "running"
        assert etl.is_unseen(day)
        scale("flowetl_redis", 1)
        document, said = loading.end()

    assert document["state"] == "succeeded", said
    assert "failed at attempt" not in said
    assert etl.is_right(day)
    assert seen <= nothing_or_all(etl.path(day))
    assert containers_of(services) == before


def test_a_disk_for_logs_that_gets_full_ends_no_task_that_runs_and_is_told_of(etl):
    day = calls(9)
    etl.write(day)
    loading = etl.begin(day)
    with contextlib.ExitStack() as room:
        with etl.held(day):
            room.enter_context(full(etl.logs))
        document, said = loading.end()
        # the extract that ran has ended well without its log, and what came next did not begin
        assert (document["state"], document["loaded"]) == ("failed", False)
        assert {item["task"] for item in document["failed"]} == {"add_constraints", "add_indexes"}
        assert "finished with state failed" in said
        assert etl.is_unseen(day)
        assert etl.status(day)["detail"] == "add_constraints, add_indexes"
        written = etl.machine.invoke("logs", "flowetl_worker")
        assert "No space left on device" in written.stdout + written.stderr
        assert "0 MB free" in str(etl.machine.json("verify", "--target", "flowetl", expect=5))
        looked = etl.machine.invoke("doctor", "--target", "flowetl", expect=3)
        assert f"0.0 GB free of 0.0 GB at {etl.logs}" in looked.stdout + looked.stderr

    document, said = etl.load(day)

    assert document["state"] == "succeeded", said
    assert etl.is_right(day)
