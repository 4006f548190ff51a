"""Users of FlowMachine as a library: what is refused before anything is done, and what their machines are given."""

from __future__ import annotations

import json
import shlex
from types import SimpleNamespace

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.checks import verification_places
from secrets_quickstart.checks.verification_world import Address
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.errors import UsageError
from secrets_quickstart.operations import library_users
from secrets_quickstart.operations.library_users import MARK, Access
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.tasks import people
from secrets_quickstart.vault import Origin, Vault, key_of
from tests.fakes import FakeEngine

ODD = 'it\'s "odd" $HOME `id` \\x'


class Database:
    """FlowDB's roles, and what it is told; the real one is asked in tests/swarm."""

    def __init__(self):
        self.roles = {"flowdb": "", "flowmachine": "", "flowapi": "", "ada": f"{MARK}2026-01-01T00:00:00Z"}
        self.told = []
        self.sessions = [2, 1, 0]

    def ask(self, query):
        if "pg_terminate_backend" in query:
            return self.sessions.pop(0)
        common = {"login": True, "sessions": 0}
        return [{"name": name, "comment": comment, **common} for name, comment in self.roles.items()]

    def tell(self, statements):
        self.told.append(statements)


class World:
    """FlowDB and redis as the user will meet them."""

    refuses = False

    def address(self, name):
        return Address("127.0.0.1", {"flowdb": 9000, "redis": 6379}[name])

    def needed(self, _name):
        return Sensitive(ODD)

    def flowdb(self, name, _password):
        if self.refuses:
            raise Refused(f"FlowDB refuses {name}", why="the password is not accepted", fix="see")
        return SimpleNamespace(query=lambda _: [("flowmachine",)])

    def redis(self, _password):
        return SimpleNamespace(ping=lambda: None)


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    settings = load(tmp_path, {"HOME": str(tmp_path), "FLOWKIT_STACK": "s"})
    vault = Vault.open_or_create(settings.vault_path, key_of(settings))
    vault.put("FLOWAPI_FLOWDB_USER", Sensitive("api_reader"), Origin.CHOSEN)
    monkeypatch.setattr(people, "settings", lambda: settings)
    monkeypatch.setattr(library_users, "Engine", lambda _: FakeEngine())
    return settings


@pytest.fixture
def world(chosen, monkeypatch):
    made = World()
    monkeypatch.setattr(verification_places, "world", lambda *_: made)
    return made


@pytest.fixture
def database(world, monkeypatch):
    made = Database()
    monkeypatch.setattr(library_users, "_flowdb", lambda _: made)
    return made


def add(chosen, name, **options):
    return library_users.add(chosen, "invoke users.add", name, host="flowkit.example.org", **options)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Ada",
        "1ada",
        "a-b",
        "a b",
        'a"b',
        "a;drop",
        "pg_ada",
        "a" * 64,
        "flowdb",
        "flowmachine",
        "public",
        "airflow",
    ],
)
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_done(chosen, database, name):
    with pytest.raises(UsageError) as refused:
        add(chosen, name)

    assert refused.value.fix
    assert database.told == []


def test_the_name_that_flowapis_role_was_given_is_flowkits_own(chosen, database):
    with pytest.raises(UsageError, match="FlowKit's own"):
        add(chosen, "api_reader")


def test_a_name_that_is_taken_is_refused_unless_the_password_is_to_be_another(chosen, database):
    with pytest.raises(UsageError, match="already") as refused:
        add(chosen, "ada")
    assert "--reset-password" in refused.value.fix
    assert database.told == []

    add(chosen, "ada", reset_password=True)

    assert database.told[0].startswith("ALTER ROLE ada LOGIN PASSWORD 'SCRAM-SHA-256$")


def test_nobody_who_is_not_there_gets_a_new_password(chosen, database):
    with pytest.raises(UsageError, match="no library user bob") as refused:
        add(chosen, "bob", reset_password=True)
    assert "ada" in refused.value.fix


