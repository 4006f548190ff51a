"""A FlowAuth that is only its records, for deployments on a fake engine; the real one is in `flowauth_running`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Self

from secrets_quickstart.clients.flowauth_records import Limits, Role, Server
from secrets_quickstart.sensitive import Sensitive


class FlowauthInMemory:
    """An admin's session at it, again and again the same; `write` is called before each change."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self.server_rows: dict[str, Server] = {}
        self.role_rows: dict[tuple[str, str], Role] = {}
        self.users: dict[str, Sensitive] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def user_names(self) -> tuple[str, ...]:
        return tuple(self.users)

    def servers(self) -> tuple[Server, ...]:
        return tuple(self.server_rows.values())

    def roles(self) -> tuple[Role, ...]:
        return tuple(self.role_rows.values())

    def add_user(self, name: str, password: Sensitive) -> None:
        self._write()
        self.users[name] = password

    def add_server(self, name: str, scopes: Collection[str], limits: Limits) -> None:
        self._write()
        self.server_rows[name] = Server(name, limits, dict.fromkeys(scopes, True))

    def set_limits(self, server: str, limits: Limits) -> None:
        self._write()
        self.server_rows[server] = replace(self.server_rows[server], limits=limits)

    def set_scopes(self, server: str, scopes: Mapping[str, bool]) -> None:
        self._write()
        self.server_rows[server] = replace(self.server_rows[server], scopes=scopes)

    def add_role(self, server: str, name: str, scopes: Collection[str], limits: Limits) -> None:
        self._write()
        self.role_rows[server, name] = Role(server, name, limits, frozenset(scopes), frozenset())

    def change_role(self, server: str, name: str, *, scopes: Collection[str], limits: Limits | None) -> None:
        self._write()
        role = self.role_rows[server, name]
        self.role_rows[server, name] = replace(role, scopes=frozenset(scopes), limits=limits or role.limits)

    def put_into_role(self, server: str, role: str, user: str) -> None:
        self._write()
        row = self.role_rows[server, role]
        self.role_rows[server, role] = replace(row, members=row.members | {user})
