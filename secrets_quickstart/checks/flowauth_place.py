"""Where this stack's FlowAuth is to be asked, and whom to trust there; it is not asked here."""

from __future__ import annotations

from secrets_quickstart.checks.verification_world import Unasked, World
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.settings import Settings

EDGE = "edge"
CERTIFICATE = "cert-flowauth.pem"
TRUSTED = "trusted-flowkit.pem"
"""Authorities of the operator's, for an ACME directory other than Let's Encrypt's among others."""


def flowauth_place(settings: Settings, world: World) -> Place:
    """FlowAuth's edge, by the name that people use.  Raises ServiceError when it is not deployed, or does not run."""
    try:
        host = world.address(EDGE).host
    except Unasked as reason:
        raise ServiceError("FlowAuth cannot be reached", why=str(reason), fix="see: invoke status") from None
    pem = world.secret(TRUSTED if settings["FLOWAUTH_CERTIFICATE"] == "acme" else CERTIFICATE)
    return Place(host, settings["FLOWAUTH_HOST_PORT"], settings["DOMAIN_NAME"], None if pem is None else pem.text())
