"""The step that copies secret values from the vault into the swarm; it makes no values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secrets_quickstart.catalog.labels import FINGERPRINT, GENERATION, NAME, STACK, VAULT
from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.errors import SecretConflict
from secrets_quickstart.steps.step import Action, Plan, Unchanged
from secrets_quickstart.swarm import secrets
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.secrets import SecretObject
from secrets_quickstart.vault import Vault


def object_name(stack: str, name: str, generation: int) -> str:
    """The Docker secret's name; in the container it is the documented one."""
    return f"{stack}_{name}_g{generation}"


def labels_of(stack: str, vault: Vault, name: str, generation: int) -> dict[str, str]:
    """The labels by which the vault knows its value again; they do not tell it."""
    return {
        STACK: stack,
        NAME: name,
        GENERATION: str(generation),
        FINGERPRINT: vault.fingerprint(name, generation),
        VAULT: vault.id,
    }


def variable_of(name: str) -> str:
    """The variable with which a stack file lets the Docker secret's name be chosen."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_SECRET"


def wanted(components: Sequence[str]) -> tuple[str, ...]:
    """Names of the secrets that these components' stack files mount."""
    return tuple(row.name for row in SECRETS if set(row.components) & set(components))


@dataclass(frozen=True, slots=True)
class Kept:
    """What the vault holds of one secret."""

    generation: int
    """The newest, 0 for none yet."""
    fingerprint: str
    deployed: int
    """The generation that the swarm is to have: the newest, or the first one to come."""


@dataclass(frozen=True, slots=True)
class Facts:
    kept: Mapping[str, Kept]
    vault: str
    objects: Mapping[str, SecretObject]


@dataclass(frozen=True, slots=True)
class Create:
    """Create one Docker secret from the vault."""

    name: str
    generation: int
    object: str

    def __str__(self) -> str:
        return f"create the secret {self.object}"


class SecretsStep:
    """Every secret that the components mount is in the swarm, with the vault's newest value."""

    name = "secrets"

    def __init__(self, engine: Engine, vault: Vault, stack: str, components: Sequence[str]) -> None:
        self._engine = engine
        self._vault = vault
        self._stack = stack
        self._names = wanted(components)

    def look(self) -> Facts:
        kept = {
            name: Kept(self._vault.generation(name), self._vault.fingerprint(name), self._deployed(name))
            if name in self._vault
            else Kept(0, "", self._deployed(name))
            for name in self._names
        }
        usable = self._engine.membership().usable
        return Facts(kept, self._vault.id, secrets.listed(self._engine) if usable else {})

    def plan(self, facts: Facts) -> Plan:
        """Raises SecretConflict for a secret in the swarm whose value the vault does not hold."""
        actions: list[Action] = []
        unchanged: list[Unchanged] = []
        for name in self._names:
            kept = facts.kept[name]
            title = object_name(self._stack, name, kept.deployed)
            existing = facts.objects.get(title)
            if existing is None:
                self._refuse_newer(name, kept, facts)
                actions.append(Create(name, kept.deployed, title))
                continue
            _refuse_foreign(existing, kept)
            unchanged.append(Unchanged(title, "in the swarm, with the vault's value"))
        return Plan(tuple(actions), tuple(unchanged))

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Create):
                generation = self._vault.generation(action.name)
                title = object_name(self._stack, action.name, generation)
                labels = labels_of(self._stack, self._vault, action.name, generation)
                secrets.create(self._engine, title, self._vault.value(action.name), labels)

    def environment(self) -> dict[str, str]:
        """The variables with which the stack files find the Docker secrets."""
        return {variable_of(name): object_name(self._stack, name, self._deployed(name)) for name in self._names}

    def _deployed(self, name: str) -> int:
        return self._vault.generation(name) if name in self._vault else self._vault.following(name)

    def _refuse_newer(self, name: str, kept: Kept, facts: Facts) -> None:
        """A swarm that holds our secret in a later generation than the vault was not fed from this vault."""
        for item in facts.objects.values():
            labels = item.labels
            ours = labels.get(STACK) == self._stack and labels.get(NAME) == name
            if ours and int(labels.get(GENERATION, "0")) > kept.deployed:
                raise SecretConflict(
                    f"the swarm has {item.name}, a later generation than the vault holds",
                    why="the vault is older than the swarm, or another one",
                    fix="bring back the newest vault, or have its value read where it is used (invoke secrets.adopt), "
                    "or choose another FLOWKIT_STACK in .env",
                )


def _refuse_foreign(existing: SecretObject, kept: Kept) -> None:
    if kept.generation and existing.labels.get(FINGERPRINT) == kept.fingerprint:
        return
    if FINGERPRINT not in existing.labels:
        why = "somebody else made it: it carries no label of ours"
    elif not kept.generation:
        why = "the vault holds no value of that name"
    else:
        why = "the vault holds another value of that name"
    raise SecretConflict(
        f"the swarm has a secret {existing.name} that is not the vault's",
        why=why,
        fix="bring back the vault that made it, or have its value read where it is used (invoke secrets.adopt), "
        "or choose another FLOWKIT_STACK in .env",
    )
