"""A backup on a real engine: made, refused, cut off, and restored onto a machine that has nothing of it.

Each test goes on from the one before it.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from cryptography.fernet import Fernet

from tests.swarm.machine import engine, execute
from tests.swarm.neighbour import is_untouched, mistake, neighbour

pytestmark = pytest.mark.swarm

STACK = "selftest-backup"
SETTINGS = "FLOWDB_SAMPLE_DATA=true\nFLOWDB_SAMPLE_DAYS=2\nFLOWDB_SAMPLE_SEED=7\n"
COUNT = "SELECT count(*), count(DISTINCT msisdn) FROM events.calls"
RUNNING_SINCE = "SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
"""PostgreSQL starts it anew after a crash of any of its processes."""
USER = "SELECT username FROM public.user ORDER BY id"
TOKEN = "a token that somebody made"
ADD_TOKEN = """
WITH made AS (INSERT INTO server (name, longest_token_life_minutes, latest_token_expiry)
              VALUES ('flowapi', 60, now()) RETURNING id)
INSERT INTO token_history (name, _token, expiry, user_id, server_id)
SELECT 'mine', '{sealed}', now(), (SELECT min(id) FROM public.user), id FROM made
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("backup")


@pytest.fixture(scope="module")
def machine(place):
    with neighbour(place / "one", STACK, 26000) as made:
        (made.folder / ".env").write_text(SETTINGS)
        made.invoke("deploy", "--target", "library")
        made.invoke("deploy", "--target", "flowauth")
        sealed = Fernet(made.value("FLOWAUTH_FERNET_KEY")).encrypt(TOKEN.encode()).decode()
        sql("flowauth_postgres", "flowauth", ADD_TOKEN.format(sealed=sealed))
        yield made


@pytest.fixture(scope="module")
def passphrase(place):
    path = place / "passphrase"
    path.write_text("of the tests, and long enough\n")
    path.chmod(0o600)
    return f"--passphrase-file={path}"


@pytest.fixture(scope="module")
def directory(place):
    path = place / "backups"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def made(machine, directory, passphrase):
    """What runs, and a backup of it."""
    return machine.json("backup", str(directory), passphrase)


@pytest.fixture(scope="module")
def before(machine, made):
    """What a restored system has to say as well."""
    names = [row["name"] for row in machine.json("secrets.list")]
    return asked(names, machine)


def asked(names, machine):
    return {
        "values": {name: machine.value(name) for name in names},
        "calls": sql("flowdb", "flowdb", COUNT),
        "users": sql("flowauth_postgres", "flowauth", USER),
        "token": kept_token(machine),
        "identifier": sql("flowdb", "flowdb", "SELECT system_identifier FROM pg_control_system()"),
    }


def kept_token(machine):
    """What FlowAuth would show its owner."""
    sealed = sql("flowauth_postgres", "flowauth", "SELECT _token FROM token_history")
    return Fernet(machine.value("FLOWAUTH_FERNET_KEY")).decrypt(sealed).decode()


def sql(service, user, query):
    return execute(STACK, service, "psql", "-X", "-A", "-t", "-U", user, "-c", query).strip()


def whole(directory):
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


def drafts(directory):
    return [path.name for path in directory.iterdir() if path.name.startswith(".")]


def left_by_verification():
    api = engine()
    volumes = [item["Name"] for item in api.volumes()["Volumes"] or () if item["Name"].startswith(STACK)]
    running = [name for item in api.containers(all=True) for name in item["Names"] if name.startswith(f"/{STACK}")]
    return [name for name in (*volumes, *running) if name.endswith(("_verifying", "_restoring"))]


def test_a_backup_is_one_folder_in_which_no_value_can_be_read(machine, made, directory, before):
    [name] = whole(directory)
    folder = directory / name

    assert made["folder"] == str(folder)
    assert made["databases"] == {"flowdb": "physical", "flowauth": "physical"}
    assert drafts(directory) == []
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {path.name for path in folder.iterdir()} == {*manifest["files"], "manifest.json", "manifest.age"}
    assert manifest["services"]["flowdb"]["id"].startswith("sha256:")
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    secrets = [value.encode() for value in before["values"].values() if len(value) > len("flowmachine")]
    assert len(secrets) > 10
    assert not [value for value in secrets if value in content]


