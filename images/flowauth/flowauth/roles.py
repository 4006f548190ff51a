"""Roles: which users have which of a server's scopes, and for how long at a time. Under /roles."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from flowauth import limits, logs
from flowauth.fields import LONGEST_NAME
from flowauth.models import Role, Scope, Server, User, database
from flowauth.refusals import Refused
from flowauth.sessions import body, for_admins

blueprint = Blueprint("roles", __name__, url_prefix="/roles")
ONE = "/<int(max=2147483647):role_id>"


@blueprint.get("/")
@for_admins
def list_roles() -> list[dict[str, object]]:
    query = select(Role).options(selectinload(Role.scopes).load_only(Scope.id)).options(selectinload(Role.users))
    return [_described(role) for role in database.session.scalars(query.order_by(Role.id))]


@blueprint.post("/")
@for_admins
def add_role() -> dict[str, object]:
    fields = body()
    server = database.session.get(Server, fields.whole("server_id", least=0))
    if server is None:
        raise Refused("There is no such server.", bad_field="server_id")
    role = Role(
        name=_free_name(fields.text("name", longest=LONGEST_NAME), server),
        server_id=server.id,
        latest_token_expiry=fields.moment("latest_token_expiry"),
        longest_token_life_minutes=fields.whole("longest_token_life_minutes"),
        scopes=_scopes(fields.wholes("scopes"), server),
        users=_users(fields.wholes("users")) if "users" in fields else [],
    )
    _require_within(role, server)
    database.session.add(role)
    database.session.commit()
    logs.say(logs.audit, "ROLE_ADDED", of=role.name, server=server.name)
    return _described(role)


@blueprint.get(ONE)
@for_admins
def get_role(role_id: int) -> dict[str, object]:
    return _described(_role(role_id))


@blueprint.patch(ONE)
@for_admins
def edit_role(role_id: int) -> list[dict[str, object]]:
    """Replies with all roles. A role stays with its server."""
    fields, role = body(), _role(role_id)
    server = role.server
    if server is None:
        raise Refused("This role has no server.", 404)
    with database.session.no_autoflush:
        if "name" in fields and fields.members["name"] != role.name:
            role.name = _free_name(fields.text("name", longest=LONGEST_NAME), server)
        if "latest_token_expiry" in fields:
            role.latest_token_expiry = fields.moment("latest_token_expiry")
        if "longest_token_life_minutes" in fields:
            role.longest_token_life_minutes = fields.whole("longest_token_life_minutes")
        if "latest_token_expiry" in fields or "longest_token_life_minutes" in fields:
            _require_within(role, server)
        if "scopes" in fields:
            role.scopes = _scopes(fields.wholes("scopes"), server)
        if "users" in fields:
            role.users = _users(fields.wholes("users"))
    database.session.commit()
    logs.say(logs.audit, "ROLE_EDITED", of=role.name, server=server.name, edited=sorted(set(fields.members)))
    return list_roles()


@blueprint.delete(ONE)
@for_admins
def remove_role(role_id: int) -> dict[str, object]:
    role = _role(role_id)
    name = role.name
    database.session.delete(role)
    database.session.commit()
    logs.say(logs.audit, "ROLE_REMOVED", of=name)
    return {"state": "done"}


@blueprint.get(f"{ONE}/members")
@for_admins
def list_members(role_id: int) -> list[dict[str, object]]:
    return [{"id": user.id, "name": user.username} for user in _role(role_id).users]


@blueprint.get(f"{ONE}/scopes")
@for_admins
def list_scopes(role_id: int) -> list[dict[str, object]]:
    return [{"id": scope.id, "name": scope.name} for scope in _role(role_id).scopes]


@blueprint.get("/user/<int(max=2147483647):user_id>")
@for_admins
def list_roles_of_user(user_id: int) -> list[dict[str, object]]:
    user = database.session.get(User, user_id)
    if user is None:
        raise Refused("There is no such user.", 404)
    return [_described(role) for role in user.roles]


def _role(role_id: int) -> Role:
    role = database.session.get(Role, role_id)
    if role is None:
        raise Refused("There is no such role.", 404)
    return role


def _described(role: Role) -> dict[str, object]:
    return {
        "id": role.id,
        "name": role.name,
        "scopes": sorted(scope.id for scope in role.scopes),
        "latest_token_expiry": limits.written(role.latest_token_expiry),
        "longest_token_life_minutes": role.longest_token_life_minutes,
        "server": role.server_id,
        "users": sorted(user.id for user in role.users),
    }


def _free_name(name: str, server: Server) -> str:
    taken = select(Role.id).where(Role.name == name, Role.server_id == server.id)
    if database.session.scalar(taken) is not None:
        raise Refused("Name already exists on this server.", bad_field="name")
    return name


def _scopes(ids: list[int], server: Server) -> list[Scope]:
    query = select(Scope).where(Scope.id.in_(ids), Scope.server_id == server.id)
    found = list(database.session.scalars(query))
    if len(found) != len(ids):
        raise Refused("A scope is not one of this server's.", bad_field="scopes")
    return found


def _users(ids: list[int]) -> list[User]:
    found = list(database.session.scalars(select(User).where(User.id.in_(ids))))
    if len(found) != len(ids):
        raise Refused("A user does not exist.", bad_field="users")
    return found


def _require_within(role: Role, server: Server) -> None:
    if (field := role.limit.exceeds(server.limit)) is not None:
        raise Refused("A role's limits must not exceed its server's.", bad_field=field)
