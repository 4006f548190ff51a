"""One's own tokens: on which servers, which there are, and new ones. Under /tokens."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.fernet import InvalidToken
from flask import Blueprint
from sqlalchemy import select

from flowauth import limits, logs, tokens
from flowauth.fields import LONGEST_NAME
from flowauth.models import Role, Scope, Server, Token, User, database, scopes_in_role, users_with_roles
from flowauth.refusals import Refused, unauthorised
from flowauth.services import services
from flowauth.sessions import body, current_user, fully_signed_in

blueprint = Blueprint("own_tokens", __name__, url_prefix="/tokens")


@blueprint.get("/servers")
@fully_signed_in
def my_servers() -> list[dict[str, object]]:
    query = (
        select(Server.id, Server.name)
        .join(Role, Role.server_id == Server.id)
        .join(users_with_roles, users_with_roles.c.role_id == Role.id)
        .where(users_with_roles.c.user_id == current_user().id)
        .distinct()
        .order_by(Server.name)
    )
    return [{"id": server_id, "server_name": name} for server_id, name in database.session.execute(query)]


@blueprint.get("/servers/<int(max=2147483647):server_id>")
@fully_signed_in
def my_access(server_id: int) -> dict[str, object]:
    server, user = _server(server_id), current_user()
    roles = _roles(server, user)
    if not roles:
        raise unauthorised(f"No roles for {user.username} on {server.name}")
    names = {name for scopes in _scopes(list(roles.values())).values() for name in scopes}
    now = _now()
    return {
        "allowed_claims": sorted(names),
        "latest_expiry": max(limits.expiry(now, (server.limit, role.limit)) for role in roles.values()),
    }


@blueprint.get("/tokens/<int(max=2147483647):server_id>")
@fully_signed_in
def my_tokens(server_id: int) -> list[dict[str, object]]:
    """Oldest first. A token that was stored under another Fernet key is null."""
    server, user = _server(server_id), current_user()
    found = database.session.scalars(
        select(Token).where(Token.user_id == user.id, Token.server_id == server.id).order_by(Token.id)
    )
    return [
        {
            "id": token.id,
            "name": token.name,
            "token": _opened(token.token),
            "expires": token.expiry,
            "server_name": server.name,
            "username": user.username,
        }
        for token in found
    ]


@blueprint.post("/tokens/<int(max=2147483647):server_id>")
@fully_signed_in
def add_token(server_id: int) -> dict[str, object]:
    """The expiry is the earliest that the server and the roles asked for allow."""
    fields, server, user = body(), _server(server_id), current_user()
    name = fields.text("name", missing="No name.", longest=LONGEST_NAME)
    wanted = [each.text("name", longest=LONGEST_NAME) for each in fields.objects("roles", missing="No roles.")]
    if not wanted:
        raise Refused("No roles.", bad_field="roles")
    held = _roles(server, user)
    for role in wanted:
        if role not in held:
            raise unauthorised(f"Role '{role}' is not permitted for the current user", bad_field="roles")
    roles = [held[role] for role in dict.fromkeys(wanted)]
    now = _now()
    expiry = limits.expiry(now, (server.limit, *(role.limit for role in roles)))
    if expiry <= now:
        raise unauthorised(f"Token for {user.username} expired")
    scopes = _scopes(roles)
    username, audience, user_id = user.username, server.name, user.id
    # Signing takes long, and needs no connection to the database meanwhile
    database.session.rollback()
    configuration = services().configuration
    token = tokens.signed(
        username=username,
        audience=audience,
        roles=scopes,
        key=configuration.signing_key,
        now=now,
        expiry=expiry,
    )
    sealed = configuration.fernet.encrypt(token.encode()).decode()
    database.session.add(Token(name=name, token=sealed, expiry=expiry, user_id=user_id, server_id=server_id))
    database.session.commit()
    logs.say(logs.audit, "TOKEN_MADE", server=audience, roles=sorted(scopes), expires=limits.written(expiry))
    return {"token": token}


def _server(server_id: int) -> Server:
    server = database.session.get(Server, server_id)
    if server is None:
        raise Refused("There is no such server.", 404)
    return server


def _roles(server: Server, user: User) -> dict[str, Role]:
    query = (
        select(Role)
        .join(users_with_roles, users_with_roles.c.role_id == Role.id)
        .where(users_with_roles.c.user_id == user.id, Role.server_id == server.id)
    )
    return {role.name: role for role in database.session.scalars(query)}


def _scopes(roles: list[Role]) -> dict[str, list[str]]:
    """Sorted names of the scopes that are switched on, by the roles' names."""
    names = {role.id: role.name for role in roles}
    query = (
        select(scopes_in_role.c.role_id, Scope.name)
        .join(Scope, Scope.id == scopes_in_role.c.scope_id)
        .where(scopes_in_role.c.role_id.in_(names), Scope.enabled.is_not(False))
    )
    found: dict[str, list[str]] = {role.name: [] for role in roles}
    for role_id, scope in database.session.execute(query):
        found[names[role_id]].append(scope)
    return {role: sorted(scopes) for role, scopes in found.items()}


def _opened(sealed: str) -> str | None:
    try:
        return services().configuration.fernet.decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
