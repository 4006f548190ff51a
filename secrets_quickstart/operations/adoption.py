"""Taking over a stack that runs: made by hand, by FlowKit's own script, or by a vault that is lost.

What its tasks have goes into the vault, all of it in one write; nothing is restarted.  What is taken, and as what, is
decided in `adoption_plan`.
"""

from __future__ import annotations

from secrets_quickstart import audit
from secrets_quickstart.operations.adoption_facts import gather
from secrets_quickstart.operations.adoption_plan import Adoption, planned
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.secrets import labels_of
from secrets_quickstart.swarm import secrets
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of, storage, vault_lock


def plan(settings: Settings) -> Adoption:
    """What an adoption would do now; changes nothing.  Raises what `adopt` does."""
    engine = Engine(settings.base_environment)
    path = settings.vault_path
    vault = Vault.open(path, key_of(settings)) if storage.exists(path) else Vault.in_memory()
    return planned(gather(settings, engine, vault), vault)


def adopt(settings: Settings, command: str) -> Adoption:
    """Take over what runs; returns what was done.  A second run, also after a crash, does what is left.

    Raises SecretConflict when a service has another value than the vault, which is never replaced, and what `gather`
    raises.
    """
    with vault_lock(settings.vault_path, command):
        todo = plan(settings)
        if todo.actions:
            engine = Engine(settings.base_environment)
            vault = Vault.open_or_create(settings.vault_path, key_of(settings))
            audit.note(*todo.actions)
            with vault.batch():
                for item in todo.left_out:
                    vault.leave_out(item.name, item.generation)
                for take in todo.takes:
                    vault.leave_out(take.name, take.generation - 1)
                    vault.put(take.name, take.value, take.origin)
                for claim in todo.claims:
                    vault.claim(claim.place.identity, {"identifier": claim.identifier, "sample": claim.sample})
            for label in todo.labels:
                labels = labels_of(settings.stack, vault, label.name, label.generation)
                secrets.relabel(engine, label.object, labels)
        return todo
