"""A FlowDB with data and images that are broken on purpose, on a real engine; then one that is good.

Each test goes on from the one before it.
"""

from __future__ import annotations

import os
import signal

import pytest

from secrets_quickstart.swarm import images
from tests.swarm.machine import engine as api
from tests.swarm.machine import execute, objects
from tests.swarm.neighbour import mistake, neighbour

pytestmark = pytest.mark.swarm

STACK = "selftest-upgrade"
SETTINGS = "FLOWDB_SAMPLE_DATA=true\nFLOWDB_SAMPLE_DAYS=1\nFLOWDB_SAMPLE_SEED=7\n"
HELD = """
SELECT (SELECT md5(string_agg(c::text, ',' ORDER BY c::text)) FROM events.calls c),
       (SELECT count(*) FROM events.calls), (SELECT string_agg(word, ' ' ORDER BY word) FROM mine)
"""
START = 'exec postgres -D "$PGDATA" "$@"\n'
DOES_NOT_START = "echo 'no, not today' >&2; exit 1\n"
DAMAGES = """echo 'DELETE FROM events.calls' | postgres --single -D "$PGDATA" flowdb >/dev/null\n"""
IS_GOOD = ": another version\n"
MADE: list[str] = []
"""References of the images that these tests have built."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("upgrade")


@pytest.fixture(scope="module")
def machine(place, engine):
    with neighbour(place / "one", STACK, 21000) as made:
        (made.folder / ".env").write_text(SETTINGS)
        made.invoke("deploy", "--target", "flowdb")
        sql("CREATE TABLE mine (word text); INSERT INTO mine VALUES ('kept')")
        yield made
    for reference in MADE:
        images.remove(engine, reference)


@pytest.fixture(scope="module")
def passphrase(place):
    path = place / "passphrase"
    path.write_text("of the tests, and long enough\n")
    path.chmod(0o600)
    return f"--passphrase-file={path}"


@pytest.fixture(scope="module")
def upgrade(place, passphrase):
    return ("upgrade", passphrase, "--backup", str(place / "backups"))


def sql(statement):
    return execute(STACK, "flowdb", "psql", "-X", "-A", "-t", "-U", "flowdb", "-d", "flowdb", "-c", statement).strip()


def image():
    service = api().inspect_service(f"{STACK}_flowdb")
    return service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]


def another_image(machine, before_it_starts):
    """This repository has another FlowDB now, which does something more before its server starts."""
    folder = machine.folder / "images" / "flowdb"
    script = (folder / "entrypoint.sh").read_text()
    first = script.index("exec postgres -D")
    begins = script.rindex("$is_new || write_cache_settings\n", 0, first) + len("$is_new || write_cache_settings\n")
    (folder / "entrypoint.sh").write_text(script[:begins] + before_it_starts + START)
    (folder / "Dockerfile").write_text(
        f"ARG BASE\nFROM {os.environ['FLOWDB_IMAGE']}\nCOPY --chmod=0755 entrypoint.sh /usr/local/bin/\n"
    )
    MADE.append(images.recipes(machine.folder / "images", ["flowdb"])["flowdb"].reference)


def test_an_image_that_does_not_start_leaves_the_old_one_running_and_what_was_written_meanwhile(machine, upgrade):
    before, held = image(), sql(HELD)
    another_image(machine, DOES_NOT_START)
    [change] = machine.json("upgrade", "--dry-run", expect=2)["changes"]
    assert (change["service"], change["old"]) == ("flowdb", before)

    said = mistake(machine.invoke(*upgrade, expect=4))

    assert "the upgrade failed, and the former version runs again" in said
    assert "no, not today" in said
    assert "nothing is missing" in said
    assert image() == before
    assert sql(HELD) == held
    assert machine.json("verify")["counts"]["obstacle"] == 0


def test_an_image_that_starts_and_deletes_records_is_taken_back_and_so_are_they(machine, upgrade, place):
    before, held = image(), sql(HELD)
    another_image(machine, DAMAGES)

    said = mistake(machine.invoke(*upgrade, expect=5))

    assert "the new version has lost something of FlowDB" in said
    assert "FlowDB was restored as of" in said
    assert image() == before
    assert sql(HELD) == held
    [left] = (place / "backups").glob(f"{STACK}-flowdb-left-*")
    assert f"is in {left}" in said
    assert {path.name for path in left.iterdir()} == {"key.age", "flowdb.tar.age"}
    assert (left / "flowdb.tar.age").stat().st_size > 1 << 20
    assert machine.json("verify")["counts"]["obstacle"] == 0


def test_killed_in_the_middle_the_next_run_carries_on_and_a_third_changes_nothing(machine, upgrade):
    before, held = image(), sql(HELD)
    another_image(machine, IS_GOOD)

    killed = machine.invoke_and_kill(*upgrade, when=lambda line: line.startswith("stack: update the service flowdb"))
    assert killed.status == -signal.SIGKILL, killed.stderr
    refused = mistake(machine.invoke("deploy", "--target", "flowdb", expect=2))
    assert "an upgrade was interrupted" in refused
    done = machine.json(*upgrade)

    assert done["carried_on"]
    assert [(change["old"], change["new"]) for change in done["changes"]] == [(before, image())]
    assert image() != before
    assert ": another version" in execute(STACK, "flowdb", "cat", "/usr/local/bin/entrypoint.sh")
    assert sql(HELD) == held
    assert machine.json("verify")["counts"]["obstacle"] == 0
    there = objects(STACK)
    assert "nothing to upgrade" in machine.invoke(*upgrade).stdout
    assert objects(STACK) == there
    assert machine.json("deploy", "--target", "flowdb")["changes"] == 0
    assert any(entry["command"] == "upgrade" and entry["status"] == 0 for entry in machine.json("audit"))
