"""Taking an operator's own values into the vault.  Whether a value is fit for its row is said in `material`."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from difflib import get_close_matches

from secrets_quickstart import audit
from secrets_quickstart.catalog.databases import DATABASES
from secrets_quickstart.catalog.secrets import BY_NAME, SECRETS, Secret
from secrets_quickstart.catalog.sources import LeafCertificate, LeafKey
from secrets_quickstart.checks.data import Place
from secrets_quickstart.errors import MaterialError, UsageError
from secrets_quickstart.material import names, own_certificate
from secrets_quickstart.material.imports import checked
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.vault import Origin, Vault, key_of, vault_lock


def row_of(name: str) -> Secret:
    """The row of that name; raises UsageError for a name that is none."""
    if name in BY_NAME:
        return BY_NAME[name]
    near = get_close_matches(name, BY_NAME, n=1)
    raise UsageError(
        f"there is no secret {name}",
        why=f"did you mean {near[0]}?" if near else "",
        fix="see invoke secrets.list --all",
    )


def import_value(settings: Settings, name: str, value: Sensitive) -> bool:
    """Put a value into the vault as its next generation; False if it is there already.

    Raises MaterialError for a value that cannot serve, and for one that a database would not know of.
    """
    row = row_of(name)
    fit = checked(row, value)
    with vault_lock(settings.vault_path, f"invoke secrets.import {name}"):
        vault = Vault.open_or_create(settings.vault_path, key_of(settings))
        if name in vault and vault.value(name) == fit:
            return False
        _refuse_to_lock_out(settings, vault, name)
        _refuse_half_a_pair(row, fit, vault)
        audit.note(f"import {name} into the vault")
        vault.put(name, fit, Origin.IMPORTED)
        return True


def install_certificate(settings: Settings, row: Secret, certificate: Sensitive, key: Sensitive) -> bool:
    """Put the operator's own TLS certificate and its key into the vault; False if both are there already.

    Raises MaterialError when they do not match, are out of date, or are not for the names that the operator set.  Our
    own names are not asked for: no public authority vouches for flowkit.api or localhost.
    """
    if not isinstance(row.source, LeafCertificate):
        raise TypeError(row.name)
    chosen = names.split(settings.text(row.source.variable) or "")
    wanted = [name for name in chosen if name not in row.source.names]
    own_certificate.check_pair(certificate, key, wanted, datetime.now(UTC))
    fit = {
        row.name: checked(row, certificate),
        row.source.key: checked(BY_NAME[row.source.key], key),
    }
    with vault_lock(settings.vault_path, "invoke certs.install"):
        vault = Vault.open_or_create(settings.vault_path, key_of(settings))
        new = {name: value for name, value in fit.items() if name not in vault or vault.value(name) != value}
        audit.note(*(f"import {name} into the vault" for name in new))
        with vault.batch():
            for name, value in new.items():
                vault.put(name, value, Origin.IMPORTED)
        return bool(new)


def _refuse_to_lock_out(settings: Settings, vault: Vault, name: str) -> None:
    """A database keeps the password it was made with, and what was encrypted with a key, whatever the vault says."""
    if name not in vault:
        return
    for database in DATABASES:
        place = Place.of(settings, database)
        if name not in database.secrets or place is None or not vault.claims.get(place.identity, {}).get("identifier"):
            continue
        depends = "was made with" if name in database.passwords else "holds what was encrypted with"
        elsewhere = f"another {database.directory} or FLOWKIT_STACK" if database.directory else "another FLOWKIT_STACK"
        raise MaterialError(
            f"{name} was not imported",
            why=f"the database in the {place} {depends} the one that the vault holds, and knows no other",
            fix=f"give it a new one with invoke secrets.rotate --names {name}, or start with {elsewhere}",
        )


def _refuse_half_a_pair(row: Secret, value: Sensitive, vault: Vault) -> None:
    """A TLS certificate and its key come together, once there is one of them."""
    match row.source:
        case LeafCertificate(key=key) if key in vault:
            pair = (value, vault.value(key))
        case LeafKey() if (certificate := _certificate_of(row)) in vault:
            pair = (vault.value(certificate), value)
        case _:
            return
    with contextlib.suppress(MaterialError):
        own_certificate.check_pair(*pair, (), datetime.now(UTC))
        return
    raise MaterialError(
        f"{row.name} was not imported",
        why="it does not fit the other half in the vault",
        fix="give both at once: invoke certs.install CERTIFICATE KEY",
    )


def _certificate_of(key: Secret) -> str:
    return next(row.name for row in SECRETS if isinstance(row.source, LeafCertificate) and row.source.key == key.name)
