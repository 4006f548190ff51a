"""The step that tells databases the passwords of their roles; when a password is a new one is decided elsewhere.

Only while a rotation is under way: a role's password is nobody else's business to change.  The server gets what it
keeps of the password, never the password, so no log of its shows it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from secrets_quickstart.catalog.databases import Database
from secrets_quickstart.catalog.rotation import ROLES
from secrets_quickstart.checks.data import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.material import scram
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.step import Action, Plan, Unchanged
from secrets_quickstart.swarm import containers, services
from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault

UNDER_WAY = "rotation"
"""What a rotation notes in the vault until it has come to its end."""
BETWEEN = 0.2
"""Seconds between two looks for a database that is starting."""
VERIFIERS = "SELECT json_object_agg(rolname, rolpassword) FROM pg_authid WHERE rolcanlogin"


@dataclass(frozen=True, slots=True)
class Held:
    """A role, and how its password stands."""

    secret: str
    database: Database
    role: str
    container: str | None
    """None while the database does not run."""
    current: bool = False
    """Whether the vault's password is the role's."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Give a role the vault's password."""

    held: Held

    def __str__(self) -> str:
        return f"give the role {self.held.role} of {self.held.database.title} its new password"


class RolesStep:
    """The roles of the databases that run have the passwords that the vault holds, once a rotation has begun."""

    name = "roles"

    def __init__(
        self, engine: Engine, vault: Vault, settings: Settings, components: Collection[str], *, awaited: bool = False
    ) -> None:
        """With `awaited`, databases that are to come are waited for too, not only those that are being restarted."""
        self._engine = engine
        self._vault = vault
        self._settings = settings
        self._rows = [row for row in ROLES if row.database.component in components]
        self._awaited = awaited

    def look(self) -> tuple[Held, ...]:
        if UNDER_WAY not in self._vault.claims or not self._engine.membership().usable:
            return ()
        found: dict[str, Postgresql | None] = {}
        facts = []
        for row in self._rows:
            database = row.database
            if row.secret not in self._vault or Place.of(self._settings, database) is None:
                continue
            if database.service not in found:
                found[database.service] = self._database(database)
            server = found[database.service]
            role = row.name.format_map(self._names())
            if server is None:
                facts.append(Held(row.secret, database, role, None))
                continue
            kept = server.ask(VERIFIERS).get(role) or ""
            current = scram.is_of(kept, self._vault.value(row.secret))
            facts.append(Held(row.secret, database, role, server.container, current))
        return tuple(facts)

    def plan(self, facts: tuple[Held, ...]) -> Plan:
        actions: list[Action] = []
        unchanged: list[Unchanged] = []
        for held in facts:
            title = f"the role {held.role} of {held.database.title}"
            if held.container is None:
                unchanged.append(Unchanged(title, "its database does not run yet"))
            elif held.current:
                unchanged.append(Unchanged(title, "has the vault's password"))
            else:
                actions.append(Tell(held))
        return Plan(tuple(actions), tuple(unchanged))

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Tell) and action.held.container is not None:
                server = self._server(action.held.container)
                role = '"' + action.held.role.replace('"', '""') + '"'
                server.tell(f"ALTER ROLE {role} PASSWORD '{scram.verifier(self._vault.value(action.held.secret))}';")

    def _names(self) -> dict[str, str]:
        """Variables, and what an adopted stack has in the place of some of them."""
        texts = self._settings.texts()
        return {name: self._vault.value(name).text() if name in self._vault else text for name, text in texts.items()}

    def _database(self, database: Database) -> Postgresql | None:
        end = time.monotonic() + self._settings.deadline
        while True:
            container = containers.of_service(self._engine, self._settings.stack, database.service)
            if container is not None:
                server = self._server(container)
                server.wait(self._settings.deadline)
                return server
            present = database.service in services.state(self._engine, self._settings.stack).services
            if not (present or self._awaited):
                return None
            if time.monotonic() > end:
                raise ServiceError(f"{database.title} does not come up", fix="see: invoke status")
            time.sleep(BETWEEN)

    def _server(self, container: str) -> Postgresql:
        return Postgresql(self._engine, container, self._settings.base_environment)
