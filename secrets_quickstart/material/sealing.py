"""Streams sealed in the format of age, and opened again; not where they come from or go to.

age (https://age-encryption.org) seals chunk by chunk and marks the last one: what was changed, put in another order or
cut short is not opened.  Its own command opens what is sealed here, and needs nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.sensitive import Sensitive

AT_ONCE = 1 << 18
"""Bytes that are asked of a source; age itself asks for 8 kB."""


class Source(Protocol):
    """What can be read."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes, none at the end."""


class Sink(Protocol):
    """What can be written."""

    def write(self, content: bytes, /) -> Any:
        """All of it."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals for whoever has the passphrase or the identity."""

    recipient: str
    """age's public key, of no use for opening."""
    key: bytes | None
    """A new identity under the passphrase, to be kept beside what is sealed for it: `age --decrypt --identity FILE`
    asks for the passphrase.  None for a recipient of the operator's."""

    @classmethod
    def with_passphrase(cls, passphrase: Sensitive) -> Self:
        """Raises MaterialError for a passphrase that is no text.  Takes a second or two: scrypt is meant to."""
        import pyrage

        identity = pyrage.x25519.Identity.generate()
        sealed = pyrage.passphrase.encrypt(str(identity).encode(), _text(passphrase, "passphrase"))
        return cls(str(identity.to_public()), sealed)

    @classmethod
    def for_recipient(cls, recipient: str) -> Self:
        """Raises MaterialError for what is none."""
        import pyrage

        try:
            return cls(str(pyrage.x25519.Recipient.from_str(recipient.strip())), None)
        except pyrage.RecipientError:
            raise MaterialError(
                "the recipient is not a public key of age",
                why="such a key begins with age1",
                fix="age-keygen prints it when it makes an identity; age-keygen -y FILE prints it again",
            ) from None

    def seal(self, source: Source, sink: Sink) -> None:
        """All that the source gives; what source and sink raise is raised."""
        import pyrage

        recipient = pyrage.x25519.Recipient.from_str(self.recipient)
        with _raising(source, sink) as (reading, writing):
            pyrage.encrypt_io(reading, writing, [recipient])


class Opener:
    """Opens what a Sealer sealed."""

    def __init__(self, identity: Any) -> None:
        self._identity = identity

    @classmethod
    def with_passphrase(cls, passphrase: Sensitive, key: bytes) -> Self:
        """`key` as the Sealer gave it; raises MaterialError when the passphrase is another's or the key is damaged."""
        import pyrage

        try:
            text = pyrage.passphrase.decrypt(key, _text(passphrase, "passphrase")).decode()
            return cls(pyrage.x25519.Identity.from_str(text))
        except (pyrage.DecryptError, pyrage.IdentityError, UnicodeDecodeError):
            raise MaterialError(
                "the backup's key cannot be opened",
                why="the passphrase is wrong, or the key was damaged",
                fix="give the passphrase that the backup was made with",
            ) from None

    @classmethod
    def with_identity(cls, content: Sensitive) -> Self:
        """An identity file as age-keygen writes it; raises MaterialError for what is none."""
        import pyrage

        lines = (line.strip() for line in _text(content, "identity file").splitlines())
        found = [line for line in lines if line and not line.startswith("#")]
        try:
            [line] = found
            return cls(pyrage.x25519.Identity.from_str(line))
        except (ValueError, pyrage.IdentityError):
            raise MaterialError(
                "the identity file cannot be used",
                why="it is not one line that begins with AGE-SECRET-KEY-1, and comments",
                fix="name the file that age-keygen wrote",
            ) from None

    def open(self, source: Source, sink: Sink, name: str) -> None:
        """All of it, of which the sink has had a part when it turns out to be damaged: MaterialError."""
        import pyrage

        with _raising(source, sink) as (reading, writing):
            try:
                pyrage.decrypt_io(reading, writing, [self._identity])
            except pyrage.DecryptError as error:
                other = "No matching keys" in str(error)
                raise _unopened(name, "it is sealed for another key" if other else "it is damaged") from None
            except OSError:
                raise _unopened(name, "it is damaged, or was cut short") from None


def _unopened(name: str, why: str) -> MaterialError:
    return MaterialError(f"{name} cannot be opened", why=why, fix="use another copy of this backup, or another backup")


def _text(value: Sensitive, what: str) -> str:
    try:
        return value.text()
    except UnicodeDecodeError:
        raise MaterialError(f"the {what} cannot be used", why="it is not UTF-8", fix="save it as UTF-8") from None


class _Ours:
    """A source and a sink as age calls them, which keep what they raise: age would make a text of it."""

    def __init__(self, source: Source, sink: Sink) -> None:
        self._source, self._sink = source, sink
        self._held = memoryview(b"")
        self.problem: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            if not self._held:
                self._held = memoryview(self._source.read(AT_ONCE))
            end = len(self._held) if size < 0 else size
            given, self._held = self._held[:end], self._held[end:]
            return bytes(given)
        except BaseException as problem:
            self.problem = problem
            raise

    def write(self, content: bytes) -> int:
        try:
            self._sink.write(content)
        except BaseException as problem:
            self.problem = problem
            raise
        return len(content)

    def flush(self) -> None:
        return


@contextmanager
def _raising(source: Source, sink: Sink) -> Iterator[tuple[_Ours, _Ours]]:
    ours = _Ours(source, sink)
    try:
        yield ours, ours
    except BaseException:
        if ours.problem is not None:
            raise ours.problem from None
        raise
