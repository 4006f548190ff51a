"""Description: this interface as an OpenAPI document. Says what is there; does nothing."""

from __future__ import annotations

from typing import Any

from flowauth import __version__
from flowauth.fields import LARGEST, LONGEST_NAME, LONGEST_SCOPE

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer"}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
SCOPE: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_SCOPE}
PASSWORD: Schema = {"type": "string", "minLength": 1, "maxLength": 4096, "format": "password"}
ID: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST}
MINUTES: Schema = {"type": "integer", "minimum": 1, "maximum": LARGEST}
MOMENT: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{1,6}Z$",
    "example": "2030-12-31T00:00:00.0Z",
}
HTTP_DATE: Schema = {"type": "string", "example": "Tue, 31 Dec 2030 00:00:00 GMT"}


def an(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, **({"required": sorted(required)} if required else {})}


def many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


NAMED = an({"id": ID, "name": TEXT})
MADE = an({"id": ID})
DONE = an({"poll": TEXT})
STATE = an({"logged_in": FLAG, "is_admin": FLAG, "require_two_factor_setup": FLAG})
SERVER = {"name": NAME, "latest_token_expiry": MOMENT, "longest_token_life_minutes": MINUTES}
ROLE_FIELDS = {"name": NAME, "latest_token_expiry": MOMENT, "longest_token_life_minutes": MINUTES}
ROLE = an({**ROLE_FIELDS, "id": ID, "scopes": many(ID), "server": ID, "users": many(ID)})
NAMED_ROLE = an({**ROLE_FIELDS, "id": ID, "scopes": many(TEXT)})
LISTED_SCOPE = an({"id": ID, "name": TEXT, "enabled": FLAG})
SWITCHES: Schema = {"type": "object", "additionalProperties": FLAG}
TOKEN = an(
    {
        "id": ID,
        "name": TEXT,
        "token": {"type": "string", "nullable": True},
        "expires": HTTP_DATE,
        "server_name": TEXT,
        "username": TEXT,
    }
)
USER = an(
    {
        "id": ID,
        "name": TEXT,
        "is_admin": FLAG,
        "has_two_factor": FLAG,
        "require_two_factor": FLAG,
        "roles": many(NAMED),
    }
)
NEW_USER = an({"username": NAME, "password": PASSWORD}, {"is_admin": FLAG, "require_two_factor": FLAG})
USER_EDITS = an(
    {},
    {
        "username": NAME,
        "password": {**PASSWORD, "minLength": 0},
        "is_admin": FLAG,
        "require_two_factor": FLAG,
        "has_two_factor": FLAG,
    },
)
CODES = {"backup_codes": many(TEXT), "backup_codes_signature": TEXT}
OFFER = an({**CODES, "provisioning_url": TEXT, "secret": TEXT, "issuer": TEXT}, {"qr_code": TEXT})
PROBLEM = an({"code": NUMBER, "message": TEXT}, {"bad_field": TEXT, "need_two_factor": FLAG})

