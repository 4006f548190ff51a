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


def variable_of(name: str) -> str:
    """The variable with which a stack file lets the Docker secret's name be chosen."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_SECRET"


def wanted(components: Sequence[str]) -> tuple[str, ...]:
    """Names of the secrets that these components' stack files mount."""
    return tuple(row.name for row in SECRETS if set(row.components) & set(components))


@dataclass(frozen=True, slots=True)
class Kept:
    """What the vault holds of one secret: its newest generation, 0 for none yet."""

    generation: int
    fingerprint: str


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
            name: Kept(self._vault.generation(name), self._vault.fingerprint(name))
            if name in self._vault
            else Kept(0, "")
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
            generation = kept.generation or 1
            title = object_name(self._stack, name, generation)
            existing = facts.objects.get(title)
            if existing is None:
                self._refuse_newer(name, kept, facts)
                actions.append(Create(name, generation, title))
                continue
            self._refuse_foreign(name, existing, kept)
            unchanged.append(Unchanged(title, "in the swarm, with the vault's value"))
        return Plan(tuple(actions), tuple(unchanged))

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Create):
                generation = self._vault.generation(action.name)
                labels = {
                    STACK: self._stack,
                    NAME: action.name,
                    GENERATION: str(generation),
                    FINGERPRINT: self._vault.fingerprint(action.name),
                    VAULT: self._vault.id,
                }
                title = object_name(self._stack, action.name, generation)
                secrets.create(self._engine, title, self._vault.value(action.name), labels)

    def environment(self) -> dict[str, str]:
        """The variables with which the stack files find the Docker secrets."""
        return {
            variable_of(name): object_name(
                self._stack, name, self._vault.generation(name) if name in self._vault else 1
            )
            for name in self._names
        }

    def _refuse_foreign(self, name: str, existing: SecretObject, kept: Kept) -> None:
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
            fix=f"give its value to the vault (invoke secrets.import {name} -), "
            "bring back the vault that made it, or choose another FLOWKIT_STACK in .env",
        )

    def _refuse_newer(self, name: str, kept: Kept, facts: Facts) -> None:
        """A swarm that holds our secret in a later generation than the vault was not fed from this vault."""
        for item in facts.objects.values():
            labels = item.labels
            ours = labels.get(STACK) == self._stack and labels.get(NAME) == name
            if ours and int(labels.get(GENERATION, "0")) > kept.generation:
                raise SecretConflict(
                    f"the swarm has {item.name}, a later generation than the vault holds",
                    why="the vault is older than the swarm, or another one",
                    fix="bring back the newest vault, or choose another FLOWKIT_STACK in .env",
                )
