"""Does FlowDB let in who may come in, and nobody else?  Reads only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial

from secrets_quickstart.checks.check import Obstacle, Ok, Outcome
from secrets_quickstart.checks.verification_world import Verification, World
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.sensitive import Sensitive


@dataclass(frozen=True, slots=True)
class Role:
    """One of FlowDB's roles, and the vault's names for it."""

    title: str
    password: str
    user: str = ""
    """The secret that holds its name, or "" where the title is the name."""

    def name(self, world: World) -> str:
        found = world.secret(self.user) if self.user else None
        return found.text() if found is not None else self.title


OWNER = Role("flowdb", "FLOWDB_POSTGRES_PASSWORD")
FLOWMACHINE = Role("flowmachine", "FLOWMACHINE_FLOWDB_PASSWORD", "FLOWMACHINE_FLOWDB_USER")
FLOWAPI = Role("flowapi", "FLOWAPI_FLOWDB_PASSWORD", "FLOWAPI_FLOWDB_USER")
ROLES = (OWNER, FLOWMACHINE, FLOWAPI)


def answers(role: Role, world: World) -> Outcome:
    client = world.flowdb(role.name(world), world.needed(role.password))
    try:
        [(version,)] = client.query("SELECT version FROM flowdb_version()")
    except Forbidden:
        # FlowAPI never asks for the version, so its role may lack the right to
        [(user,)] = client.query("SELECT current_user")
        return Ok(f"answers {user}")
    return Ok(f"FlowDB {version}")


def refuses(role: Role, world: World) -> Outcome:
    user = role.name(world)
    try:
        world.flowdb(user, Sensitive(secrets.token_urlsafe(24))).query("SELECT 1")
    except Refused as refusal:
        return Ok(refusal.why)
    return Obstacle(
        f"{user} got in with a password made up a moment ago",
        "see pg_hba.conf in FlowDB's data directory: connections from other hosts need scram-sha-256",
    )


POWERS = """
SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication FROM pg_roles WHERE rolname = current_user
"""
EVENTS = """
SELECT c.relname, has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'events' AND c.relkind IN ('r', 'p', 'f', 'v', 'm') ORDER BY c.relname
"""
ASKED_BY_QUERIES = "SELECT table_name FROM available_tables()"
MACHINE_RIGHTS = """
SELECT pg_has_role('flowmachine', 'MEMBER'),
       has_schema_privilege('cache', 'USAGE') AND has_schema_privilege('cache', 'CREATE'),
       has_schema_privilege('etl', 'USAGE') AND has_table_privilege('etl.available_dates', 'SELECT')
"""
API_RIGHTS = "SELECT has_schema_privilege('cache', 'USAGE') AND has_schema_privilege('geography', 'USAGE')"

GRANTS_FIX = "compare its roles and grants with images/flowdb/schema, and correct them as the role flowdb"


def flowmachine_rights(world: World) -> Outcome:
    client = world.flowdb(FLOWMACHINE.name(world), world.needed(FLOWMACHINE.password))
    [powers] = client.query(POWERS)
    asked = {name for (name,) in client.query(ASKED_BY_QUERIES)}
    closed = [name for name, readable in client.query(EVENTS) if name in asked and not readable]
    [(member, creates, sees_dates)] = client.query(MACHINE_RIGHTS)
    wrong = [
        fault
        for fault, found in (
            ("it has the powers of an administrator", any(powers)),
            (f"it cannot read events.{', events.'.join(closed)}", closed),
            ("it is no member of the role flowmachine, to which the results belong", not member),
            ("it cannot make tables in the schema cache", not creates),
            ("it cannot see which dates are available", not sees_dates),
        )
        if found
    ]
    if wrong:
        return Obstacle("; ".join(wrong), GRANTS_FIX)
    return Ok("reads events, keeps results in cache, is no administrator")


def flowapi_rights(world: World) -> Outcome:
    client = world.flowdb(FLOWAPI.name(world), world.needed(FLOWAPI.password))
    [powers] = client.query(POWERS)
    events = client.query(EVENTS)
    opened = [name for name, readable in events if readable]
    [(reads_results,)] = client.query(API_RIGHTS)
    wrong = [
        fault
        for fault, found in (
            ("it has the powers of an administrator", any(powers)),
            (f"it can read {len(opened)} of the {len(events)} tables of events", opened),
            ("it has no access to the schemas cache and geography", not reads_results),
        )
        if found
    ]
    if wrong:
        return Obstacle("; ".join(wrong), GRANTS_FIX)
    return Ok(f"reads results and geography, and none of the {len(events)} tables of events")


CHECKS = (
    *(
        Verification(
            f"FlowDB as {role.title}",
            f"Does FlowDB answer the role {role.title} with the vault's password?",
            "flowdb",
            partial(answers, role),
        )
        for role in ROLES
    ),
    *(
        Verification(
            f"FlowDB's door, {role.title}",
            f"Does FlowDB refuse the role {role.title} with a wrong password?",
            "flowdb",
            partial(refuses, role),
        )
        for role in ROLES
    ),
    Verification(
        "FlowMachine's rights",
        "Can its role do what queries need, and no more?",
        "flowdb",
        flowmachine_rights,
    ),
    Verification(
        "FlowAPI's rights",
        "Can its role read results, and no event?",
        "flowdb",
        flowapi_rights,
    ),
)
