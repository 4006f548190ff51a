"""Servers: the FlowAPIs that tokens are for, with their scopes. Under /admin/servers."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import delete, select

from flowauth import fetching, limits, logs, scopes
from flowauth.fields import LONGEST_NAME, LONGEST_SCOPE, Fields
from flowauth.models import Role, Scope, Server, Token, database, scopes_in_role, users_with_roles
from flowauth.refusals import Refused
from flowauth.services import services
from flowauth.sessions import body, for_admins

blueprint = Blueprint("servers", __name__, url_prefix="/admin/servers")
ONE = "/<int(max=2147483647):server_id>"


@blueprint.get("")
@for_admins
def list_servers() -> list[dict[str, object]]:
    query = select(Server.id, Server.name).order_by(Server.id)
    return [{"id": server_id, "name": name} for server_id, name in database.session.execute(query)]


@blueprint.post("")
@for_admins
def add_server() -> dict[str, object]:
    fields = body()
    server = Server(
        name=_free_name(fields),
        latest_token_expiry=fields.moment("latest_token_expiry"),
        longest_token_life_minutes=fields.whole("longest_token_life_minutes"),
    )
    if "scopes" in fields:
        server.scopes = [Scope(name=name, enabled=True) for name in fields.texts("scopes", longest=LONGEST_SCOPE)]
    database.session.add(server)
    database.session.commit()
    logs.say(logs.audit, "SERVER_ADDED", of=server.name)
    return {"id": server.id}


@blueprint.post("/specification")
@for_admins
def fetch_specification() -> dict[str, object]:
    """A FlowAPI's name and scopes, asked of itself. Changes nothing."""
    fields = body()
    address = fetching.parse(fields.text("url"))
    certificate = fields.text("certificate", longest=100_000) if fields.members.get("certificate") else ""
    context = fetching.trusting(certificate, services().configuration.flowapi_ca)
    database.session.rollback()  # no connection is needed meanwhile
    api = scopes.read(fetching.fetch(address, context))
    logs.say(logs.audit, "SPECIFICATION_FETCHED", host=address.host, port=address.port)
    return {"name": api.name, "scopes": list(api.scopes)}


@blueprint.get(ONE)
@for_admins
def get_server(server_id: int) -> dict[str, object]:
    server = _server(server_id)
    return {"id": server.id, "name": server.name}


@blueprint.patch(ONE)
@for_admins
def edit_server(server_id: int) -> dict[str, object]:
    fields, server = body(), _server(server_id)
    if "name" in fields and fields.members["name"] != server.name:
        server.name = _free_name(fields)
    if "latest_token_expiry" in fields:
        server.latest_token_expiry = fields.moment("latest_token_expiry")
    if "longest_token_life_minutes" in fields:
        server.longest_token_life_minutes = fields.whole("longest_token_life_minutes")
    if "scopes" in fields:
        _set_scopes(server, dict.fromkeys(fields.texts("scopes", longest=LONGEST_SCOPE), True))
    database.session.commit()
    logs.say(logs.audit, "SERVER_EDITED", of=server.name, edited=sorted(set(fields.members)))
    return {"id": server.id}


@blueprint.delete(ONE)
@for_admins
def remove_server(server_id: int) -> dict[str, object]:
    """With its scopes, its roles and the record of its tokens, in one transaction."""
    server = _server(server_id)
    name = server.name
    roles = select(Role.id).where(Role.server_id == server.id)
    for table in (scopes_in_role, users_with_roles):
        database.session.execute(delete(table).where(table.c.role_id.in_(roles)))
    for model in (Role, Scope, Token):
        database.session.execute(delete(model).where(model.server_id == server.id))
    database.session.execute(delete(Server).where(Server.id == server.id))
    database.session.commit()
    logs.say(logs.audit, "SERVER_REMOVED", of=name)
    return {"poll": "OK"}


@blueprint.get(f"{ONE}/time_limits")
@for_admins
def time_limits(server_id: int) -> dict[str, object]:
    server = _server(server_id)
    return {
        "longest_token_life_minutes": server.longest_token_life_minutes,
        "latest_token_expiry": server.latest_token_expiry,
    }


@blueprint.get(f"{ONE}/scopes")
@for_admins
def list_scopes(server_id: int) -> list[dict[str, object]]:
    return _listed_scopes(_server(server_id))


@blueprint.post(f"{ONE}/scopes")
@for_admins
def replace_scopes(server_id: int) -> list[dict[str, object]]:
    """Roles keep the scopes that stay."""
    wanted, server = body().flags_by_name(longest=LONGEST_SCOPE), _server(server_id)
    _set_scopes(server, wanted)
    database.session.commit()
    logs.say(logs.audit, "SCOPES_REPLACED", of=server.name, number=len(wanted))
    return _listed_scopes(server)


@blueprint.patch(f"{ONE}/scopes")
@for_admins
def switch_scopes(server_id: int) -> list[dict[str, object]]:
    wanted, server = body().flags_by_name(longest=LONGEST_SCOPE), _server(server_id)
    for scope in server.scopes:
        if scope.name in wanted:
            scope.enabled = wanted[scope.name]
    database.session.commit()
    logs.say(logs.audit, "SCOPES_SWITCHED", of=server.name, number=len(wanted))
    return _listed_scopes(server)


@blueprint.get(f"{ONE}/roles")
@for_admins
def list_roles(server_id: int) -> list[dict[str, object]]:
    return [
        {
            "id": role.id,
            "name": role.name,
            "scopes": [scope.name for scope in role.scopes],
            "latest_token_expiry": limits.written(role.latest_token_expiry),
            "longest_token_life_minutes": role.longest_token_life_minutes,
        }
        for role in _server(server_id).roles
    ]


def _server(server_id: int) -> Server:
    server = database.session.get(Server, server_id)
    if server is None:
        raise Refused("There is no such server.", 404)
    return server


def _free_name(fields: Fields) -> str:
    name = fields.text("name", missing="Must provide server name", longest=LONGEST_NAME)
    if database.session.scalar(select(Server.id).where(Server.name == name)) is not None:
        raise Refused("Server with this name already exists.", bad_field="name")
    return name


def _set_scopes(server: Server, wanted: dict[str, bool]) -> None:
    kept = {scope.name: scope for scope in server.scopes if scope.name in wanted}
    gone = [scope.id for scope in server.scopes if scope.name not in wanted]
    database.session.execute(delete(scopes_in_role).where(scopes_in_role.c.scope_id.in_(gone)))
    database.session.execute(delete(Scope).where(Scope.id.in_(gone)))
    for name, enabled in wanted.items():
        if name in kept:
            kept[name].enabled = enabled
        else:
            database.session.add(Scope(name=name, enabled=enabled, server_id=server.id))


def _listed_scopes(server: Server) -> list[dict[str, object]]:
    query = select(Scope).where(Scope.server_id == server.id).order_by(Scope.id)
    return [
        {"id": scope.id, "name": scope.name, "enabled": scope.enabled is not False}
        for scope in database.session.scalars(query)
    ]
