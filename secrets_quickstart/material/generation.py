"""From a row of the table of secrets to a value, and what a row needs; not when one is made (`steps/values.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import assert_never
from urllib.parse import quote

from secrets_quickstart.catalog.secrets import SECRETS, Secret
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
    Source,
    TrustedCertificates,
    VerificationKey,
)
from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import certificates, keys, names, passwords
from secrets_quickstart.sensitive import Sensitive


@dataclass(frozen=True, slots=True)
class Choices:
    """What is decided about values before they are made, mostly by the operator."""

    password_length: int = 16
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """At least those that the rows' FromVariable name."""
    signing_key: Callable[[int], Sensitive] = keys.signing_key
    """Makes an RSA key of so many bits, or has begun one already."""

    def names(self, source: LeafCertificate) -> tuple[str, ...]:
        """The names and addresses that a certificate is for; raises MaterialError for one that cannot be."""
        return names.complete(source.names, names.split(self.variables.get(source.variable, "")))


def needs(source: Source) -> tuple[str, ...]:
    """The names of the secrets that a value is made of."""
    match source:
        case VerificationKey(of=of) | TrustedCertificates(of=of) | Alias(of=of):
            return (of,)
        case AuthorityCertificate(key=key):
            return (key,)
        case LeafCertificate(key=key, authority=authority, authority_key=authority_key):
            return (key, authority, authority_key)
        case Derived():
            return source.needs
        case Password() | FernetKey() | SigningKey() | AuthorityKey() | LeafKey() | FromVariable():
            return ()
        case _:
            assert_never(source)


def readers(row: Secret) -> set[str]:
    """The components that mount it, or something that is made of it."""
    found = set(row.components)
    for other in SECRETS:
        if row.name in needs(other.source):
            found |= readers(other)
    return found


def generate(row: Secret, values: Mapping[str, Sensitive], choices: Choices) -> Sensitive:
    """A value for the row: a new one, or the one that follows from `values`, which hold what the row needs.

    Raises MaterialError when something that it needs is missing or cannot be used.
    """
    source = row.source
    match source:
        case Password():
            return passwords.password(choices.password_length)
        case FernetKey():
            return passwords.fernet_key()
        case SigningKey(bits=bits):
            return choices.signing_key(bits)
        case VerificationKey(of=of):
            return keys.verification_key(_part(row, of, values))
        case TrustedCertificates(of=of) | Alias(of=of):
            return _part(row, of, values)
        case AuthorityKey() | LeafKey():
            return keys.elliptic_key()
        case AuthorityCertificate(key=key):
            return certificates.authority(_part(row, key, values), datetime.now(UTC))
        case LeafCertificate(key=key, authority=authority, authority_key=authority_key):
            return certificates.leaf(
                _part(row, key, values),
                _part(row, authority, values),
                _part(row, authority_key, values),
                choices.names(source),
                datetime.now(UTC),
            )
        case FromVariable(variable=variable):
            return _chosen(row, variable, choices)
        case Derived(text=text, quoted=quoted):
            parts = {name: _part(row, name, values).text() for name in source.needs}
            if quoted:
                parts = {name: quote(part, safe="") for name, part in parts.items()}
            return Sensitive(text.format_map(parts))
        case _:
            assert_never(source)


def _part(row: Secret, name: str, values: Mapping[str, Sensitive]) -> Sensitive:
    try:
        return values[name]
    except KeyError:
        raise MaterialError(
            f"{row.name} cannot be made", why=f"it needs {name}, which has no value", fix=f"import {name} first"
        ) from None


def _chosen(row: Secret, variable: str, choices: Choices) -> Sensitive:
    text = choices.variables.get(variable, "")
    if not text:
        raise MaterialError(f"{row.name} has no value", why=f"{variable} is empty", fix=f"set {variable} in .env")
    return Sensitive(text)
