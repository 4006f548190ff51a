"""The audit log: what was changed by which command, appended whole, and read again whatever became of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import audit
from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.catalog.sources import FromVariable
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.operations import remove
from secrets_quickstart.settings import caller, load
from secrets_quickstart.tasks import deploying, hosts, people, removing, secrets_of_stack, watching
from secrets_quickstart.tasks import task as tasks
from secrets_quickstart.tasks.task import task
from tests.deployments import World

PLAIN = "hunter2hunter2hunter2"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The state folder of a stack; commands of these tests are those of its operator, whose name is ada."""
    chosen = load(tmp_path, {"HOME": str(tmp_path), "FLOWKIT_STACK": "s"})
    monkeypatch.setattr("secrets_quickstart.settings.load", lambda _: chosen)
    monkeypatch.setattr("secrets_quickstart.settings.caller", lambda: "ada")
    return chosen.state_dir


@task(help={"name": "A name.", "force": "A flag.", "other": "Another."})
def change(_c, name, force=False, other="x"):
    """Change things."""
    tasks.settings()
    audit.note(f"change {name}")
    if name == "broken":
        raise ServiceError("it broke")
    audit.note("change", "more")


def test_what_was_changed_is_told_with_command_flags_user_and_outcome(folder):
    before = datetime.now(UTC).replace(microsecond=0)

    change(Context(), "one", force=True, other="x")

    (entry,) = audit.read(folder)
    assert (entry.command, entry.flags, entry.user, entry.stack) == ("change", ("--force",), "ada", "s")
    assert (entry.actions, entry.status) == (("change one", "change", "more"), 0)
    assert before <= entry.time <= datetime.now(UTC)
    assert (folder / audit.FILE).stat().st_mode & 0o777 == 0o600


def test_values_of_flags_are_not_in_it(folder):
    change(Context(), "one", other=PLAIN)

    (entry,) = audit.read(folder)
    assert entry.flags == ("--other",)
    assert PLAIN not in (folder / audit.FILE).read_text()


def test_a_failure_is_told_with_its_exit_status(folder):
    with pytest.raises(Exit):
        change(Context(), "broken")

    (entry,) = audit.read(folder)
    assert (entry.actions, entry.status) == (("change broken",), 1)


def test_a_command_that_changes_nothing_writes_nothing(folder):
    @task()
    def look(_c):
        """Look."""
        tasks.settings()
        audit.note()

    look(Context())

    assert not (folder / audit.FILE).exists()


def test_a_run_that_was_killed_has_left_what_it_was_at(folder):
    audit.begin("deploy", ["--target"], "ada")
    audit.place(folder, "s")
    audit.note("stack: create the service flowdb")
    change(Context(), "one")

    killed, after = audit.read(folder)
    assert (killed.actions, killed.status) == (("stack: create the service flowdb",), None)
    assert after.status == 0


def test_lines_are_only_ever_appended(folder):
    change(Context(), "one")
    first = (folder / audit.FILE).read_bytes()

    change(Context(), "two")

    assert (folder / audit.FILE).read_bytes().startswith(first)
    assert [entry.actions[0] for entry in audit.read(folder)] == ["change one", "change two"]


FOREIGN = {"time": "2026-11-26T01:00:00+00:00", "command": "c", "flags": [], "user": "u", "stack": "s", "actions": []}


