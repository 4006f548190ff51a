"""FlowAuth, as an admin asks it: users, servers with their scopes and limits, roles; all by name.

FlowAuth knows them by numbers, which are looked up with each call: whoever else changes something is not overlooked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from secrets_quickstart.clients import flowauth_records as records
from secrets_quickstart.clients.flowauth import AGAIN, FlowauthClient
from secrets_quickstart.clients.flowauth_records import Limits, Role, Server, User
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

NO_SERVER = -1


class FlowauthAdmin(FlowauthClient):
    """An admin's session, once they have signed in.

    Every method raises Refused without the right, ServiceError for what FlowAuth refuses or does not have.
    """

    def public_key(self) -> str:
        """What FlowAPI verifies this FlowAuth's tokens with, PEM."""
        return self._get("/admin/public_key", "give its public key", lambda reply: str(reply["public_key"]))

    def user_names(self) -> tuple[str, ...]:
        return tuple(self._users())

    def users(self) -> tuple[User, ...]:
        """All of them, each asked for by itself."""
        return tuple(self._user(number) for number in self._users().values())

    def user(self, name: str) -> User | None:
        number = self._users().get(name)
        return None if number is None else self._user(number)

    def add_user(self, name: str, password: Sensitive, *, is_admin: bool = False) -> None:
        """Raises ServiceError for a name that is taken and for a weak password."""
        body = {"username": name, "password": password.text(), "is_admin": is_admin, "require_two_factor": False}
        self._do("POST", "/admin/users", f"make the user {name}", body)

    def change_user(
        self,
        name: str,
        *,
        password: Sensitive | None = None,
        is_admin: bool | None = None,
        has_two_factor: bool | None = None,
    ) -> None:
        """What is None stays as it is; `has_two_factor` can only be taken away."""
        body: dict[str, Any] = {"password": password.text()} if password is not None else {}
        body |= {} if is_admin is None else {"is_admin": is_admin}
        body |= {} if has_two_factor is None else {"has_two_factor": has_two_factor}
        self._do("PATCH", f"/admin/users/{self._user_number(name)}", f"change the user {name}", body)

    def remove_user(self, name: str) -> None:
        """Their tokens go on until they end."""
        self._do("DELETE", f"/admin/users/{self._user_number(name)}", f"remove the user {name}", {})

    def servers(self) -> tuple[Server, ...]:
        return tuple(self._server(name, number) for name, number in self._servers().items())

    def add_server(self, name: str, scopes: Collection[str], limits: Limits) -> None:
        """With all of its scopes switched on."""
        body = {"name": name, "scopes": list(scopes), **limits.fields()}
        self._do("POST", "/admin/servers", f"register the server {name}", body)

    def set_limits(self, server: str, limits: Limits) -> None:
        self._do("PATCH", self._server_path(server), f"limit {server}", {"name": server, **limits.fields()})

    def set_scopes(self, server: str, scopes: Mapping[str, bool]) -> None:
        """These and no others; roles keep those of theirs that stay, which this sees to where FlowAuth does not."""
        before = [role for role in self.roles() if role.server == server]
        self._do("POST", f"{self._server_path(server)}/scopes", f"set the scopes of {server}", dict(scopes))
        after = {role.name: role for role in self.roles() if role.server == server}
        for role in before:
            left = role.scopes & scopes.keys()
            if role.name in after and after[role.name].scopes != left:
                self.change_role(server, role.name, scopes=left)

    def roles(self) -> tuple[Role, ...]:
        """Those of every server."""
        servers = {number: name for name, number in self._servers().items()}
        users = {number: name for name, number in self._users().items()}
        rows = [row for row in self._rows() if row.server in servers]
        scopes = {
            listed: name for server in {row.server for row in rows} for name, listed in self._scopes(server).items()
        }
        return tuple(
            Role(
                servers[row.server],
                row.name,
                row.limits,
                frozenset(scopes[number] for number in row.scopes if number in scopes),
                frozenset(users[number] for number in row.users if number in users),
            )
            for row in rows
        )

    def add_role(self, server: str, name: str, scopes: Collection[str], limits: Limits) -> None:
        """With nobody in it.  Raises ServiceError for limits beyond the server's."""
        number = self.server_number(server)
        body = {"name": name, "server_id": number, "users": [], **limits.fields()}
        body["scopes"] = self._scope_numbers(number, scopes)
        self._do("POST", "/roles/", f"make the role {name} of {server}", body)

    def change_role(
        self, server: str, name: str, *, scopes: Collection[str] | None = None, limits: Limits | None = None
    ) -> None:
        """What is None stays as it is."""
        number = self.server_number(server)
        body: dict[str, Any] = {} if limits is None else limits.fields()
        if scopes is not None:
            body["scopes"] = self._scope_numbers(number, scopes)
        self._change_role(number, server, name, body)

    def remove_role(self, server: str, name: str) -> None:
        number = self._role(self.server_number(server), server, name).number
        self._do("DELETE", f"/roles/{number}", f"remove the role {name} of {server}", {})

    def put_into_role(self, server: str, role: str, user: str) -> None:
        number, member = self.server_number(server), self._user_number(user)
        members = self._role(number, server, role).users
        if member not in members:
            self._change_role(number, server, role, {"users": [*members, member]})

    def take_out_of_role(self, server: str, role: str, user: str) -> None:
        number, member = self.server_number(server), self._user_number(user)
        members = self._role(number, server, role).users
        if member in members:
            self._change_role(number, server, role, {"users": [each for each in members if each != member]})

    def _change_role(self, server_number: int, server: str, name: str, body: Mapping[str, Any]) -> None:
        path = f"/roles/{self._role(server_number, server, name).number}"
        self._do("PATCH", path, f"change the role {name} of {server}", body)

    def _role(self, server_number: int, server: str, name: str) -> _Row:
        for row in self._rows():
            if row.server == server_number and row.name == name:
                return row
        raise _missing(f"role {name} of {server}")

    def _rows(self) -> list[_Row]:
        return self._get("/roles/", "list the roles", lambda reply: [_Row.of(each) for each in reply])

    def _users(self) -> dict[str, int]:
        return self._get("/admin/users", "list its users", _numbers)

    def _user(self, number: int) -> User:
        return self._get(f"/admin/users/{number}", "describe a user", _read_user)

    def _user_number(self, name: str) -> int:
        return _found(self._users(), name, f"user {name}")

    def _servers(self) -> dict[str, int]:
        return self._get("/admin/servers", "list its servers", _numbers)

    def _server(self, name: str, number: int) -> Server:
        path = f"/admin/servers/{number}"
        limits = self._get(f"{path}/time_limits", f"say the limits of {name}", records.limits)
        return Server(name, limits, self._get(f"{path}/scopes", f"list the scopes of {name}", _switches))

    def server_number(self, name: str) -> int:
        """By which its tokens are asked for."""
        return _found(self._servers(), name, f"server {name}")

    def _server_path(self, name: str) -> str:
        return f"/admin/servers/{self.server_number(name)}"

    def _scopes(self, server_number: int) -> dict[str, int]:
        return self._get(f"/admin/servers/{server_number}/scopes", "list a server's scopes", _numbers)

    def _scope_numbers(self, server_number: int, names: Iterable[str]) -> list[int]:
        known = self._scopes(server_number)
        return [_found(known, name, f"scope {name}") for name in sorted(names)]


