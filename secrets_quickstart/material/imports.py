"""Values that an operator brings, made fit for their row or refused; not where they are read from."""

from __future__ import annotations

from typing import assert_never

from secrets_quickstart.catalog.secrets import Secret
from secrets_quickstart.catalog.sources import (
    Alias,
    AuthorityCertificate,
    AuthorityKey,
    Derived,
    FernetKey,
    FromVariable,
    LeafCertificate,
    LeafKey,
    Password,
    SigningKey,
    TrustedCertificates,
    VerificationKey,
)
from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import certificates, keys
from secrets_quickstart.sensitive import Sensitive


def checked(row: Secret, value: Sensitive) -> Sensitive:
    """The value as it is kept: one line without its newline, or PEM; raises MaterialError for what cannot serve.

    A certificate and its key are held against each other by `own_certificate.check_pair`, once both are there.
    """
    match row.source:
        case Password() | FromVariable() | Derived() | Alias():
            return _line(row, value)
        case FernetKey():
            return _fernet_key(row, value)
        case SigningKey():
            return keys.check_signing_key(value)
        case VerificationKey():
            return keys.check_verification_key(value)
        case AuthorityKey() | LeafKey():
            return keys.check_tls_key(value)
        case AuthorityCertificate() | LeafCertificate() | TrustedCertificates():
            return certificates.joined(certificates.parse(value))  # without a key that stood in the same file
        case _:
            assert_never(row.source)


def _line(row: Secret, value: Sensitive) -> Sensitive:
    raw = value.reveal()
    line = raw.removesuffix(b"\n").removesuffix(b"\r")  # an editor's or echo's, never meant
    why = ""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text, why = "", "it is not UTF-8"
    if not why and not line:
        why = "it is empty"
    elif not why and any(ord(character) < 32 or ord(character) == 127 for character in text):
        why = "it holds a control character or more than one line"
    elif not why and text != text.strip():
        why = "it begins or ends with a blank, which some of its readers cut off"
    if why:
        raise MaterialError(f"this value cannot be used for {row.name}", why=why, fix="give one line of text")
    return Sensitive(line)


def _fernet_key(row: Secret, value: Sensitive) -> Sensitive:
    from cryptography.fernet import Fernet

    line = _line(row, value)
    try:
        Fernet(line.reveal())
    except ValueError:
        raise MaterialError(
            f"this value cannot be used for {row.name}",
            why="it is not a Fernet key, which is 32 bytes in URL-safe base64",
            fix="give the key of the installation whose data it has to decrypt, or none for a new one",
        ) from None
    return line
