"""The tables of FlowAuth before 1.18.1: groups of users, with capabilities on servers.

A new database goes through this as well, so that there is one way to today's tables.
"""

from alembic import op
from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Integer, String, Text, UniqueConstraint

revision = "73ea696e203d"
down_revision = None


def key(name: str = "id") -> Column[int]:
    return Column(name, Integer, primary_key=True)


def to(table: str, name: str = "", column: str = "id") -> Column[int]:
    """A reference that must be there."""
    return Column(name or f"{table}_id", Integer, ForeignKey(f"{table}.{column}"), nullable=False)


def name(length: int = 75, *, unique: bool = True) -> Column[str]:
    return Column("name", String(length), nullable=False, unique=unique)


def upgrade() -> None:
    op.create_table(
        "user",
        key(),
        Column("username", String(75), nullable=False, unique=True),
        Column("_password", Text, nullable=False),
        Column("is_admin", Boolean),
        Column("require_two_factor", Boolean),
    )
    op.create_table(
        "server",
        key(),
        name(),
        Column("latest_token_expiry", DateTime, nullable=False),
        Column("longest_token_life", Integer, nullable=False),
    )
    op.create_table(
        "two_factor_auth",
        Column("user_id", Integer, ForeignKey("user.id"), primary_key=True),
        Column("enabled", Boolean, nullable=False),
        Column("_secret_key", Text, nullable=False),
    )
    op.create_table(
        "two_factor_backup",
        key(),
        to("two_factor_auth", "auth_id", "user_id"),
        Column("_backup_code", Text, nullable=False),
    )
    op.create_table("group", key(), name(), Column("user_group", Boolean))
    op.create_table(
        "group_memberships",
        Column("user_id", Integer, ForeignKey("user.id"), primary_key=True),
        Column("group_id", Integer, ForeignKey("group.id"), primary_key=True),
    )
    op.create_table(
        "group_server_token_limits",
        key(),
        Column("latest_end", DateTime, nullable=False),
        Column("longest_life", Integer, nullable=False),
        to("server"),
        to("group"),
        UniqueConstraint("group_id", "server_id", name="_group_server_limits_uc"),
    )
    op.create_table(
        "server_capability",
        key(),
        to("server"),
        Column("capability", Text, nullable=False),
        Column("capability_hash", String(32), nullable=False),
        Column("enabled", Boolean),
        UniqueConstraint("server_id", "capability_hash", name="_server_cap_uc"),
    )
    op.create_table(
        "group_server_permission",
        key(),
        to("group"),
        to("server_capability"),
        UniqueConstraint("group_id", "server_capability_id", name="_group_servercap_uc"),
    )
    op.create_table(
        "token",
        key(),
        name(unique=False),
        Column("_token", Text, nullable=False),
        Column("expires", DateTime, nullable=False),
        to("user", "owner_id"),
        to("server"),
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back but the backup that was taken before the upgrade.")
