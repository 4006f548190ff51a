"""Tokens: from an Authorization header to a user with roles. Not what the roles are needed for."""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

LEEWAY = 10  # seconds by which the clocks of FlowAuth and this server may differ
LARGEST_CLAIMS = 4 * 2**20  # bytes unpacked: a hundred roles that hold every scope there is
GZIP = zlib.MAX_WBITS | 16


@dataclass(frozen=True, slots=True)
class User:
    name: str
    roles: Mapping[str, frozenset[str]]


class TokenRefused(Exception):
    """`status` and `reason` are for the client, `event` for the log."""

    def __init__(self, status: int, event: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.event = event
        self.reason = reason


def public_key(text: str) -> RSAPublicKey:
    """The key in a PEM text or in the base64 of one. Raises ValueError."""
    key = None
    try:
        pem = text.encode() if "-----BEGIN" in text else base64.b64decode(text, validate=False)
        key = load_pem_public_key(pem)
    except Exception as problem:  # the library raises several kinds for what is no key
        raise ValueError("neither a PEM public key nor the base64 of one") from problem
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")  # noqa: TRY004  the value is wrong, not our call
    return key


class Verifier:
    """Accepts RS256 tokens signed with one key for one audience."""

    def __init__(self, key: RSAPublicKey, audience: str) -> None:
        self._key = key
        self._audience = audience

    def user(self, header: str | None) -> User:
        """The user whose token the header carries. Raises TokenRefused."""
        if not header:
            raise TokenRefused(401, "UNAUTHORISED", "Missing Authorization Header")
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token or " " in token:
            reason = "Bad Authorization header. Expected value 'Bearer <JWT>'"
            raise TokenRefused(422, "INVALID_TOKEN", reason)
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["RS256"],
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "sub"]},
            )
        except jwt.ExpiredSignatureError as problem:
            raise TokenRefused(401, "EXPIRED_TOKEN", "Token has expired") from problem
        except (jwt.PyJWTError, ValueError, RecursionError) as problem:
            reason = str(problem) or "Invalid token"
            raise TokenRefused(422, "INVALID_TOKEN", reason) from problem
        try:
            return User(claims["sub"], roles_of(claims.get("user_claims", {})))
        except (ValueError, RecursionError) as problem:
            reason = "The token's user_claims are not an object of roles with lists of scopes"
            raise TokenRefused(422, "INVALID_TOKEN", reason) from problem


def roles_of(user_claims: object) -> dict[str, frozenset[str]]:
    """Roles by name, from the plain claims or their packed text. Raises ValueError."""
    claims = _unpacked(user_claims) if isinstance(user_claims, str) else user_claims
    if not isinstance(claims, dict):
        raise ValueError("not an object")  # noqa: TRY004  a value of the token's, not our call
    for scopes in claims.values():
        if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
            raise ValueError("not lists of texts")
    return {role: frozenset(scopes) for role, scopes in claims.items()}


def _unpacked(text: str) -> Any:
    """JSON from base64 (with line breaks) of gzip, never more than LARGEST_CLAIMS in memory."""
    unpacker = zlib.decompressobj(GZIP)
    try:
        unpacked = unpacker.decompress(base64.b64decode("".join(text.split())), LARGEST_CLAIMS)
    except zlib.error as problem:
        raise ValueError("not gzip") from problem
    if not unpacker.eof:
        raise ValueError("cut off, or larger than any honest claims")
    return json.loads(unpacked)
