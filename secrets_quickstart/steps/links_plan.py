"""What FlowAuth is to know of FlowAPIs, users and roles, held against what it has: pure; `links` looks and acts.

Nothing is ever deleted: a user, a role or a member that nobody asked for here is somebody's all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from secrets_quickstart.clients.flowauth_records import Limits, Role, Server
from secrets_quickstart.errors import SettingsError
from secrets_quickstart.report import counted
from secrets_quickstart.steps.roles_file import UNSAID, LimitsRule, end_of
from secrets_quickstart.steps.step import Action, Plan, Unchanged

FIRST_LIFE = timedelta(days=7)
"""Of a server's tokens, where nothing is said."""
FIRST_REACH = timedelta(days=365)
"""From registering a server until it gives no tokens any more, where nothing is said; chosen once."""
NAMED = 4
"""Scopes that a line names before it only counts them."""


@dataclass(frozen=True, slots=True)
class WantedRole:
    name: str
    scopes: frozenset[str] | None
    """None while FlowAPI cannot say which there are."""
    limits: LimitsRule = UNSAID
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedServer:
    """A FlowAPI."""

    name: str
    scopes: tuple[str, ...] | None
    """None while it cannot say them."""
    limits: LimitsRule = UNSAID
    roles: tuple[WantedRole, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    servers: tuple[WantedServer, ...]
    users: tuple[str, ...] = ()
    """Made if FlowAuth has none of that name, with the password that the step is given for it."""


@dataclass(frozen=True, slots=True)
class Present:
    """What FlowAuth has."""

    servers: Mapping[str, Server] = field(default_factory=dict)
    roles: Mapping[tuple[str, str], Role] = field(default_factory=dict)
    """By the names of server and role."""
    users: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    wanted: Wanted
    present: Present | None
    """None for a FlowAuth that is not there yet."""
    now: datetime
    closed: str = ""
    """Why a FlowAuth that is there lets nobody in without a person."""


@dataclass(frozen=True, slots=True)
class RegisterServer:
    """Make a FlowAPI known to FlowAuth."""

    server: str
    scopes: tuple[str, ...] | None
    limits: Limits

    def __str__(self) -> str:
        number = "all its scopes" if self.scopes is None else counted(len(self.scopes), "scope")
        return f"register FlowAPI {self.server} in FlowAuth: {number}; {self.limits}"


@dataclass(frozen=True, slots=True)
class UpdateScopes:
    """Give a server the scopes that its FlowAPI has now."""

    server: str
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def __str__(self) -> str:
        return f"update the scopes of {self.server}: {_difference(self.added, self.removed)}"

    def lines(self) -> list[str]:
        """The whole difference, a scope each."""
        return [*(f"+ {scope}" for scope in self.added), *(f"- {scope}" for scope in self.removed)]


@dataclass(frozen=True, slots=True)
class SetLimits:
    """Change how long a server's tokens live."""

    server: str
    limits: Limits

    def __str__(self) -> str:
        return f"limit {self.server}: {self.limits}"


@dataclass(frozen=True, slots=True)
class MakeRole:
    server: str
    role: str
    scopes: frozenset[str] | None
    limits: Limits

    def __str__(self) -> str:
        number = "the scopes that the file says" if self.scopes is None else counted(len(self.scopes), "scope")
        return f"make the role {self.role} of {self.server}: {number}; {self.limits}"


@dataclass(frozen=True, slots=True)
class UpdateRole:
    """Give a role other scopes, other limits or both."""

    server: str
    role: str
    scopes: frozenset[str]
    """All that it has then."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    limits: Limits | None
    """None to leave them."""

    def __str__(self) -> str:
        parts = [_difference(self.added, self.removed)] if self.added or self.removed else []
        parts += [str(self.limits)] if self.limits is not None else []
        return f"update the role {self.role} of {self.server}: {'; '.join(parts)}"


@dataclass(frozen=True, slots=True)
class MakeUser:
    user: str

    def __str__(self) -> str:
        return f"make the user {self.user}"


@dataclass(frozen=True, slots=True)
class PutIntoRole:
    server: str
    role: str
    user: str

    def __str__(self) -> str:
        return f"put {self.user} into the role {self.role} of {self.server}"


def plan(facts: Facts) -> Plan:
    """Raises SettingsError for a role beyond its server's limits, and for a member whom FlowAuth does not know."""
    if facts.closed:
        return Plan(unchanged=(Unchanged("FlowAuth", facts.closed),))
    present = facts.present or Present()
    if facts.present is not None:
        _refuse_strangers(facts.wanted, present)
    items: list[Action | Unchanged] = []
    for server in facts.wanted.servers:
        limits = _server_limits(server, present.servers.get(server.name), facts.now)
        items += _about_server(server, limits, present, facts.now)
        for role in server.roles:
            items.append(_about_role(server, role, limits, present))
        items += _about_others(server, present)
    for user in facts.wanted.users:
        items.append(Unchanged(f"user {user}", "is there already") if user in present.users else MakeUser(user))
    for server in facts.wanted.servers:
        for role in server.roles:
            items += _about_members(server.name, role, present)
    return Plan(
        tuple(item for item in items if not isinstance(item, Unchanged)),
        tuple(item for item in items if isinstance(item, Unchanged)),
    )


def _refuse_strangers(wanted: Wanted, present: Present) -> None:
    known = present.users | set(wanted.users)
    for server in wanted.servers:
        for role in server.roles:
            if strangers := [user for user in role.members if user not in known]:
                raise SettingsError(
                    f"the role {role.name} of {server.name} has members whom FlowAuth does not know",
                    why=", ".join(strangers),
                    fix=f"make them first: invoke flowauth.add-user {strangers[0]}",
                )


def _server_limits(wanted: WantedServer, server: Server | None, now: datetime) -> Limits:
    """What it will have: as the file says, else as it is, else as a new one has it."""
    first = Limits(FIRST_LIFE, end_of((now + FIRST_REACH).date()))
    return _ruled(wanted.limits, first if server is None else server.limits)


def _ruled(rule: LimitsRule, otherwise: Limits) -> Limits:
    return Limits(
        otherwise.longest_life if rule.longest_life is None else rule.longest_life,
        otherwise.latest_expiry if rule.latest_expiry is None else rule.latest_expiry,
    )


def _about_server(
    wanted: WantedServer, limits: Limits, present: Present, now: datetime
) -> Iterator[Action | Unchanged]:
    server = present.servers.get(wanted.name)
    if server is None:
        yield RegisterServer(wanted.name, wanted.scopes, limits)
        return
    added, removed = _compared(wanted.scopes, server.scopes)
    if added or removed:
        yield UpdateScopes(wanted.name, added, removed)
    if limits != server.limits:
        yield SetLimits(wanted.name, limits)
    elif limits.latest_expiry <= now:
        when = f"{limits.latest_expiry:%Y-%m-%d}"
        yield Unchanged(wanted.name, f"gives no tokens since {when}: say another latest_token_expiry in the file")
    elif not added and not removed:
        number = counted(len(server.scopes), "scope")
        yield Unchanged(wanted.name, f"is registered in FlowAuth, {number}; {limits}")


def _about_role(server: WantedServer, wanted: WantedRole, most: Limits, present: Present) -> Action | Unchanged:
    rule = wanted.limits
    asked = _ruled(rule, most)
    if asked.within(most) != asked:
        raise SettingsError(
            f"the role {wanted.name} is to have more than the server {server.name} allows",
            why=f"the server's {most}",
            fix="give the role less, or the server more: the keys at the top of the file",
        )
    role = present.roles.get((server.name, wanted.name))
    if role is None:
        return MakeRole(server.name, wanted.name, wanted.scopes, asked)
    limits = _ruled(rule, _ruled(server.limits, role.limits)).within(most)
    added, removed = _compared(wanted.scopes, role.scopes)
    if added or removed or limits != role.limits:
        scopes = role.scopes if wanted.scopes is None else wanted.scopes
        return UpdateRole(server.name, wanted.name, scopes, added, removed, None if limits == role.limits else limits)
    number = counted(len(role.scopes), "scope")
    return Unchanged(f"role {wanted.name} of {server.name}", f"is as the file says, {number}; {limits}")


def _about_others(server: WantedServer, present: Present) -> Iterator[Unchanged]:
    """Roles that the file does not name, and what becomes of them."""
    named = {role.name for role in server.roles}
    for (where, name), role in sorted(present.roles.items()):
        if where == server.name and name not in named:
            lost = 0 if server.scopes is None else len(role.scopes - set(server.scopes))
            loss = f", but loses {counted(lost, 'scope')} that FlowAPI has no more" if lost else ""
            yield Unchanged(f"role {name} of {where}", f"is not in the file and stays{loss}")


def _about_members(server: str, wanted: WantedRole, present: Present) -> Iterator[Action | Unchanged]:
    role = present.roles.get((server, wanted.name))
    for user in wanted.members:
        if role is not None and user in role.members:
            yield Unchanged(f"user {user}", f"is in the role {wanted.name} of {server}")
        else:
            yield PutIntoRole(server, wanted.name, user)


def _compared(wanted: Collection[str] | None, present: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is to be added and what removed, sorted."""
    if wanted is None:
        return (), ()
    return tuple(sorted(set(wanted) - set(present))), tuple(sorted(set(present) - set(wanted)))


def _difference(added: Collection[str], removed: Collection[str]) -> str:
    parts = (("added", added), ("removed", removed))
    return ", ".join(f"{counted(len(scopes), 'scope')} {done} ({_named(scopes)})" for done, scopes in parts if scopes)


def _named(scopes: Collection[str]) -> str:
    first = ", ".join(list(scopes)[:NAMED])
    return first if len(scopes) <= NAMED else f"{first} and {len(scopes) - NAMED} more"
