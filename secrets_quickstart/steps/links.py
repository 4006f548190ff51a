"""The step that links FlowAPIs to FlowAuth: servers, roles and users there; what has to be done is in `links_plan`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from secrets_quickstart.clients.answers import Forbidden
from secrets_quickstart.clients.flowauth import CodeNeeded
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps import links_plan
from secrets_quickstart.steps.links_plan import (
    Facts,
    MakeRole,
    MakeUser,
    Present,
    PutIntoRole,
    RegisterServer,
    SetLimits,
    UpdateRole,
    UpdateScopes,
    Wanted,
)
from secrets_quickstart.steps.step import Action, Plan

if TYPE_CHECKING:
    from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin


class LinksStep:
    """FlowAuth knows the FlowAPIs, their roles and the users that it should."""

    name = "links"

    def __init__(
        self,
        admin: Callable[[], AbstractContextManager[FlowauthAdmin] | None],
        wanted: Callable[[], Wanted],
        password: Callable[[str], Sensitive],
    ) -> None:
        """`admin` opens an admin's session, or gives None while there is no FlowAuth to ask.

        `wanted` says what there should be, as far as it can be known now; `password` is that of a user to be made.
        """
        self._admin = admin
        self._wanted = wanted
        self._password = password

    def look(self) -> Facts:
        wanted, now = self._wanted(), datetime.now(UTC)
        try:
            session = self._admin()
        except (CodeNeeded, Forbidden) as problem:
            return Facts(wanted, None, now, closed=f"{problem}: see to it with invoke flowauth.link")
        if session is None:
            return Facts(wanted, None, now)
        with session as client:
            servers = {server.name: server for server in client.servers()}
            roles = {(role.server, role.name): role for role in client.roles()}
            present = Present(servers, roles, frozenset(client.user_names()))
        return Facts(wanted, present, now)

    def plan(self, facts: Facts) -> Plan:
        """Raises SettingsError when a role is to have more than its server, or a member that FlowAuth does not know."""
        return links_plan.plan(facts)

    def act(self, actions: Sequence[Action]) -> None:
        if not actions:
            return
        session = self._admin()
        if session is None:
            raise ServiceError("there is no FlowAuth to link", fix="deploy it: invoke deploy --target flowauth")
        with session as client:
            for action in actions:
                self._do(client, action)

    def _do(self, client: FlowauthAdmin, action: Action) -> None:
        """Each of them brings its own about once more when a run before this one has done it already."""
        match action:
            case RegisterServer(server=server, scopes=scopes, limits=limits):
                known = _known(scopes, server)
                if server in (each.name for each in client.servers()):
                    client.set_scopes(server, dict.fromkeys(known, True))
                    client.set_limits(server, limits)
                else:
                    client.add_server(server, sorted(known), limits)
            case UpdateScopes(server=server, added=added, removed=removed):
                [present] = [each.scopes for each in client.servers() if each.name == server]
                kept = {scope: is_on for scope, is_on in present.items() if scope not in removed}
                client.set_scopes(server, {**dict.fromkeys(added, True), **kept})
            case SetLimits(server=server, limits=limits):
                client.set_limits(server, limits)
            case MakeRole(server=server, role=role, scopes=scopes, limits=limits):
                known = _known(scopes, server)
                if (server, role) in ((each.server, each.name) for each in client.roles()):
                    client.change_role(server, role, scopes=known, limits=limits)
                else:
                    client.add_role(server, role, known, limits)
            case UpdateRole(server=server, role=role, scopes=scopes, limits=limits):
                client.change_role(server, role, scopes=scopes, limits=limits)
            case MakeUser(user=user):
                if user not in client.user_names():
                    client.add_user(user, self._password(user))
            case PutIntoRole(server=server, role=role, user=user):
                client.put_into_role(server, role, user)
            case _:
                raise TypeError(type(action))


def _known(scopes: Sequence[str] | frozenset[str] | None, server: str) -> frozenset[str]:
    if scopes is None:
        raise ServiceError(f"the scopes of {server} are not known", why="its FlowAPI was not asked", fix="run again")
    return frozenset(scopes)
