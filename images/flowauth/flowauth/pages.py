"""Pages: what needs no sign-in, and is not for signing in: the web page, the version, this interface's description."""

from __future__ import annotations

import functools
import json

from flask import Blueprint, Response, current_app, send_from_directory

from flowauth import __version__, description, tokens
from flowauth.services import csrf, services
from flowauth.sessions import for_admins

blueprint = Blueprint("pages", __name__)
csrf.exempt(blueprint)


@blueprint.get("/")
def index() -> Response:
    return send_from_directory(str(current_app.static_folder), "index.html")


@blueprint.get("/favicon.ico")
def icon() -> Response:
    return send_from_directory(str(current_app.static_folder), "icon.svg")


@blueprint.get("/version")
def version() -> dict[str, object]:
    return {"version": __version__}


@blueprint.get("/spec/openapi.json")
def describe() -> Response:
    return Response(_description(), mimetype="application/json")


@blueprint.get("/admin/public_key")
@for_admins
def public_key() -> dict[str, object]:
    return {"public_key": tokens.public_pem(services().configuration.signing_key)}


@functools.cache
def _description() -> bytes:
    return json.dumps(description.document()).encode()
