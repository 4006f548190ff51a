"""A FlowAuth whose database is a few dictionaries, with a fuse in it; no test is here."""

import copy
import json
from contextlib import contextmanager
from dataclasses import dataclass, field

from secrets_quickstart.catalog.databases import FLOWAUTH
from secrets_quickstart.checks.check import Finding, Status
from secrets_quickstart.checks.data import Content, Data, Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.operations import flowauth_tables, migration
from secrets_quickstart.operations.flowauth_database import Site
from secrets_quickstart.operations.flowauth_tables import Note
from secrets_quickstart.settings import load
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.containers import Execution
from secrets_quickstart.vault import Vault, storage
from tests.fakes import FakeEngine

OLD = {
    "tables": ["user", "server", "group", "server_capability", "token", "two_factor_auth"],
    "users": ["ann", "bob"],
    "servers": ["api"],
    "scopes": [],
}

NEW = {**OLD, "tables": ["user", "server", "role", "scope", "token_history", "alembic_version", "two_factor_auth"]}


class Killed(BaseException):
    """As with SIGKILL."""


class Machine:
    """A database, the FlowAuth that may run on it, and a fuse that blows before the n-th write."""

    def __init__(self, content, *, runs=True):
        self.content = copy.deepcopy(content)
        self.runs = runs
        self.replicas = int(runs)
        self.upgrade_fails = False
        self.loses = ""
        self.blows_at = 0
        self.writes = []

    def write(self, what):
        if len(self.writes) + 1 == self.blows_at:
            self.blows_at = 0
            raise Killed
        self.writes.append(what)

    def upgrade(self):
        self.write("upgrade")
        if self.content["tables"] != OLD["tables"]:
            return
        users = [user for user in (*self.content["users"], "admin") if user != self.loses]
        self.content = {**copy.deepcopy(NEW), "users": users}

    def execute(self, _engine, _container, argv):
        if argv[-1] == "upgrade":
            if self.upgrade_fails:
                return Execution(1, "", "it is locked")
            self.upgrade()
        return Execution(0, "976c731ff30f (head)\n" if self.content["tables"] == NEW["tables"] else "", "")


@dataclass
class Database:
    machine: Machine

    def ask(self, query):
        now = self.machine.content
        match query:
            case flowauth_tables.IDENTIFIER:
                return "7"
            case flowauth_tables.TABLES:
                return now["tables"]
            case flowauth_tables.CONTENT:
                return {"users": now["users"], "servers": now["servers"], "two_factor": 0}
            case flowauth_tables.WITHOUT_SCOPES:
                return [server for server in now["servers"] if server not in now["scopes"]]

    def dump(self, path):
        self.machine.write("dump")
        storage.make_folder(path.parent)
        path.write_text(json.dumps(self.machine.content))

    def require_whole(self, path):
        if not path.read_text().endswith("}"):
            raise ServiceError(f"{path} is no whole dump")

    def tables(self, path):
        return frozenset(json.loads(path.read_text())["tables"])

    def restore(self, path):
        self.machine.write("restore")
        assert self.machine.replicas == 0, "nobody may be at work on it"
        self.machine.content = json.loads(path.read_text())


@dataclass(frozen=True)
class FakeSite(Site):
    machine: Machine = field(default_factory=lambda: Machine(OLD))

    @contextmanager
    def database(self):
        yield Database(self.machine)

    def flowauth(self):
        return "c1" if self.machine.replicas else None

    def stop_flowauth(self):
        self.machine.write("stop")
        self.machine.replicas = 0

    def start_flowauth(self):
        self.machine.write("start")
        self.machine.replicas = 1
        if self.machine.content["tables"] == OLD["tables"]:
            self.machine.upgrade()  # as every FlowAuth of today does


class World:
    """`claimed` is whether the vault knows the database already."""

    def __init__(self, folder, monkeypatch, content=OLD, *, runs=True, claimed=True):
        self.settings = load(folder, {"HOME": str(folder), "FLOWKIT_STACK": "s"})
        self.vault = Vault.in_memory()
        self.machine = Machine(content, runs=runs)
        self.place = Place(FLOWAUTH, None, "s_flowauth_postgres_data")
        if claimed:
            self.vault.claim(self.place.identity, {"identifier": "7", "sample": False})
        monkeypatch.setattr(migration, "site", self._site)
        monkeypatch.setattr(containers, "execute", self.machine.execute)
        monkeypatch.setattr(migration, "_sign_in", lambda _: Finding("sign-in", Status.OK, "admin"))

    @contextmanager
    def _site(self, settings, _command, tell):
        claim = self.vault.claims.get(self.place.identity)
        data = Data(self.place, Content.DATABASE, "7", claim, imported=True)
        runs = self.machine.runs
        yield FakeSite(settings, FakeEngine(), self.vault, data, runs=runs, tell=tell, machine=self.machine)

    def migrate(self, **options):
        return migration.migrate(self.settings, None, lambda _: None, **options)

    def go_back(self, dump):
        return migration.go_back(self.settings, dump, None, lambda _: None)

    def dumps(self):
        return sorted((self.settings.state_dir / "dumps").glob("*.dump"))

    def note(self):
        return Note.read(self.settings.state_dir / flowauth_tables.NOTE)

    def dumped(self):
        return [json.loads(path.read_text())["tables"] for path in self.dumps()]
