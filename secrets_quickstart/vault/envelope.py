"""The bytes of a vault file: a header in clear and sealed content; not the secrets inside, and not the file.

flowkit-vault 1
{"id": "…", "key": "…", "scrypt": null}
<nonce of 12 bytes><content under ChaCha20-Poly1305; the two lines above are authenticated with it>
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from secrets_quickstart.errors import VaultError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.vault.key import Scrypt

FORMAT = 1
NONCE_BYTES = 12
LONGEST_HEADER = 4096
# A damaged or forged header must not make us spend a machine's memory before the seal is checked.
MOST_MEMORY = 2**28
_FIRST_LINE = re.compile(rb"flowkit-vault ([0-9]{1,6})")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a vault without opening it."""

    id: str
    key: str
    """By what the right key is recognised, so that a wrong one is told from damage."""
    scrypt: Scrypt | None
    """None when a key file locks it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A vault file taken apart, nothing of it verified."""

    header: Header
    clear: bytes
    body: bytes


def new_header(master: Sensitive, scrypt: Scrypt | None) -> Header:
    identity = secrets.token_hex(16)
    return Header(identity, _recognition(master, identity), scrypt)


def seal(header: Header, master: Sensitive, content: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    clear = f"flowkit-vault {FORMAT}\n{json.dumps(asdict(header))}\n".encode()
    nonce = secrets.token_bytes(NONCE_BYTES)
    cipher = ChaCha20Poly1305(_derived(master, header.id, "content", 32))
    return clear + nonce + cipher.encrypt(nonce, content, clear)


def parse(raw: bytes, path: Path) -> Sealed:
    """Take a vault file apart; raises VaultError for what is none, or is of a later format."""
    lines = raw.split(b"\n", 2)
    first = _FIRST_LINE.fullmatch(lines[0])
    if first is None:
        why = "the file is empty" if not raw else "it does not begin as one"
        raise VaultError(f"{path} is not a vault", why=why, fix=_restore(path))
    if int(first[1]) != FORMAT:
        raise VaultError(
            f"the vault {path} cannot be opened",
            why=f"its format is {int(first[1])}, and this version knows {FORMAT}",
            fix="use the version of this repository that wrote it, or a later one",
        )
    if len(lines) != 3 or len(lines[1]) > LONGEST_HEADER:
        raise damaged(path)
    try:
        header = _header(json.loads(lines[1]))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise damaged(path) from None
    return Sealed(header, lines[0] + b"\n" + lines[1] + b"\n", lines[2])


def unseal(sealed: Sealed, master: Sensitive, path: Path) -> bytes:
    """The content, once it and the header are proven to be as they were written; raises VaultError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if not secrets.compare_digest(sealed.header.key, _recognition(master, sealed.header.id)):
        raise VaultError(
            f"the vault {path} cannot be opened",
            why="the passphrase is wrong" if sealed.header.scrypt else "the key is another vault's",
            fix="give the passphrase it was made with"
            if sealed.header.scrypt
            else "name its own in FLOWKIT_VAULT_KEY_FILE",
        )
    nonce, content = sealed.body[:NONCE_BYTES], sealed.body[NONCE_BYTES:]
    try:
        return ChaCha20Poly1305(_derived(master, sealed.header.id, "content", 32)).decrypt(nonce, content, sealed.clear)
    except (InvalidTag, ValueError):
        raise damaged(path) from None


def damaged(path: Path) -> VaultError:
    return VaultError(
        f"the vault {path} cannot be opened", why="the file is damaged or was cut short", fix=_restore(path)
    )


def _restore(path: Path) -> str:
    return (
        f"put a backup of it in the place of {path}; "
        f"without one: mv {path} {path}.lost, and invoke secrets.adopt, which reads what running services have"
    )


def _header(found: object) -> Header:
    """Raises ValueError, TypeError or KeyError for anything else than a header."""
    if not isinstance(found, dict) or set(found) != {"id", "key", "scrypt"}:
        raise ValueError
    scrypt = None if found["scrypt"] is None else Scrypt(**found["scrypt"])
    texts = [found["id"], found["key"]]
    if scrypt is not None:
        texts.append(scrypt.salt)
        numbers = (scrypt.n, scrypt.r, scrypt.p)
        if not all(type(number) is int and number > 0 for number in numbers):
            raise ValueError
        if scrypt.n < 2 or scrypt.n & (scrypt.n - 1) or 128 * scrypt.n * scrypt.r * scrypt.p > MOST_MEMORY:
            raise ValueError
    if not all(isinstance(text, str) and _HEX.fullmatch(text) for text in texts):
        raise ValueError
    return Header(found["id"], found["key"], scrypt)


def _recognition(master: Sensitive, identity: str) -> str:
    return _derived(master, identity, "recognition", 8).hex()


def _derived(master: Sensitive, identity: str, purpose: str, length: int) -> bytes:
    """A key of its own for each vault and purpose, though one key file may lock several vaults."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"flowkit vault {purpose}".encode()
    return HKDF(SHA256(), length, salt=bytes.fromhex(identity), info=info).derive(master.reveal())
