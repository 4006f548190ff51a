"""FlowAPI tokens for verification, as FlowAuth signs them; FlowAuth issues those that people use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from secrets_quickstart.material import keys
from secrets_quickstart.sensitive import Sensitive


def token(
    username: str,
    signing_key: Sensitive,
    audience: str,
    roles: Mapping[str, Sequence[str]],
    lifetime: timedelta,
) -> Sensitive:
    """A JWT for the FlowAPI called `audience`, with its scopes by role, valid from now on.

    A negative `lifetime` makes one that has expired already.  Raises MaterialError when the key is no RSA private key.
    """
    from flowkit_jwt_generator import generate_token

    signed: str = generate_token(
        flowapi_identifier=audience,
        username=username,
        private_key=keys.check_signing_key(signing_key).text(),
        lifetime=lifetime,
        roles={role: list(scopes) for role, scopes in roles.items()},
    )
    return Sensitive(signed)
