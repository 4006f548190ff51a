"""Bytes that do not show; not a vault, and no protection against somebody who reads memory.

Imports nothing of ours.
"""

from __future__ import annotations

import hmac
from typing import Never


class Sensitive:
    """A secret value.  Only `reveal` and `text` give it away, so that a search finds every place that does."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        return self._value

    def text(self) -> str:
        """The value as text; raises UnicodeDecodeError for one that is not UTF-8."""
        return self._value.decode()

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sensitive):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash would tell equal values apart

    def __repr__(self) -> str:
        return "Sensitive(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        raise TypeError("a secret value is not pickled or copied")
