"""What a vault holds: values in generations, and claims; as text under the seal, and in memory."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from secrets_quickstart.sensitive import Sensitive


class Origin(StrEnum):
    """Where a value came from."""

    GENERATED = "generated"
    IMPORTED = "imported"
    DERIVED = "derived"
    CHOSEN = "chosen"
    """From a variable."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What may be told of one generation of a value."""

    name: str
    generation: int
    """1 for the first."""
    created: datetime
    origin: Origin


@dataclass(frozen=True, slots=True)
class Stored:
    """One generation of a value."""

    value: Sensitive
    created: datetime
    origin: Origin
    generation: int


Record = dict[str, Any]  # JSON


@dataclass(slots=True)
class Contents:
    """All of it."""

    fingerprint_key: Sensitive = field(default_factory=lambda: Sensitive(secrets.token_bytes(32)))
    """Kept inside, so that fingerprints outlive a change of the key that locks the vault."""
    values: dict[str, list[Stored]] = field(default_factory=dict)
    """Generations by name, the first one first; a number may be left out."""
    claims: dict[str, Record] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    """The highest number, by name, that somebody else has given away: what is added comes after it."""

    def copy(self) -> Contents:
        values = {name: list(generations) for name, generations in self.values.items()}
        return Contents(self.fingerprint_key, values, dict(self.claims), dict(self.left_out))

    def encoded(self) -> bytes:
        return json.dumps(
            {
                "fingerprint_key": _text(self.fingerprint_key),
                "values": {
                    name: [
                        {
                            "value": _text(one.value),
                            "created": one.created.isoformat(),
                            "origin": one.origin.value,
                            "generation": one.generation,
                        }
                        for one in generations
                    ]
                    for name, generations in self.values.items()
                },
                "claims": self.claims,
                "left_out": self.left_out,
            }
        ).encode()


def decoded(content: bytes) -> Contents:
    """Raises ValueError, TypeError, KeyError or AttributeError for what `encoded` never wrote."""
    found: Mapping[str, Any] = json.loads(content)
    values = {
        name: [
            Stored(
                _value(one["value"]),
                datetime.fromisoformat(one["created"]),
                Origin(one["origin"]),
                int(one.get("generation", number)),  # vaults that were written before numbers were left out
            )
            for number, one in enumerate(generations, 1)
        ]
        for name, generations in found["values"].items()
    }
    left_out = {str(name): int(number) for name, number in found.get("left_out", {}).items()}
    return Contents(_value(found["fingerprint_key"]), values, dict(found["claims"]), left_out)


def _text(value: Sensitive) -> str:
    return base64.b64encode(value.reveal()).decode()


def _value(text: str) -> Sensitive:
    return Sensitive(base64.b64decode(text, validate=True))