@dataclass(frozen=True, slots=True)
class _Row:
    """A role with FlowAuth's numbers."""

    number: int
    server: int
    """NO_SERVER for a role that lost its own."""
    name: str
    limits: Limits
    scopes: tuple[int, ...]
    users: tuple[int, ...]

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> _Row:
        scopes, users = (tuple(int(number) for number in reply[name]) for name in ("scopes", "users"))
        server = NO_SERVER if reply["server"] is None else int(reply["server"])
        return cls(int(reply["id"]), server, str(reply["name"]), records.limits(reply), scopes, users)


def _numbers(reply: Any) -> dict[str, int]:
    return {str(row["name"]): int(row["id"]) for row in reply}


def _switches(reply: Any) -> dict[str, bool]:
    return {str(row["name"]): row.get("enabled") is not False for row in reply}


def _read_user(reply: Any) -> User:
    flags = (bool(reply[name]) for name in ("is_admin", "has_two_factor", "require_two_factor"))
    return User(str(reply["name"]), *flags)


def _found(known: Mapping[str, int], name: str, what: str) -> int:
    if name not in known:
        raise _missing(what)
    return known[name]


def _missing(what: str) -> ServiceError:
    return ServiceError(f"FlowAuth knows no {what}", fix=f"somebody else may have removed it just now: {AGAIN}")
