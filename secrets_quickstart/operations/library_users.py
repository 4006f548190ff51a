"""Who uses FlowMachine as a library: their logins in FlowDB, and what their machines need; not FlowAuth's users.

A login works as the role flowmachine from its first statement on (`ALTER ROLE ... SET role`): FlowMachine makes that
role the owner of every result, and what it may do, and what others may do with its results, is granted to that role
alone.  So nothing belongs to a person, and FlowAPI can read what a person's query has stored.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from secrets_quickstart import audit
from secrets_quickstart.checks import verification_places
from secrets_quickstart.checks.verification_world import Unasked, World
from secrets_quickstart.errors import QuickstartError, ServiceError, UsageError
from secrets_quickstart.material import scram
from secrets_quickstart.material.passwords import password as new_password
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.dumps import Postgresql
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of, vault_lock

FLOWDB = "flowdb"
ACTS_AS = "flowmachine"
"""The role whose rights they have; FlowMachine's code knows no other name for it."""
MARK = "library user of FlowKit since "
"""How the comment on a role begins that was made here."""
RESERVED = frozenset({"flowdb", "flowmachine", "flowapi", "airflow", "postgres", "public", "none"})
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SESSIONS_END = 10.0
"""Seconds within which PostgreSQL ends sessions; each heeds it when it next looks, which is at once as a rule."""
ROLES = """
SELECT coalesce(json_agg(found ORDER BY found.name), '[]') FROM (
    SELECT rolname AS name, rolcanlogin AS login, coalesce(shobj_description(oid, 'pg_authid'), '') AS comment,
        (SELECT count(*) FROM pg_stat_activity WHERE usesysid = pg_roles.oid) AS sessions
    FROM pg_roles WHERE NOT starts_with(rolname, 'pg_')
) found
"""


@dataclass(frozen=True, slots=True)
class LibraryUser:
    """One of them, as FlowDB has them."""

    name: str
    since: str
    """When they were added, ISO 8601."""
    can_log_in: bool
    """False for one whose removal was broken off."""
    sessions: int
    """Connections to FlowDB now."""

    def document(self) -> dict[str, Any]:
        return {"name": self.name, "since": self.since, "can_log_in": self.can_log_in, "sessions": self.sessions}


@dataclass(frozen=True, slots=True)
class Access:
    """With which FlowMachine connects from anywhere."""

    name: str
    password: Sensitive
    host: str
    flowdb_port: int
    redis_port: int
    redis_password: Sensitive

    def arguments(self) -> dict[str, str | int]:
        """Those of `flowmachine.connect`; they hold both passwords."""
        return {
            "flowdb_host": self.host,
            "flowdb_port": self.flowdb_port,
            "flowdb_user": self.name,
            "flowdb_password": self.password.text(),
            "redis_host": self.host,
            "redis_port": self.redis_port,
            "redis_password": self.redis_password.text(),
        }

    def block(self) -> Sensitive:
        """Variables for a shell (`set -a; . FILE`) or `docker run --env-file`, and the call in Python."""
        given = self.arguments()
        call = ", ".join(f"{argument}={value!r}" for argument, value in given.items())
        lines = [f"{VARIABLES.get(argument, argument.upper())}={shlex.quote(str(v))}" for argument, v in given.items()]
        text = "\n".join((f"# {self.name}'s access to FlowDB and redis; with these variables:", *lines))
        return Sensitive(f"{text}\n# flowmachine.connect(), and without them:\n# flowmachine.connect({call})\n")


VARIABLES = {"flowdb_user": "FLOWMACHINE_FLOWDB_USER", "flowdb_password": "FLOWMACHINE_FLOWDB_PASSWORD"}
"""Where FlowMachine's variable is not called like the argument."""


def listed(settings: Settings) -> list[LibraryUser]:
    """By name."""
    return list(_ours(_roles(_flowdb(settings))).values())


def add(settings: Settings, command: str, name: str, *, host: str = "", reset_password: bool = False) -> Access:
    """Make a login, or give the one that is there a new password; returns what its user's machine needs.

    Returns when FlowDB has let them in.  `host` is how that machine calls this one; the swarm's address of this node if
    "".  Raises UsageError for a name that cannot be one or is taken, and for one that is not there to be reset.
    """
    _require_name(name)
    with vault_lock(settings.vault_path, command):
        vault = Vault.open(settings.vault_path, key_of(settings))
        engine = Engine(settings.base_environment)
        world = verification_places.world(settings, engine, vault)
        access = _access(settings, world, host or engine.membership().address, name)
        database = _flowdb(settings)
        roles = _roles(database)
        _require_free(name, roles, _own(vault), reset_password=reset_password)
        verifier = scram.verifier(access.password)
        made = f"ALTER ROLE {name}" if reset_password else f"CREATE ROLE {name}"
        statements = [f"{made} LOGIN PASSWORD '{verifier}'", f"GRANT {ACTS_AS} TO {name}"]
        statements.append(f"ALTER ROLE {name} SET role = '{ACTS_AS}'")
        if not reset_password:
            statements.append(f"COMMENT ON ROLE {name} IS '{MARK}{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}'")
        audit.note(f"{'give a new password to' if reset_password else 'add'} the library user {name}")
        database.tell("".join(f"{statement};\n" for statement in statements))
        _require_let_in(world, access)
        return access


