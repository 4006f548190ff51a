"""Taking an operator's own values into the vault.  Whether a value is fit for its row is said in `material`."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from difflib import get_close_matches

from secrets_quickstart.catalog.secrets import BY_NAME, DATABASE_PASSWORDS, LeafCertificate, LeafKey, Secret
from secrets_quickstart.checks.data import Place
from secrets_quickstart.errors import MaterialError, UsageError
from secrets_quickstart.material import own_certificate
from secrets_quickstart.material.imports import checked
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.vault import Origin, Vault, key_of, vault_lock

CERTIFICATE, KEY = "cert-flowkit.pem", "key-flowkit.pem"


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
        vault.put(name, fit, Origin.IMPORTED)
        return True


def install_certificate(settings: Settings, certificate: Sensitive, key: Sensitive) -> bool:
    """Put the operator's own TLS certificate and its key into the vault; False if both are there already.

    Raises MaterialError when they do not match, are out of date, or are not for the names in TLS_NAMES.  Our own names
    are not asked for: no public authority vouches for flowkit.api or localhost.
    """
    own_certificate.check_pair(certificate, key, settings.tls_names, datetime.now(UTC))
    fit = {CERTIFICATE: checked(BY_NAME[CERTIFICATE], certificate), KEY: checked(BY_NAME[KEY], key)}
    with vault_lock(settings.vault_path, "invoke certs.install"):
        vault = Vault.open_or_create(settings.vault_path, key_of(settings))
        new = {name: value for name, value in fit.items() if name not in vault or vault.value(name) != value}
        with vault.batch():
            for name, value in new.items():
                vault.put(name, value, Origin.IMPORTED)
        return bool(new)


def _refuse_to_lock_out(settings: Settings, vault: Vault, name: str) -> None:
    """A database keeps the password it was made with, whatever the vault says."""
    claim = vault.claims.get(Place.of(settings).identity, {})
    if name in DATABASE_PASSWORDS and name in vault and claim.get("identifier"):
        raise MaterialError(
            f"{name} was not imported",
            why=f"the database in the {Place.of(settings)} knows the password that the vault holds, and no other",
            fix="keep it, or start with another FLOWDB_DATA_DIR or FLOWKIT_STACK",
        )


def _refuse_half_a_pair(row: Secret, value: Sensitive, vault: Vault) -> None:
    """A TLS certificate and its key come together, once there is one of them."""
    match row.source:
        case LeafCertificate():
            pair = (value, vault.value(KEY)) if KEY in vault else None
        case LeafKey():
            pair = (vault.value(CERTIFICATE), value) if CERTIFICATE in vault else None
        case _:
            return
    if pair is None:
        return
    with contextlib.suppress(MaterialError):
        own_certificate.check_pair(*pair, (), datetime.now(UTC))
        return
    raise MaterialError(
        f"{row.name} was not imported",
        why="it does not fit the other half in the vault",
        fix="give both at once: invoke certs.install CERTIFICATE KEY",
    )