# Method, path, what it does, body, reply
Row = tuple[str, str, str, Schema | None, Schema]
ROWS: tuple[Row, ...] = (
    (
        "post",
        "/signin",
        "Sign in. 400 with need_two_factor asks for a code.",
        an({"username": TEXT, "password": TEXT}, {"two_factor_code": TEXT}),
        STATE,
    ),
    ("get", "/is_signed_in", "Who is signed in", None, STATE),
    ("get", "/signout", "Sign out", None, an({"logged_in": FLAG})),
    ("get", "/version", "The release of FlowKit; also a sign of life", None, an({"version": TEXT})),
    ("get", "/user", "Oneself", None, an({k: v for k, v in USER["properties"].items() if k != "roles"})),
    ("patch", "/user/password", "Change one's password", an({"password": PASSWORD, "newPassword": PASSWORD}), an({})),
    ("get", "/user/two_factor_active", "Is it on", None, an({"two_factor_enabled": FLAG})),
    ("get", "/user/two_factor_required", "Must it be on", None, an({"require_two_factor": FLAG})),
    ("post", "/user/enable_two_factor", "Begin to set it up; nothing is stored", None, OFFER),
    (
        "post",
        "/user/confirm_two_factor",
        "Finish setting it up",
        an({"two_factor_code": TEXT, "secret": TEXT, "backup_codes_signature": TEXT}),
        an({"two_factor_enabled": FLAG}),
    ),
    ("post", "/user/disable_two_factor", "Switch it off", None, an({"two_factor_enabled": FLAG})),
    ("get", "/user/generate_two_factor_backups", "New backup codes; nothing is stored", None, an(CODES)),
    (
        "post",
        "/user/generate_two_factor_backups",
        "Put them in the place of the old ones",
        an({"backup_codes_signature": TEXT}),
        an({"backups_reset": FLAG}),
    ),
    ("get", "/user/roles/server/{server_id}", "One's roles on a server", None, many(ROLE)),
    ("get", "/tokens/servers", "Servers on which one has a role", None, many(an({"id": ID, "server_name": TEXT}))),
    (
        "get",
        "/tokens/servers/{server_id}",
        "What one may have there",
        None,
        an({"allowed_claims": many(TEXT), "latest_expiry": HTTP_DATE}),
    ),
    ("get", "/tokens/tokens/{server_id}", "One's tokens for a server", None, many(TOKEN)),
    (
        "post",
        "/tokens/tokens/{server_id}",
        "Make a token",
        an({"name": NAME, "roles": {**many(an({"name": NAME})), "minItems": 1}}),
        an({"token": TEXT}),
    ),
    ("get", "/admin/public_key", "What FlowAPI verifies tokens with", None, an({"public_key": TEXT})),
    ("get", "/admin/users", "All users", None, many(NAMED)),
    ("post", "/admin/users", "Add a user", NEW_USER, MADE),
    ("get", "/admin/users/{user_id}", "A user", None, USER),
    ("patch", "/admin/users/{user_id}", "Change a user", USER_EDITS, MADE),
    ("delete", "/admin/users/{user_id}", "Remove a user", None, DONE),
    ("get", "/admin/servers", "All servers", None, many(NAMED)),
    ("post", "/admin/servers", "Add a server", an(SERVER, {"scopes": many(SCOPE)}), MADE),
    (
        "post",
        "/admin/servers/specification",
        "Ask a FlowAPI for its name and scopes; nothing is stored",
        an({"url": TEXT}, {"certificate": TEXT}),
        an({"name": TEXT, "scopes": many(TEXT)}),
    ),
    ("get", "/admin/servers/{server_id}", "A server", None, NAMED),
    ("patch", "/admin/servers/{server_id}", "Change a server", an({}, {**SERVER, "scopes": many(SCOPE)}), MADE),
    ("delete", "/admin/servers/{server_id}", "Remove a server with its roles", None, DONE),
    (
        "get",
        "/admin/servers/{server_id}/time_limits",
        "A server's limits",
        None,
        an({"longest_token_life_minutes": MINUTES, "latest_token_expiry": HTTP_DATE}),
    ),
    ("get", "/admin/servers/{server_id}/scopes", "A server's scopes", None, many(LISTED_SCOPE)),
    ("post", "/admin/servers/{server_id}/scopes", "Replace them, by name", SWITCHES, many(LISTED_SCOPE)),
    ("patch", "/admin/servers/{server_id}/scopes", "Switch them on or off", SWITCHES, many(LISTED_SCOPE)),
    ("get", "/admin/servers/{server_id}/roles", "A server's roles", None, many(NAMED_ROLE)),
    ("get", "/roles/", "All roles", None, many(ROLE)),
    (
        "post",
        "/roles/",
        "Add a role",
        an({**ROLE_FIELDS, "server_id": ID, "scopes": many(ID)}, {"users": many(ID)}),
        ROLE,
    ),
    ("get", "/roles/{role_id}", "A role", None, ROLE),
    (
        "patch",
        "/roles/{role_id}",
        "Change a role",
        an({}, {**ROLE_FIELDS, "scopes": many(ID), "users": many(ID)}),
        many(ROLE),
    ),
    ("delete", "/roles/{role_id}", "Remove a role", None, an({"state": TEXT})),
    ("get", "/roles/{role_id}/members", "A role's users", None, many(NAMED)),
    ("get", "/roles/{role_id}/scopes", "A role's scopes", None, many(NAMED)),
    ("get", "/roles/user/{user_id}", "A user's roles", None, many(ROLE)),
)
OPEN = {"/signin", "/version"}
REFUSALS = {
    "400": "The request is wrong, in bad_field if that is named",
    "401": "Not signed in, not allowed, or (as text) CSRF error",
    "404": "There is no such thing",
    "405": "There is no such method here",
    "409": "Somebody else has just changed it",
    "413": "The body is too large",
    "429": "Too many attempts",
    "503": "The database or the cache cannot be reached just now",
}


def document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for method, path, summary, body, reply in ROWS:
        paths.setdefault(path, {})[method] = _operation(method, path, summary, body, reply)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "FlowAuth",
            "version": __version__,
            "description": "Sign in, keep the cookies, and send the cookie X-CSRF as the header X-CSRF-Token with"
            " every request that changes something.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM},
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "session"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
            },
        },
    }


def _operation(method: str, path: str, summary: str, body: Schema | None, reply: Schema) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{method} {path}",
        "summary": summary,
        "responses": {"200": {"description": "Done", "content": {"application/json": {"schema": reply}}}},
    }
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, meaning in REFUSALS.items():
        content = {**problem, "text/html": {"schema": TEXT}} if status == "401" else problem
        operation["responses"][status] = {"description": meaning, "content": content}
    if path not in OPEN:
        operation["security"] = [{"session": []} if method == "get" else {"session": [], "csrf": []}]
    if "{" in path:
        name = path.partition("{")[2].partition("}")[0]
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": ID}]
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
