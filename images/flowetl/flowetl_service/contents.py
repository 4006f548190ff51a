"""What has to be in Airflow's database: tables, an administrator and FlowETL's pool.

All of it is safe to do again: what is there is brought up to what is wanted.
"""

from __future__ import annotations

from airflow.models.pool import Pool
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.db import upgradedb
from werkzeug.security import check_password_hash

from flowetl_service.mounted import Unusable


def make_tables() -> None:
    """Make or migrate them; several at once wait for each other."""
    upgradedb()


def make_administrator(username: str, password: str, email: str, first_name: str, last_name: str) -> None:
    """Create the administrator, or give the existing one this password and role; raises Unusable if neither works.

    A password that is the same already is left alone, since setting it would sign that person out.
    """
    with get_application_builder() as builder:
        manager = builder.sm
        role = manager.find_role("Admin")
        user = manager.find_user(username=username)
        if not user:
            if not manager.add_user(username, first_name, last_name, email, role, password):
                raise Unusable(f"the administrator {username} cannot be made. Does another user have {email}?")
            return
        if not check_password_hash(user.password or "", password):
            manager.reset_password(user.id, password)
        if role not in user.roles or not user.active:
            user.roles = [*user.roles, *({role} - {*user.roles})]
            user.active = True
            manager.update_user(user)


def make_pool(name: str, slots: int) -> None:
    """Create the pool or change its size."""
    Pool.create_or_update_pool(name, slots, "Tasks that work in FlowDB", include_deferred=False)