def remove(settings: Settings, command: str, name: str) -> int:
    """Shut a user out, end their sessions and delete their login; returns how many sessions there were.

    What they own in spite of all becomes flowmachine's.  Raises UsageError for a role that was not made by `add`.
    """
    with vault_lock(settings.vault_path, command):
        database = _flowdb(settings)
        roles = _roles(database)
        users = _ours(roles)
        if name not in users:
            if name in roles or name in RESERVED:
                why = "it is FlowKit's own" if name in RESERVED else "its role was not made by invoke users.add"
                raise UsageError(f"{name} is not removed", why=why, fix=_choose(users))
            raise UsageError(f"FlowDB has no library user {name}", fix=_choose(users))
        audit.note(f"remove the library user {name}")
        database.tell(f"ALTER ROLE {name} NOLOGIN;")  # first of all, so that nobody comes back
        ended = _end_sessions(database, name)
        database.tell(f"REASSIGN OWNED BY {name} TO {ACTS_AS};\nDROP OWNED BY {name};\nDROP ROLE {name};\n")
        return ended


def _flowdb(settings: Settings) -> Postgresql:
    engine = Engine(settings.base_environment)
    container = containers.of_service(engine, settings.stack, FLOWDB)
    if container is None:
        raise ServiceError("FlowDB does not run", fix="deploy it: invoke deploy --target library")
    return Postgresql(engine, container, settings.base_environment)


def _roles(database: Postgresql) -> dict[str, Mapping[str, Any]]:
    return {role["name"]: role for role in database.ask(ROLES)}


def _ours(roles: Mapping[str, Mapping[str, Any]]) -> dict[str, LibraryUser]:
    return {
        name: LibraryUser(name, role["comment"].removeprefix(MARK), role["login"], role["sessions"])
        for name, role in roles.items()
        if role["comment"].startswith(MARK)
    }


def _own(vault: Vault) -> frozenset[str]:
    """FlowKit's own roles, whether FlowDB has them by now or not."""
    named = {vault.value(name).text() for name in ("FLOWMACHINE_FLOWDB_USER", "FLOWAPI_FLOWDB_USER") if name in vault}
    return RESERVED | named


def _require_name(name: str) -> None:
    if not NAME.fullmatch(name) or name.startswith("pg_"):
        raise UsageError(
            f"{name!r} cannot be the name of a library user",
            why="it has to be lower-case letters, digits and _, a letter first, at most 63, and not begin with pg_",
            fix="choose another name",
        )


def _require_free(
    name: str, roles: Mapping[str, Mapping[str, Any]], own: Collection[str], *, reset_password: bool
) -> None:
    users = _ours(roles)
    if name in own or (name in roles and name not in users):
        raise UsageError(
            f"{name} cannot be the name of a library user",
            why="it is FlowKit's own" if name in own else "FlowDB has a role of that name for something else",
            fix="choose another name",
        )
    if reset_password and name not in users:
        raise UsageError(f"FlowDB has no library user {name}", fix=_choose(users))
    if name in users and not reset_password:
        raise UsageError(
            f"FlowDB has a library user {name} already",
            fix=f"a new password for them: invoke users.add {name} --reset-password",
        )


def _choose(users: Collection[str]) -> str:
    return f"choose among {', '.join(users)}" if users else "see who there is: invoke users.list"


def _access(settings: Settings, world: World, host: str, name: str) -> Access:
    """Raises ServiceError when FlowDB or redis is not where users could reach it."""
    try:
        ports = {service: world.address(service).port for service in (FLOWDB, "redis")}
        redis_password = world.needed("REDIS_PASSWORD")
    except Unasked as reason:
        raise ServiceError(
            "nobody could use FlowMachine as a library", why=str(reason), fix="invoke deploy --target library"
        ) from None
    password = new_password(settings.password_length)
    return Access(name, password, host or verification_places.HERE, ports[FLOWDB], ports["redis"], redis_password)


def _require_let_in(world: World, access: Access) -> None:
    """Raises ServiceError unless FlowDB and redis take what the user is given."""
    try:
        ((role,),) = world.flowdb(access.name, access.password).query("SELECT current_user::text")
        world.redis(access.redis_password).ping()
    except QuickstartError as problem:
        problem.fix = f"{problem.fix}; then: invoke users.add {access.name} --reset-password"
        raise
    if role != ACTS_AS:
        raise ServiceError(
            f"{access.name} works in FlowDB as {role}, not as {ACTS_AS}",
            fix=f"see what FlowDB's owner has set for that role, and then: invoke users.remove {access.name}",
        )


def _end_sessions(database: Postgresql, name: str) -> int:
    """Return when there are none, and how many there were at first."""
    query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{name}'"  # noqa: S608
    found = left = int(database.ask(query))
    end = time.monotonic() + SESSIONS_END
    while left:
        if time.monotonic() > end:
            raise ServiceError(
                f"{left} of {name}'s sessions do not end",
                why="FlowDB is busy with what they asked",
                fix="run this again",
            )
        time.sleep(0.1)
        left = int(database.ask(query))
    return found
