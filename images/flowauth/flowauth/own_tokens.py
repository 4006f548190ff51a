"""One's own tokens: on which servers, which there are, and new ones. Under /tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.fernet import InvalidToken
from flask import Blueprint
from sqlalchemy import and_, bindparam, func, insert, select

from flowauth import limits, logs, tokens
from flowauth.fields import LONGEST_NAME
from flowauth.limits import Limit
from flowauth.models import Role, Scope, Server, Token, database, scopes_in_role, users_with_roles
from flowauth.refusals import Refused, unauthorised
from flowauth.services import services
from flowauth.sessions import body, current_user, fully_signed_in

blueprint = Blueprint("own_tokens", __name__, url_prefix="/tokens")
SEPARATOR = "\n"  # which no scope holds


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
    user = current_user()
    server, held = _held(server_id, user.id)
    if not held:
        raise unauthorised(f"No roles for {user.username} on {server.name}")
    now = _now()
    return {
        "allowed_claims": sorted({scope for role in held.values() for scope in role.scopes}),
        "latest_expiry": max(limits.expiry(now, (server.limit, role.limit)) for role in held.values()),
    }


@blueprint.get("/tokens/<int(max=2147483647):server_id>")
@fully_signed_in
def my_tokens(server_id: int) -> list[dict[str, object]]:
    """Oldest first. A token that was stored under another Fernet key is null."""
    server, user = database.session.get(Server, server_id), current_user()
    if server is None:
        raise _no_server()
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
    fields, user = body(), current_user()
    name = fields.text("name", missing="No name.", longest=LONGEST_NAME)
    wanted = [each.text("name", longest=LONGEST_NAME) for each in fields.objects("roles", missing="No roles.")]
    if not wanted:
        raise Refused("No roles.", bad_field="roles")
    server, held = _held(server_id, user.id)
    for role in wanted:
        if role not in held:
            raise unauthorised(f"Role '{role}' is not permitted for the current user", bad_field="roles")
    roles = {role: held[role] for role in wanted}
    now = _now()
    expiry = limits.expiry(now, (server.limit, *(role.limit for role in roles.values())))
    if expiry <= now:
        raise unauthorised(f"Token for {user.username} expired")
    configuration = services().configuration
    token = tokens.signed(
        username=user.username,
        audience=server.name,
        roles={role: held.scopes for role, held in roles.items()},
        key=configuration.signing_key,
        now=now,
        expiry=expiry,
    )
    sealed = configuration.fernet.encrypt(token.encode()).decode()
    row = {"name": name, "token": sealed, "expiry": expiry, "user_id": user.id, "server_id": server_id}
    database.session.execute(insert(Token), row)
    database.session.commit()
    logs.say(logs.audit, "TOKEN_MADE", server=server.name, roles=sorted(roles), expires=limits.written(expiry))
    return {"token": token}


# A server, and one's roles on it with their scopes: one question, as tokens are made often
NAMES = (
    select(func.aggregate_strings(Scope.name, SEPARATOR))
    .join(scopes_in_role, scopes_in_role.c.scope_id == Scope.id)
    .where(scopes_in_role.c.role_id == Role.id, Scope.enabled.is_not(False))
    .correlate(Role)
    .scalar_subquery()
)
HELD = (
    select(
        Server.name,
        Server.latest_token_expiry,
        Server.longest_token_life_minutes,
        Role.name,
        Role.latest_token_expiry,
        Role.longest_token_life_minutes,
        NAMES,
    )
    .select_from(Server)
    .outerjoin(users_with_roles, users_with_roles.c.user_id == bindparam("user"))
    .outerjoin(Role, and_(Role.id == users_with_roles.c.role_id, Role.server_id == Server.id))
    .where(Server.id == bindparam("server"))
)


@dataclass(frozen=True, slots=True)
class Audience:
    """A server, as a token needs it."""

    name: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class HeldRole:
    limit: Limit
    scopes: tuple[str, ...]  # sorted, only those that are switched on


def _held(server_id: int, user_id: int) -> tuple[Audience, dict[str, HeldRole]]:
    """The server, and the user's roles on it by name."""
    rows = database.session.execute(HELD, {"server": server_id, "user": user_id}).all()
    if not rows:
        raise _no_server()
    server = Audience(rows[0][0], Limit(rows[0][1], rows[0][2]))
    held = {
        name: HeldRole(Limit(latest, minutes), tuple(sorted(names.split(SEPARATOR))) if names else ())
        for *_, name, latest, minutes, names in rows
        if name is not None
    }
    return server, held


def _no_server() -> Refused:
    return Refused("There is no such server.", 404)


def _opened(sealed: str) -> str | None:
    try:
        return services().configuration.fernet.decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
