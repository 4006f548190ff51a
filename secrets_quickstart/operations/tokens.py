"""A FlowAPI token from the vault's signing key, for trying things out; people get theirs from FlowAuth."""

from __future__ import annotations

from datetime import timedelta

from secrets_quickstart.checks import verification_places
from secrets_quickstart.errors import MaterialError, ServiceError
from secrets_quickstart.material.tokens import token
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of

AUDIENCE = "FLOWAPI_IDENTIFIER"
SPECIFICATION = "/api/0/spec/openapi.json"
ROLE = "everything"


def sign(settings: Settings, user: str, lifetime: timedelta) -> Sensitive:
    """A token with every scope that the running FlowAPI knows.

    Raises MaterialError when the vault holds no signing key, because FlowAuth is elsewhere.
    """
    vault = Vault.open(settings.vault_path, key_of(settings))
    world = verification_places.world(settings, Engine(settings.base_environment), vault)
    key = world.secret(verification_places.SIGNING_KEY)
    if key is None:
        raise MaterialError(
            "no token can be signed here",
            why="the vault does not hold the signing key whose other half FlowAPI has",
            fix="get a token from the FlowAuth that holds it",
        )
    reply = world.flowapi().get(SPECIFICATION)
    if reply.status != 200:
        raise ServiceError("FlowAPI does not say its scopes", why=reply.reason(), fix="invoke verify")
    scopes = reply.json()["components"]["securitySchemes"]["token"]["x-security-scopes"]
    return token(user, key, vault.value(AUDIENCE).text(), {ROLE: scopes}, lifetime)
