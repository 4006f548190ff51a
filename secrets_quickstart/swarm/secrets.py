"""Docker secrets: listed, created, removed.  Which there should be is decided in `steps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.swarm.engine import Engine, translated

LARGEST = 500 * 1024
"""Bytes that a Docker secret may hold: the engine refuses 512000 and more."""


@dataclass(frozen=True, slots=True)
class SecretObject:
    """A Docker secret as the swarm shows it: everything but its value."""

    id: str
    name: str
    labels: Mapping[str, str]


def listed(engine: Engine) -> dict[str, SecretObject]:
    """All secrets of the swarm, by name."""
    with translated("the swarm's secrets cannot be listed"):
        found = engine.api.secrets()
    objects = (SecretObject(item["ID"], item["Spec"]["Name"], item["Spec"].get("Labels") or {}) for item in found)
    return {item.name: item for item in objects}


def create(engine: Engine, name: str, value: Sensitive, labels: Mapping[str, str]) -> None:
    """Create a secret; raises EngineError when the name is taken."""
    with translated(f"the secret {name} cannot be created"):
        engine.api.create_secret(name, value.reveal(), labels=dict(labels))


def remove(engine: Engine, item: SecretObject) -> None:
    """Remove a secret; raises EngineError while a service uses it."""
    with translated(f"the secret {item.name} cannot be removed"):
        engine.api.remove_secret(item.id)
