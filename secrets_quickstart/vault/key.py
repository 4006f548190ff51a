"""What unlocks a vault: a key in a file of its own, or a passphrase; not what is done with it."""

from __future__ import annotations

import base64
import binascii
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.errors import VaultError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.vault import storage

KEY_BYTES = 32
KEY_PREFIX = b"flowkit-vault-key "


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file with a random key, kept apart from the vault; made together with the vault."""

    path: Path


@dataclass(frozen=True, slots=True)
class PassphraseFile:
    """A file (or pipe) whose content, without its last newline, is the passphrase."""

    path: Path


Key = KeyFile | PassphraseFile


def key_of(settings: Settings) -> Key:
    """What opens the vault of these settings."""
    passphrase = settings.vault_passphrase_file
    return KeyFile(settings.vault_key_file) if passphrase is None else PassphraseFile(passphrase)


@dataclass(frozen=True, slots=True)
class Scrypt:
    """How a passphrase becomes a key: RFC 7914's parameters, kept beside the vault's content."""

    salt: str
    # 128 MiB and about 0.4 s: what OWASP's Password Storage Cheat Sheet recommends first
    n: int = 2**17
    r: int = 8
    p: int = 1


def master_key(key: Key, scrypt: Scrypt | None, vault: Path) -> Sensitive:
    """The key of an existing vault that was locked in the way `scrypt` says (None: by a key file); or VaultError."""
    match key, scrypt:
        case KeyFile(path), None:
            return _read_key(path, vault)
        case PassphraseFile(path), Scrypt():
            return _derive(read_passphrase(path), scrypt)
        case KeyFile(), _:
            raise VaultError(
                f"the vault {vault} cannot be opened",
                why="it is locked with a passphrase",
                fix="name a file that holds it in FLOWKIT_VAULT_PASSPHRASE_FILE",
            )
        case _:
            raise VaultError(
                f"the vault {vault} cannot be opened",
                why="it is locked with a key file, not with a passphrase",
                fix="leave FLOWKIT_VAULT_PASSPHRASE_FILE empty",
            )


def first_key(key: Key, vault: Path) -> tuple[Sensitive, Scrypt | None]:
    """The key for a new vault.  A key file that exists already is used as it is, and never replaced."""
    match key:
        case PassphraseFile(path):
            scrypt = Scrypt(secrets.token_hex(16))
            return _derive(read_passphrase(path), scrypt), scrypt
        case KeyFile(path):
            if not storage.exists(storage.real(path)):
                new = KEY_PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n"
                storage.write_new(path, new)  # if another run was faster, its key is the one
            return _read_key(path, vault), None


def _read_key(path: Path, vault: Path) -> Sensitive:
    path = storage.real(path)
    if not storage.exists(path):
        raise VaultError(
            f"the vault {vault} cannot be opened",
            why=f"its key {path} is missing",
            fix="bring the key back from where it was saved, or name it in FLOWKIT_VAULT_KEY_FILE; no other opens it. "
            f"If it is lost: mv {vault} {vault}.lost, and invoke secrets.adopt, which reads what running services have",
        )
    content = storage.read(path)
    try:
        key = base64.b64decode(content.removeprefix(KEY_PREFIX).strip(), validate=True)
    except binascii.Error:
        key = b""
    if not content.startswith(KEY_PREFIX) or len(key) != KEY_BYTES:
        raise VaultError(
            f"{path} cannot be used as a key",
            why="it is damaged, or was never a key of a vault",
            fix="bring the key back from where it was saved, or name the right file in FLOWKIT_VAULT_KEY_FILE",
        )
    return Sensitive(key)


def read_passphrase(path: Path, named_by: str = "FLOWKIT_VAULT_PASSPHRASE_FILE") -> Sensitive:
    """A file's or pipe's content without its last newline; raises VaultError if others may read it, or it is empty."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):  # a pipe has nothing to leave open
            storage.refuse_others(path, status)
        passphrase = path.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        raise VaultError(
            f"the passphrase in {path} cannot be read",
            why=(error.strerror or type(error).__name__).lower(),
            fix=f"name a file that holds it with {named_by}",
        ) from error
    if not passphrase.strip():
        raise VaultError(f"the passphrase in {path} cannot be used", why="it is empty", fix="write one into that file")
    return Sensitive(passphrase)


def _derive(passphrase: Sensitive, scrypt: Scrypt) -> Sensitive:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt as Derivation

    try:
        kdf = Derivation(salt=bytes.fromhex(scrypt.salt), length=KEY_BYTES, n=scrypt.n, r=scrypt.r, p=scrypt.p)
        return Sensitive(kdf.derive(passphrase.reveal()))
    except MemoryError:
        needed = 128 * scrypt.n * scrypt.r // 2**20
        raise VaultError(
            "the passphrase cannot be tried", why=f"that takes {needed} MiB of memory", fix="free some memory"
        ) from None
