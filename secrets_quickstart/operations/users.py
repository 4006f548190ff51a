"""FlowAuth's users: who there is, and what an admin does about them; the roles themselves come from `links`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from secrets_quickstart import audit
from secrets_quickstart.checks.verification_guests import ADMIN
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.flowauth_records import Role, User
from secrets_quickstart.errors import UsageError
from secrets_quickstart.material.passwords import password as new_password
from secrets_quickstart.operations.flowauth_session import admin_session
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings

SHORTEST = 20
"""Characters of a password that we make: FlowAuth takes none that could be guessed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One user."""

    user: User
    roles: tuple[Role, ...]

    @property
    def two_factor(self) -> str:
        if self.user.has_two_factor:
            return "on"
        return "to be set up" if self.user.must_have_two_factor else "off"

    def document(self) -> dict[str, Any]:
        return {
            "name": self.user.name,
            "admin": self.user.is_admin,
            "two_factor": self.two_factor,
            "roles": [{"server": role.server, "role": role.name} for role in self.roles],
        }


@dataclass(frozen=True, slots=True)
class Disabled:
    """What a user had before."""

    roles: tuple[Role, ...]
    was_admin: bool
    tokens_end: datetime | None
    """When the last token that they may have made ends; None if they could make none."""


def listed(settings: Settings, code: str) -> list[Row]:
    with admin_session(settings, code) as (client, _):
        roles = client.roles()
        return [Row(user, _roles_of(user.name, roles)) for user in client.users()]


def add(
    settings: Settings,
    code: str,
    name: str,
    password: Sensitive | None,
    *,
    roles: Sequence[str],
    server: str,
    is_admin: bool,
) -> Sensitive:
    """Make a user and put them into roles; the password, which is a new one if None was given.

    Raises UsageError for a name that is taken and for roles that are not there, before anything is done.
    """
    with admin_session(settings, code) as (client, _):
        if name in client.user_names():
            raise UsageError(
                f"there is a user {name} already",
                fix="choose another name, or bring them back: invoke flowauth.enable-user",
            )
        chosen = _chosen(client.roles(), roles, server)
        value = password or _generated(settings)
        audit.note(f"add the FlowAuth user {name}", *(f"put {name} into the role {role.name}" for role in chosen))
        client.add_user(name, value, is_admin=is_admin)
        for role in chosen:
            client.put_into_role(role.server, role.name, name)
        return value


def disable(settings: Settings, code: str, name: str) -> Disabled:
    """Give a user a password that nobody knows, and take their roles and rights; their tokens end by themselves."""
    with admin_session(settings, code) as (client, _):
        user = _known(client, name)
        _refuse_the_first_admin(settings, name, "disabled")
        held = _roles_of(name, client.roles())
        servers = {server.name: server for server in client.servers()}
        audit.note(f"disable the FlowAuth user {name}")
        # first of all, so that nobody signs in while the rest is done
        client.change_user(name, password=_generated(settings), is_admin=False if user.is_admin else None)
        for role in held:
            client.take_out_of_role(role.server, role.name, name)
        now = datetime.now(UTC)
        ends = [role.limits.within(servers[role.server].limits).expiry(now) for role in held]
        return Disabled(held, user.is_admin, max(ends, default=None))


def enable(
    settings: Settings, code: str, name: str, password: Sensitive | None, *, roles: Sequence[str], server: str
) -> Sensitive:
    """Give a user a new password, and roles beside those that they have; returns the password."""
    with admin_session(settings, code) as (client, _):
        _known(client, name)
        chosen = _chosen(client.roles(), roles, server)
        audit.note(f"enable the FlowAuth user {name}", *(f"put {name} into the role {role.name}" for role in chosen))
        for role in chosen:
            client.put_into_role(role.server, role.name, name)
        return _reset(settings, client, name, password)


def reset_password(settings: Settings, code: str, name: str, password: Sensitive | None) -> Sensitive:
    """Returns the new one."""
    with admin_session(settings, code) as (client, _):
        _known(client, name)
        return _reset(settings, client, name, password)


def reset_two_factor(settings: Settings, code: str, name: str) -> bool:
    """Let somebody in who lost their codes; False if they need none."""
    with admin_session(settings, code) as (client, _):
        if not _known(client, name).has_two_factor:
            return False
        audit.note(f"switch two-factor authentication off for the FlowAuth user {name}")
        client.change_user(name, has_two_factor=False)
        return True


def _reset(settings: Settings, client: FlowauthAdmin, name: str, password: Sensitive | None) -> Sensitive:
    _refuse_the_first_admin(settings, name, "given another password")
    value = password or _generated(settings)
    audit.note(f"give the FlowAuth user {name} a new password")
    client.change_user(name, password=value)
    return value


def _generated(settings: Settings) -> Sensitive:
    return new_password(max(settings.password_length, SHORTEST))


def _known(client: FlowauthAdmin, name: str) -> User:
    from difflib import get_close_matches

    found = client.user(name)
    if found is None:
        near = get_close_matches(name, client.user_names(), n=1)
        why = f"did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no user {name}", why=why, fix="see: invoke flowauth.users")
    return found


def _refuse_the_first_admin(settings: Settings, name: str, done: str) -> None:
    if name == settings[ADMIN]:
        raise UsageError(
            f"{name} is not {done}",
            why="FlowAuth makes this admin anew at every start, with the vault's FLOWAUTH_ADMIN_PASSWORD",
            fix="set FLOWAUTH_ADMIN_USER to another name and deploy, then disable this one",
        )


def _roles_of(name: str, roles: Sequence[Role]) -> tuple[Role, ...]:
    return tuple(role for role in roles if name in role.members)


def _chosen(present: Sequence[Role], names: Sequence[str], server: str) -> list[Role]:
    """The roles of these names, on that server or, if "", on the only one that has it.  Raises UsageError."""
    chosen = []
    for name in dict.fromkeys(names):
        found = [role for role in present if role.name == name and server in {"", role.server}]
        if len(found) != 1:
            where = f" of {server}" if server else ""
            known = ", ".join(sorted({f"{role.name} of {role.server}" for role in present})) or "none at all"
            raise UsageError(
                f"there is no role {name}{where}" if not found else f"more than one server has a role {name}",
                why=f"FlowAuth has: {known}",
                fix="choose one of them with --role and --server; invoke flowauth.link makes roles",
            )
        chosen += found
    return chosen
