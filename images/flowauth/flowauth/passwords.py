"""Passwords: hashed, compared and judged. Not whose they are."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import zxcvbn
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from flowauth.refusals import Refused, unavailable

STRONG = 4  # zxcvbn's best mark, the only one that will do
JUDGED = 72  # characters; zxcvbn's time grows with the cube of the length
PATIENCE = 20.0  # seconds in the queue

_password_hasher = PasswordHasher()  # 64 MiB, three passes: the official FlowAuth's own
# A backup code is sixty random bits, which nobody guesses: a quick hash will do for sixteen of them.
_code_hasher = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)
_slots = threading.BoundedSemaphore(1)


def allow_at_once(number: int) -> None:
    """How many hashes may be made at once in this process; each takes 64 MiB and a core."""
    global _slots  # noqa: PLW0603  set once, at start
    _slots = threading.BoundedSemaphore(number)


def hashed(password: str) -> str:
    with _slot():
        return _password_hasher.hash(password)


def is_right(password: str, stored: str | None) -> bool:
    """Takes as long when there is no such user (`stored` is None)."""
    with _slot():
        return _verified(_password_hasher, stored or _nobodys(), password) and stored is not None


def hashed_code(code: str) -> str:
    return _code_hasher.hash(code)


def is_code(code: str, stored: str) -> bool:
    return _verified(_code_hasher, stored, code)


def require_strong(password: str, field: str) -> None:
    """Raises Refused (400) with suggestions."""
    judged = zxcvbn.zxcvbn(password[:JUDGED])
    if judged["score"] < STRONG:
        feedback = judged["feedback"]
        suggestions = [text for text in (feedback["warning"], *feedback["suggestions"]) if text]
        raise Refused("Password not complex enough.", bad_field=field, suggestions=suggestions)


def _verified(hasher: PasswordHasher, stored: str, text: str) -> bool:
    try:
        return hasher.verify(stored, text)
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobodys() -> str:
    return _password_hasher.hash("nobody's password")


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(timeout=PATIENCE):
        raise unavailable("Too many people are signing in. Try again in a moment.")
    try:
        yield
    finally:
        _slots.release()
