"""Passwords and symmetric keys; not where they are kept."""

from __future__ import annotations

import secrets
import string

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.sensitive import Sensitive

ALPHABET = string.ascii_letters + string.digits  # the same in a URL, a shell, SQL, YAML and redis.conf, unquoted
SHORTEST = 8  # NIST SP 800-63B, 5.1.1.2: no password shorter than that


def password(length: int) -> Sensitive:
    """Exactly `length` letters and digits, and no newline; MaterialError below SHORTEST."""
    if length < SHORTEST:
        raise MaterialError(
            f"a password of {length} characters is not made",
            why=f"it could be guessed; {SHORTEST} are the least",
            fix="set PASSWORD_LENGTH to 16 or more",
        )
    return Sensitive("".join(secrets.choice(ALPHABET) for _ in range(length)))


def fernet_key() -> Sensitive:
    from cryptography.fernet import Fernet

    return Sensitive(Fernet.generate_key())
