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

    A negative `lifetime` makes one that has expired already.  The key must have been made or checked here; raises
    MaterialError when it is not RSA.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from flowkit_jwt_generator import generate_token

    key = keys.private_key(signing_key, proven=True)
    if not isinstance(key, RSAPrivateKey):
        raise keys.not_rsa("signing key")
    signed: str = generate_token(
        flowapi_identifier=audience,
        username=username,
        private_key=key,
        lifetime=lifetime,
        roles={role: list(scopes) for role, scopes in roles.items()},
    )
    return Sensitive(signed)
