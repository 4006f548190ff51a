"""Tokens: roles with their scopes, signed for one FlowAPI. Not who may have them."""

from __future__ import annotations

import base64
import gzip
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

LEAST_BITS = 2048


def private_key(text: str) -> RSAPrivateKey:
    """The key in a PEM text or in the base64 of one. Raises ValueError, which does not quote the text."""
    key = None
    try:
        pem = text.encode() if "-----BEGIN" in text else base64.b64decode(text)
        key = load_pem_private_key(pem, password=None)
    except Exception:  # the library raises several kinds for what is no key
        raise ValueError("neither a PEM private key without passphrase nor the base64 of one") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004  the value is wrong, not our call
    if key.key_size < LEAST_BITS:
        raise ValueError(f"an RSA key of less than {LEAST_BITS} bits")
    return key


def public_pem(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signed(
    *,
    username: str,
    audience: str,
    roles: Mapping[str, Sequence[str]],
    key: RSAPrivateKey,
    now: datetime,
    expiry: datetime,
) -> str:
    """A token from `now` to `expiry`, both UTC without a zone, cut to whole seconds."""
    start = _seconds(now)
    claims = {
        "iat": start,
        "nbf": start,
        "exp": _seconds(expiry),
        "jti": str(uuid.uuid4()),
        "sub": username,
        "aud": audience,
        "user_claims": packed(roles),
    }
    return jwt.encode(claims, key, algorithm="RS256")


def packed(roles: Mapping[str, Sequence[str]]) -> str:
    """Base64 with line breaks, of gzip, of JSON: what FlowAPI unpacks."""
    return base64.encodebytes(gzip.compress(json.dumps(roles).encode(), mtime=0)).decode()


def _seconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp())
