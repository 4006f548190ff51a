"""What PostgreSQL keeps of a password: its SCRAM-SHA-256 verifier, made and recognised; not the password's keeping.

A server that is given the verifier never sees the password, so that no log of its can hold it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

from secrets_quickstart.sensitive import Sensitive

ITERATIONS = 4096  # PostgreSQL's own default (scram_iterations)
SALT_BYTES = 16  # as PostgreSQL's
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(?P<iterations>[0-9]{1,7}):(?P<salt>[^$]+)\$(?P<stored>[^:]+):(?P<server>.+)")


def verifier(password: Sensitive) -> str:
    """A new one, with a salt of its own (RFC 5803); of letters, digits and `$:+/=-`.

    The password is taken as it is: what SASLprep leaves unchanged, as all ASCII.
    """
    return _written(password, secrets.token_bytes(SALT_BYTES), ITERATIONS)


def is_of(kept: str, password: Sensitive) -> bool:
    """Whether a server that keeps this lets the password in; False for what is no such verifier (md5, none)."""
    found = _VERIFIER.fullmatch(kept)
    if found is None:
        return False
    try:
        salt = base64.b64decode(found["salt"], validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(_written(password, salt, int(found["iterations"])), kept)


def _written(password: Sensitive, salt: bytes, iterations: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    texts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *texts)
