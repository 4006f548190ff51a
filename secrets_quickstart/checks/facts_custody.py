"""The vault, and how it is looked into; judges nothing, and takes no value out."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from secrets_quickstart.catalog.secrets import BY_NAME, SECRETS, Secret
from secrets_quickstart.catalog.sources import (
    Alias,
    AuthorityCertificate,
    Derived,
    FromVariable,
    LeafCertificate,
    Password,
)
from secrets_quickstart.errors import MaterialError, VaultError
from secrets_quickstart.material import certificates, names
from secrets_quickstart.material.certificates import CertificateFacts
from secrets_quickstart.material.generation import Choices
from secrets_quickstart.material.passwords import SHORTEST
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.vault import Origin, Vault, key_of

_STILL_TO_COME = """changeme change_me change-me changeit change_it replaceme replace_me replace-me placeholder todo
fixme xxx xxxx xxxxxxxx example secret mysecret supersecret dummy dummy_password none null default your_password
yourpassword <password> ${password}"""
_ONLY_FOR_NOW = """password password1 password123 passw0rd p@ssw0rd pass admin admin123 administrator root toor test
test123 testtest guest letmein welcome qwerty 123456 12345678 123456789 1234567890 111111 abc123 iloveyou docker
postgres postgresql redis airflow flask fernet"""
_OF_FLOWKIT = """foo bar foobar flowflow flowdb flowkit flowmachine flowapi flowauth flowetl fm_redis dummy_admin
dummy_secret"""  # its documentation, examples and development environment
WELL_KNOWN = frozenset(f"{_STILL_TO_COME} {_ONLY_FOR_NOW} {_OF_FLOWKIT}".split())
"""In small letters."""


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """A certificate in the vault."""

    name: str
    facts: CertificateFacts
    lacking: tuple[str, ...]
    """The names that clients will use and that it does not hold."""
    fits_key: bool
    ours: bool
    """Made here: by our own authority, or this authority itself."""


@dataclass(frozen=True, slots=True)
class CustodyFacts:
    """The vault without its values."""

    path: Path
    exists: bool
    id: str = ""
    problem: str = ""
    fix: str = ""
    """Why it cannot be opened, and what to do."""
    creatable: bool = True
    """Whether a vault and its key may be written where they belong."""
    key_beside: bool = False
    """Whether the key lies in the same folder as what it opens."""
    exposed: tuple[Path, ...] = ()
    """Files with a password in them that others than their owner may read."""
    fingerprints: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Of each value, by name and generation; without the vault nothing follows from them."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Up to which generation, by name, the vault knows that others have given numbers away."""
    imported: tuple[str, ...] = ()
    weak: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with a value, by its name."""
    shared: tuple[tuple[str, ...], ...] = ()
    """Names of passwords that are the same."""
    loose: tuple[str, ...] = ()
    """Variables whose value is one of the vault's passwords."""
    certificates: tuple[HeldCertificate, ...] = ()
    spoiled: Mapping[str, str] = field(default_factory=dict)
    """Certificates that cannot be read, by name, and why."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.fingerprints)

    def generation(self, name: str) -> int:
        """The newest, 0 when there is none."""
        return max((number for held, number in self.fingerprints if held == name), default=0)


def opened(settings: Settings) -> Vault | VaultError | None:
    """The vault as it is on the disk, None if there is none yet, or why it cannot be opened."""
    try:
        if not settings.vault_path.exists():
            return None
        return Vault.open(settings.vault_path, key_of(settings))
    except VaultError as error:
        return error
    except OSError as error:
        return VaultError(f"{settings.vault_path} cannot be looked at", why=str(error.strerror), fix="run as its owner")


def custody_facts(settings: Settings, vault: Vault | VaultError | None) -> CustodyFacts:
    """What may be told of the vault."""
    path = settings.vault_path
    exposed = tuple(_exposed([settings["FLOWKIT_REGISTRY_PASSWORD_FILE"]]))
    beside = settings.vault_passphrase_file is None and settings.vault_key_file.parent == path.parent
    if vault is None:
        return CustodyFacts(path, exists=False, creatable=_creatable(settings), key_beside=beside, exposed=exposed)
    if isinstance(vault, VaultError):
        return CustodyFacts(path, exists=True, problem=str(vault), fix=vault.fix, key_beside=beside, exposed=exposed)
    held, spoiled = held_certificates(vault, Choices(variables=settings.texts()))
    return CustodyFacts(
        path=path,
        exists=True,
        id=vault.id,
        key_beside=beside,
        exposed=exposed,
        fingerprints={
            (name, generation): vault.fingerprint(name, generation)
            for name in vault.names()
            for generation in vault.generations(name)
        },
        left_out={row.name: vault.left_out(row.name) for row in SECRETS},
        imported=tuple(name for name in vault.names() if vault.entry(name).origin is Origin.IMPORTED),
        weak=weaknesses({name: vault.value(name) for name in vault.names()}),
        shared=shared({name: vault.value(name) for name in vault.names()}),
        loose=loose(settings, {name: vault.value(name) for name in vault.names()}),
        certificates=held,
        spoiled=spoiled,
    )


def _exposed(files: Iterable[Path | None]) -> Iterable[Path]:
    for file in files:
        try:
            if file is not None and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                yield file
        except OSError:
            continue


def _creatable(settings: Settings) -> bool:
    folders = [settings.vault_path.parent]
    if settings.vault_passphrase_file is None and not settings.vault_key_file.exists():
        folders.append(settings.vault_key_file.parent)
    above = [next(path for path in (folder, *folder.parents) if path.exists()) for folder in folders]
    return all(path.is_dir() and os.access(path, os.W_OK | os.X_OK) for path in above)


def _guarded(name: str) -> bool:
    """Whether a value of that name has to be hard to guess."""
    row = BY_NAME.get(name)
    return row is None or not (row.public or isinstance(row.source, (Alias, Derived, FromVariable)))


def weaknesses(values: Mapping[str, Sensitive]) -> dict[str, str]:
    """What is wrong with values, by name; never the value."""
    found = {name: _weakness(BY_NAME.get(name), name, value) for name, value in values.items() if _guarded(name)}
    return {name: fault for name, fault in found.items() if fault}


def _weakness(row: Secret | None, name: str, value: Sensitive) -> str:
    text = value.reveal().decode(errors="replace").strip()
    if text.lower() in WELL_KNOWN:
        return "a placeholder or a well-known default"
    if text.lower() == name.lower() or text.lower().startswith(("changeme", "change_me", "replace_me")):
        return "a placeholder"
    if row is not None and isinstance(row.source, Password):
        if len(text) < SHORTEST:
            return f"shorter than {SHORTEST} characters"
        if len(set(text)) < 4:
            return "made of three characters or fewer"
    return ""


def shared(values: Mapping[str, Sensitive]) -> tuple[tuple[str, ...], ...]:
    """Groups of names whose passwords are the same."""
    groups: dict[bytes, list[str]] = {}
    for name, value in values.items():
        if name in BY_NAME and isinstance(BY_NAME[name].source, Password):
            groups.setdefault(value.reveal(), []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def loose(settings: Settings, values: Mapping[str, Sensitive]) -> tuple[str, ...]:
    """Variables that the operator gave the value of a secret."""
    secret: Collection[bytes] = {value.reveal() for name, value in values.items() if _guarded(name)}
    return tuple(sorted(name for name in settings.given if (text := settings.text(name)) and text.encode() in secret))


def held_certificates(vault: Vault, choices: Choices) -> tuple[tuple[HeldCertificate, ...], dict[str, str]]:
    """The authority's and the services', in table order; and why one cannot be read, by its name."""
    held: list[HeldCertificate] = []
    spoiled: dict[str, str] = {}
    for row in BY_NAME.values():
        if row.name not in vault:
            continue
        try:
            match row.source:
                case LeafCertificate():
                    held.append(_held(vault, row.name, row.source, choices.names(row.source)))
                case AuthorityCertificate(key=key):
                    held.append(_held_authority(vault, row.name, key))
        except MaterialError as error:
            spoiled[row.name] = str(error)
    return tuple(held), spoiled


def _held(vault: Vault, name: str, source: LeafCertificate, wanted: tuple[str, ...]) -> HeldCertificate:
    pem = vault.value(name)
    facts = certificates.describe(pem)
    authority = vault.value(source.authority) if source.authority in vault else None
    return HeldCertificate(
        name=name,
        facts=facts,
        lacking=names.missing(wanted, facts.names),
        fits_key=source.key in vault and certificates.belongs_to(pem, vault.value(source.key)),
        ours=authority is not None and certificates.is_issued_by(pem, authority),
    )


def _held_authority(vault: Vault, name: str, key: str) -> HeldCertificate:
    """One that was imported without its key is there to be trusted, and signs nothing here."""
    pem = vault.value(name)
    return HeldCertificate(
        name=name,
        facts=certificates.describe(pem),
        lacking=(),
        fits_key=key not in vault or certificates.belongs_to(pem, vault.value(key)),
        ours=vault.entry(name).origin is not Origin.IMPORTED,
    )
