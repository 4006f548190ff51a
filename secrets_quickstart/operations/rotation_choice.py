"""Which secrets a rotation is to renew, and which it must not; bringing it about is `rotation`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from secrets_quickstart.catalog.rotation import ROLE_OF, SEALING_OF
from secrets_quickstart.catalog.secrets import BY_NAME, SECRETS, Secret
from secrets_quickstart.catalog.sources import (
    Alias,
    AuthorityCertificate,
    AuthorityKey,
    Derived,
    FromVariable,
    LeafCertificate,
    TrustedCertificates,
    VerificationKey,
)
from secrets_quickstart.checks.data import Place
from secrets_quickstart.errors import UsageError
from secrets_quickstart.material.generation import needs, readers
from secrets_quickstart.operations.imports import row_of
from secrets_quickstart.settings import Settings
from secrets_quickstart.vault import Origin, Vault


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    names: tuple[str, ...] = ()
    everything: bool = False
    older_than: timedelta | None = None


def chosen(
    wish: Wish, vault: Vault, components: Collection[str], settings: Settings, now: datetime, *, local: Collection[str]
) -> tuple[str, ...]:
    """Names of the secrets to renew, in table order.

    `local` are the components that run our own images.  Raises UsageError for a name that cannot be renewed; of
    everything, and of what is older, such names are left out, and so is the certificate authority: every client would
    have to be told.
    """
    if not wish.names and not wish.everything and wish.older_than is None:
        raise UsageError("nothing was named", fix="secrets.rotate --names NAME,NAME or --older-than 90d or --all")
    for name in wish.names:
        reason = refusal(row_of(name), vault, components, settings, local)
        if reason is not None:
            raise UsageError(f"{name} is not rotated", why=reason[0], fix=reason[1])
    found = set(wish.names)
    if wish.everything or wish.older_than is not None:
        found |= {
            row.name
            for row in SECRETS
            if not isinstance(row.source, AuthorityKey)
            and refusal(row, vault, components, settings, local) is None
            and (wish.older_than is None or now - vault.entry(row.name).created > wish.older_than)
        }
    return tuple(row.name for row in SECRETS if row.name in found)


def refusal(
    row: Secret, vault: Vault, components: Collection[str], settings: Settings, local: Collection[str]
) -> tuple[str, str] | None:
    """Why it cannot be given a new value, and what to do; None if it can."""
    made = _not_made_here(row)
    if made is not None:
        return made
    if row.name not in vault:
        return "the vault holds no value of it", "deploy what needs it first"
    if not readers(row) & set(components):
        return "nothing that is deployed uses it", "deploy what needs it first: invoke --help deploy"
    return _kept_elsewhere(row, vault, settings, local)


def _not_made_here(row: Secret) -> tuple[str, str] | None:
    match row.source:
        case FromVariable(variable=variable):
            return f"it says what {variable} says", f"set {variable} in .env and deploy"
        case Derived() | Alias() | VerificationKey() | AuthorityCertificate() | TrustedCertificates():
            parts = ", ".join(_roots(row))
            return f"it follows from {parts}", f"rotate that: invoke secrets.rotate --names {parts.replace(', ', ',')}"
        case LeafCertificate(key=key):
            return f"it is issued for {key}", f"invoke certs.renew, or rotate the key: secrets.rotate --names {key}"
        case _ if not row.components and row.kept_for:
            return "it is what a person began with, and may have changed", "invoke flowauth.reset-password"
        case _:
            return None


def _kept_elsewhere(row: Secret, vault: Vault, settings: Settings, local: Collection[str]) -> tuple[str, str] | None:
    role, sealing = ROLE_OF.get(row.name), SEALING_OF.get(row.name)
    if role is not None and Place.of(settings, role.database) is None:
        return (
            f"{role.database.title} is on another host, and only its owner can tell it",
            f"change it there, then: invoke secrets.import {row.name} FILE, and deploy",
        )
    if sealing is not None and sealing.local_only and sealing.component not in local:
        return sealing.local_only, "keep it, or deploy with FLOWKIT_IMAGES=local"
    imported = [
        other.name
        for other in SECRETS
        if row.name in needs(other.source) and other.name in vault and vault.entry(other.name).origin is Origin.IMPORTED
    ]
    if imported:
        return f"{imported[0]} was imported to go with it", f"import both anew, {row.name} first"
    return None


def _roots(row: Secret) -> list[str]:
    """The secrets that a derived one is made of in the end, but for those that variables decide."""
    parts = needs(row.source)
    if not parts:
        return [] if isinstance(row.source, FromVariable) else [row.name]
    return list(dict.fromkeys(root for part in parts for root in _roots(BY_NAME[part])))