def test_flowdb_is_told_no_password_but_what_it_keeps_of_one(chosen, database):
    access = add(chosen, "bob")

    (told,) = database.told
    assert told.startswith("CREATE ROLE bob LOGIN PASSWORD 'SCRAM-SHA-256$")
    assert access.password.text() not in told
    assert f"COMMENT ON ROLE bob IS '{MARK}" in told


def test_a_login_that_does_not_work_is_told_with_the_way_out(chosen, database, world):
    world.refuses = True

    with pytest.raises(Refused) as problem:
        add(chosen, "bob")
    assert "users.add bob --reset-password" in problem.value.fix


@pytest.mark.parametrize("name", ["flowdb", "flowapi", "somebody", "nobody", "x'; DROP ROLE ada; --"])
def test_a_role_that_is_not_a_users_is_not_removed(chosen, database, name):
    database.roles["somebody"] = "a comment of its own"

    with pytest.raises(UsageError) as refused:
        library_users.remove(chosen, "invoke users.remove", name)

    assert "ada" in refused.value.fix
    assert database.told == []


def test_a_user_is_shut_out_before_their_sessions_end_and_their_role_goes_last(chosen, database):
    assert library_users.remove(chosen, "invoke users.remove", "ada") == 2

    assert database.sessions == []
    assert database.told == [
        "ALTER ROLE ada NOLOGIN;",
        "REASSIGN OWNED BY ada TO flowmachine;\nDROP OWNED BY ada;\nDROP ROLE ada;\n",
    ]


ACCESS = Access("ada", Sensitive("abc123"), "flowkit.example.org", 9000, 6379, Sensitive(ODD))


def test_a_shell_reads_the_block_as_the_variables_that_flowmachine_knows():
    words = shlex.split(ACCESS.block().text(), comments=True)
    read = dict(word.split("=", 1) for word in words)

    assert read == {
        "FLOWDB_HOST": "flowkit.example.org",
        "FLOWDB_PORT": "9000",
        "FLOWMACHINE_FLOWDB_USER": "ada",
        "FLOWMACHINE_FLOWDB_PASSWORD": "abc123",
        "REDIS_HOST": "flowkit.example.org",
        "REDIS_PORT": "6379",
        "REDIS_PASSWORD": ODD,
    }


def test_the_call_in_the_block_is_python_with_the_same_arguments():
    call = ACCESS.block().text().splitlines()[-1].removeprefix("# ")
    called = []

    eval(call, {"flowmachine": SimpleNamespace(connect=lambda **given: called.append(given))})

    assert called == [ACCESS.arguments()]


def test_a_block_goes_to_a_new_file_and_not_to_the_screen(chosen, database, tmp_path, capsys):
    file = tmp_path / "bob.env"

    people.add(Context(), "bob", out=str(file))

    assert file.stat().st_mode & 0o777 == 0o600
    written = file.read_text()
    said = capsys.readouterr()
    assert said.out == f"{file}\n"
    password = next(line for line in written.splitlines() if line.startswith("FLOWMACHINE_FLOWDB_PASSWORD="))
    assert password.partition("=")[2] not in said.err


def test_a_file_that_is_there_already_stays_and_nobody_is_added(chosen, database, tmp_path):
    file = tmp_path / "mine"
    file.write_text("of mine")

    for place in (file, tmp_path / "nowhere" / "file"):
        with pytest.raises(Exit):
            people.add(Context(), "bob", out=str(place))

    assert file.read_text() == "of mine"
    assert database.told == []


def test_the_document_is_what_connect_takes(chosen, database, capsys):
    people.add(Context(), "bob", json=True)

    document = json.loads(capsys.readouterr().out)
    assert document.keys() == ACCESS.arguments().keys()
    assert len(document["flowdb_password"]) == chosen.password_length


def test_the_list_is_of_library_users_alone(chosen, database, capsys):
    people.list_(Context(), json=True)

    assert json.loads(capsys.readouterr().out) == [
        {"name": "ada", "since": "2026-01-01T00:00:00Z", "can_log_in": True, "sessions": 0}
    ]
