"""What every kind of value is: how it is read and written; no kind is here.

`parse` takes what stands in `.env` and raises ValueError with a clause that finishes "NAME: …"; `text` gives what the
services are handed, None for "leave it unset".
"""

from __future__ import annotations

from typing import Any, Protocol


class Kind(Protocol):
    """What a value must be like."""

    @property
    def expects(self) -> str:
        """What is wanted, for people: "a port from 1 to 65535"."""
        ...

    def parse(self, text: str) -> Any: ...

    def text(self, value: Any) -> str | None: ...


def seen(text: str) -> str:
    shown = text if len(text) <= 40 else text[:37] + "…"
    return ascii(shown) if not shown.isprintable() else f"'{shown}'"


def refuse(text: str, kind: Kind) -> ValueError:
    return ValueError(f"{seen(text)} is not {kind.expects}")