def test_it_is_restored_beside_what_runs_and_taken_away_again(machine, made, passphrase, before):
    found = machine.json("backup.verify", made["folder"], passphrase)

    calls, subscribers = before["calls"].split("|")
    assert int(calls) <= found["databases"]["flowdb"]["rows"]
    assert found["databases"]["flowdb"]["query"]["subscribers"] <= int(subscribers)
    assert found["databases"]["flowauth"]["rows"] > 0
    assert left_by_verification() == []


def test_a_flipped_byte_is_refused(machine, made, passphrase, place):
    copy = place / "flipped"
    shutil.copytree(made["folder"], copy)
    path = copy / "flowdb.tar.age"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    said = mistake(machine.invoke("backup.verify", str(copy), passphrase, expect=1))

    assert "flowdb.tar.age: it was changed" in said
    assert left_by_verification() == []


def test_another_passphrase_is_refused(machine, made, place):
    other = place / "other"
    other.write_text("another one\n")
    other.chmod(0o600)

    said = mistake(machine.invoke("backup.verify", made["folder"], f"--passphrase-file={other}", expect=1))

    assert "the passphrase is wrong" in said


def test_a_full_disk_leaves_no_folder(machine, place, passphrase):
    small = place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(small)], check=True)
    try:
        said = mistake(machine.invoke("backup", str(small), passphrase, expect=1))

        assert f"the backup cannot be written to {small}: no space left on device" in said
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_killed_backup_leaves_nothing_that_looks_whole_and_the_next_one_works(machine, directory, passphrase, made):
    kept = whole(directory)
    since = sql("flowdb", "flowdb", RUNNING_SINCE)
    with machine.start("backup", str(directory), passphrase) as process:
        until(lambda: any(path.stat().st_size for path in directory.glob(".*/flowdb.tar.age")))
        os.killpg(process.pid, signal.SIGKILL)

    assert whole(directory) == kept
    assert drafts(directory)
    until(lambda: sql("flowdb", "flowdb", "SELECT count(*) FROM pg_replication_slots") == "0")

    again = machine.json("backup", str(directory), passphrase, "--keep", "1")

    assert again["deleted"] == [str(directory / name) for name in kept]
    assert [str(directory / name) for name in whole(directory)] == [again["folder"]]
    assert drafts(directory) == []
    assert sql("flowdb", "flowdb", RUNNING_SINCE) == since


def until(there):
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_machine_that_has_something_is_left_alone(machine, directory, passphrase, before):
    [name] = whole(directory)

    said = mistake(machine.invoke("restore", str(directory / name), passphrase, expect=1))

    assert f"the stack {STACK} runs already" in said
    assert sql("flowdb", "flowdb", COUNT) == before["calls"]


def test_an_emptied_machine_has_the_same_system_again_although_the_first_run_is_killed(
    machine, directory, passphrase, before
):
    [name] = whole(directory)
    machine.invoke("purge", "--stack", STACK)
    (machine.folder / ".env").unlink()
    assert is_untouched(machine)

    killed = machine.invoke_and_kill(
        "restore", str(directory / name), passphrase, when=lambda line: "restore: flowauth into" in line, after=1.0
    )
    assert killed.status == -signal.SIGKILL
    ended = machine.invoke("restore", str(directory / name), passphrase)

    assert "restored and verified" in ended.stdout
    assert (machine.folder / ".env").read_text() == SETTINGS
    assert asked(list(before["values"]), machine) == before
    assert left_by_verification() == []
    assert "nothing to do" in machine.invoke("restore", str(directory / name), passphrase).stdout
    assert machine.json("verify")["counts"]["obstacle"] == 0
    for target in ("library", "flowauth"):
        assert machine.json("deploy", "--target", target)["changes"] == 0


def test_a_dump_is_restored_too_and_its_roles_keep_their_passwords(machine, place, passphrase, before):
    directory = place / "logical"
    found = machine.json("backup", str(directory), passphrase, "--logical")
    assert found["databases"]["flowdb"] == "logical"
    assert machine.json("backup.verify", found["folder"], passphrase)["databases"]["flowdb"]["rows"] > 0
    machine.invoke("purge", "--stack", STACK)

    machine.invoke("restore", found["folder"], passphrase)

    now = asked(list(before["values"]), machine)
    assert now.pop("identifier") != before["identifier"]
    assert now == {name: value for name, value in before.items() if name != "identifier"}
    assert machine.json("deploy", "--target", "library")["changes"] == 0
