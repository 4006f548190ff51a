"""The tables since FlowAuth 1.18.1: roles with scopes take the place of groups with capabilities.

Users, their two-factor secrets and servers stay. What a group allowed says nothing about scopes, so servers need
their specification once more, and roles are made anew; tokens of before mean nothing to a later FlowAPI.
"""

import sqlalchemy
from alembic import op
from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Integer, String, Text, UniqueConstraint

revision = "976c731ff30f"
down_revision = "73ea696e203d"

GONE = (
    "group_server_permission",
    "server_capability",
    "group_server_token_limits",
    "group_memberships",
    "group",
    "token",
)


def upgrade() -> None:
    op.create_table(
        "role",
        Column("id", Integer, primary_key=True),
        Column("name", String(75), nullable=False),
        Column("server_id", Integer, ForeignKey("server.id")),
        Column("latest_token_expiry", DateTime, nullable=False),
        Column("longest_token_life_minutes", Integer, nullable=False),
        UniqueConstraint("name", "server_id"),
    )
    op.create_table(
        "scope",
        Column("id", Integer, primary_key=True),
        Column("name", String(512)),
        Column("enabled", Boolean),
        Column("server_id", Integer, ForeignKey("server.id")),
        UniqueConstraint("name", "server_id"),
    )
    op.create_table(
        "token_history",
        Column("id", Integer, primary_key=True),
        Column("name", String(75), nullable=False),
        Column("_token", Text, nullable=False),
        Column("expiry", DateTime, nullable=False),
        Column("user_id", Integer, ForeignKey("user.id"), nullable=False),
        Column("server_id", Integer, ForeignKey("server.id"), nullable=False),
    )
    op.create_table(
        "scopes_in_role",
        Column("scope_id", Integer, ForeignKey("scope.id"), primary_key=True),
        Column("role_id", Integer, ForeignKey("role.id"), primary_key=True),
    )
    op.create_table(
        "users_with_roles",
        Column("user_id", Integer, ForeignKey("user.id"), primary_key=True),
        Column("role_id", Integer, ForeignKey("role.id"), primary_key=True),
    )
    for table in GONE:
        op.drop_table(table)
    with op.batch_alter_table("server") as server:
        # Both names mean minutes
        server.alter_column(
            "longest_token_life", new_column_name="longest_token_life_minutes", existing_type=sqlalchemy.Integer
        )


def downgrade() -> None:
    raise NotImplementedError("There is no way back but the backup that was taken before the upgrade.")
