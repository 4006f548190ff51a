"""Adoption: recognises a database that an official FlowAuth made before it counted revisions as it does now."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

GROUPS = "73ea696e203d"  # before FlowAuth 1.18.1: groups with capabilities
ROLES = "976c731ff30f"  # since then: roles with scopes
RENAMED = "66dee292d147"  # what some releases called the step to roles
LOCK = 0x466C6F7741757468  # "FlowAuth"


def wait_for_turn(connection: Connection) -> None:
    """Until this transaction ends, no other replica migrates."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})


def mark(connection: Connection) -> None:
    """Writes down the revision of a database that has none, or one of another name."""
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" not in tables:
        revision = ROLES if "role" in tables else GROUPS if "group" in tables else None
        if revision is None:
            return
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
    else:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision == RENAMED:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": ROLES})
    if revision in {RENAMED, ROLES} and connection.dialect.name == "postgresql":
        _widen_scope_names(connection)


def _widen_scope_names(connection: Connection) -> None:
    """They once had 75 characters, and FlowMachine's are longer."""
    for column in inspect(connection).get_columns("scope"):
        if column["name"] == "name" and (getattr(column["type"], "length", None) or 512) < 512:
            connection.execute(text("ALTER TABLE scope ALTER COLUMN name TYPE VARCHAR(512)"))