@pytest.mark.parametrize(
    "scrap",
    [
        *(b'{"time": "2026-', b"\xff\xfe\n", b"[]\n", b'{"time": 1}\n', b'{"time": "x", "run": "a"}\n', b"\n\n"),
        json.dumps({**FOREIGN, "flags": 7}).encode() + b"\n",
        json.dumps({**FOREIGN, "actions": 7}).encode() + b"\n",
        json.dumps({**FOREIGN, "time": "2026-11-26T01:00:00"}).encode() + b"\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=range(10),
)
def test_a_torn_or_foreign_line_spoils_no_other(folder, scrap):
    change(Context(), "one")
    with (folder / audit.FILE).open("ab") as log:
        log.write(scrap)

    change(Context(), "two")

    assert [entry.actions[0] for entry in audit.read(folder)] == ["change one", "change two"]
    assert [entry.status for entry in audit.read(folder, datetime(2000, 1, 1, tzinfo=UTC))] == [0, 0]


def test_a_log_that_cannot_be_written_is_a_warning_and_no_failure(folder, capsys):
    (folder / audit.FILE).mkdir(parents=True)

    change(Context(), "one")

    said = capsys.readouterr().err
    assert said.count("warning: the audit log is not whole") == 1
    assert "is a directory" in said


def test_a_link_in_its_place_is_not_followed(folder, tmp_path, capsys):
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("mine")
    (folder / audit.FILE).symlink_to(tmp_path / "elsewhere")

    change(Context(), "one")

    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert "warning" in capsys.readouterr().err


def test_it_is_shown_to_people_and_programs_and_only_as_far_back_as_asked(folder, capsys):
    change(Context(), "one", force=True)
    log = folder / audit.FILE
    old = f"{datetime.now(UTC) - timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}"
    log.write_text(
        "".join(json.dumps({**json.loads(line), "time": old}) + "\n" for line in log.read_text().splitlines())
    )
    change(Context(), "two")
    capsys.readouterr()

    watching.audit_(Context(), json=True)
    both = json.loads(capsys.readouterr().out)
    watching.audit_(Context(), json=True, since="7d")
    late = json.loads(capsys.readouterr().out)
    watching.audit_(Context())
    lines = capsys.readouterr().out.splitlines()

    assert [entry["actions"][0] for entry in both] == ["change one", "change two"]
    assert [entry["actions"][0] for entry in late] == ["change two"]
    assert both[0].keys() == {"time", "command", "flags", "user", "stack", "actions", "status"}
    assert "change --force  ada  status 0" in lines[0]
    assert lines[1] == "  change one"


def test_where_nothing_was_changed_that_is_said(folder, capsys):
    watching.audit_(Context(), since="7d")

    assert capsys.readouterr().out == "nothing was changed in the last 7d\n"


def test_behind_sudo_it_is_who_called_it(monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert caller({"SUDO_USER": "ada"}) == "ada"
    assert caller({}) == "root"
    monkeypatch.setattr("os.getuid", lambda: 12345678)
    assert caller({"SUDO_USER": "ada"}) == "12345678"


class Commands:
    """The commands themselves, on a fake engine."""

    def __init__(self, folder, monkeypatch):
        self.world = World(folder / "world", monkeypatch)
        monkeypatch.setattr("secrets_quickstart.settings.load", lambda _: self.world.settings())
        monkeypatch.setattr("secrets_quickstart.settings.caller", lambda: "ada")
        monkeypatch.setattr("secrets_quickstart.swarm.engine.Engine", lambda _: self.world.engine)

    def entries(self):
        return audit.read(self.world.settings().state_dir)

    def raw(self):
        return (self.world.settings().state_dir / audit.FILE).read_bytes()


@pytest.fixture
def commands(tmp_path, monkeypatch):
    return Commands(tmp_path, monkeypatch)


def test_a_deployment_is_told_action_by_action_and_a_second_one_not_at_all(commands):
    deploying.deploy(Context(), target="flowdb")
    deploying.deploy(Context(), target="flowdb")

    (entry,) = commands.entries()
    assert (entry.command, entry.flags, entry.status) == ("deploy", ("--target",), 0)
    assert "stack: create the service flowdb" in entry.actions
    assert "secrets: create the secret s_FLOWDB_POSTGRES_PASSWORD_g1" in entry.actions


def test_no_value_of_the_vault_is_in_it(commands):
    deploying.deploy(Context(), target="flowkit")
    log = commands.raw()

    chosen = {row.name for row in SECRETS if row.public or isinstance(row.source, FromVariable)}
    held = {name: value for name, value in commands.world.held().items() if name.split()[0] not in chosen}
    assert len(held) > 12
    assert [name for name, value in held.items() if value in log] == []


def test_an_imported_value_is_told_by_its_name(commands, tmp_path):
    (tmp_path / "value").write_text(PLAIN)

    secrets_of_stack.import_(Context(), "REDIS_PASSWORD", str(tmp_path / "value"))
    secrets_of_stack.import_(Context(), "REDIS_PASSWORD", str(tmp_path / "value"))

    (entry,) = commands.entries()
    assert (entry.command, entry.actions) == ("secrets.import", ("import REDIS_PASSWORD into the vault",))
    assert PLAIN.encode() not in commands.raw()


def test_hosts_and_down_are_told(commands):
    deploying.deploy(Context(), target="flowdb")
    hosts.add(Context())
    hosts.add(Context())
    removing.down(Context())
    removing.down(Context())

    assert [entry.command for entry in commands.entries()] == ["deploy", "hosts.add", "down"]
    assert commands.entries()[-1].actions == ("stop the service flowdb",)


def test_a_purge_says_that_the_log_goes_too_and_leaves_none(commands, capsys):
    deploying.deploy(Context(), target="flowdb")
    log = commands.world.settings().state_dir / audit.FILE
    lines = remove.belongings(commands.world.settings(), commands.world.engine).lines()

    removing.purge(Context(), stack="s")

    assert str(log) in lines
    assert not (commands.world.folder / ".flowkit").exists()
    assert "warning" not in capsys.readouterr().err


def test_commands_are_told_by_their_full_names(commands):
    with pytest.raises(Exit):
        people.add(Context(), "Not A Name")

    assert commands.entries() == []
    assert tasks._command(people.list_.body.__wrapped__, "list") == "users.list"
