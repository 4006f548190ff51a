"""Docker secrets: listed, created, labelled, removed.  Which there should be is decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from secrets_quickstart.errors import EngineError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.swarm.engine import Engine, parse_time, translated

LARGEST = 500 * 1024
"""Bytes that a Docker secret may hold: the engine refuses 512000 and more."""


@dataclass(frozen=True, slots=True)
class SecretObject:
    """A Docker secret as the swarm shows it: everything but its value."""

    id: str
    name: str
    labels: Mapping[str, str]
    created: datetime
    """By the engine's clock."""


def listed(engine: Engine) -> dict[str, SecretObject]:
    """All secrets of the swarm, by name."""
    with translated("the swarm's secrets cannot be listed"):
        found = engine.api.secrets()
    objects = (
        SecretObject(item["ID"], item["Spec"]["Name"], item["Spec"].get("Labels") or {}, parse_time(item["CreatedAt"]))
        for item in found
    )
    return {item.name: item for item in objects}


def create(engine: Engine, name: str, value: Sensitive, labels: Mapping[str, str]) -> None:
    """Create a secret; raises EngineError when the name is taken."""
    with translated(f"the secret {name} cannot be created"):
        engine.api.create_secret(name, value.reveal(), labels=dict(labels))


def relabel(engine: Engine, item: SecretObject, labels: Mapping[str, str]) -> None:
    """Give a secret these labels in the place of those it has, which no task notices; its value cannot be changed."""
    what = f"the secret {item.name} cannot be labelled"
    api = engine.api
    with translated(what):
        found = api.inspect_secret(item.id)
        answer = api.post(  # the SDK has no method for it
            f"{api.base_url}/v{api.api_version}/secrets/{item.id}/update",
            params={"version": found["Version"]["Index"]},
            json={**found["Spec"], "Labels": dict(labels)},
        )
    if answer.status_code != HTTPStatus.OK:
        raise EngineError(what, why=str(answer.text).strip()[:200], fix="run this again")


def remove(engine: Engine, item: SecretObject) -> None:
    """Remove a secret; raises EngineError while a service uses it."""
    with translated(f"the secret {item.name} cannot be removed"):
        engine.api.remove_secret(item.id)
