"""What `drift` judges: vault, swarm and services, read; changes nothing, and reads no value."""

from __future__ import annotations

from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.operations.drift import Facts, Held
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import membership, secrets, services
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of, storage


def look(settings: Settings) -> Facts:
    """The facts as they are now.  Without a vault or a swarm there is nothing in it.

    Raises VaultError for a vault that cannot be opened, and EngineError for a swarm that cannot be asked.
    """
    path = settings.vault_path
    vault = Vault.open(path, key_of(settings)) if storage.exists(path) else None
    return facts_of(settings.stack, Engine(settings.base_environment), vault)


def facts_of(stack: str, engine: Engine, vault: Vault | None) -> Facts:
    identity = None if vault is None else vault.id
    held = _held(vault) if vault is not None else {}
    left_out = {row.name: vault.left_out(row.name) for row in SECRETS} if vault is not None else {}
    found = engine.membership()
    if found.state == "inactive":
        return Facts(stack, identity, held, left_out)
    membership.require_usable(found)
    present = services.state(engine, stack).services
    return Facts(
        stack,
        identity,
        held,
        left_out,
        secrets.listed(engine),
        {name: service.secret_names for name, service in present.items()},
        tuple(part.name for part in COMPONENTS if any(service.name in present for service in part.services)),
    )


def _held(vault: Vault) -> dict[tuple[str, int], Held]:
    return {
        (name, number): Held(vault.fingerprint(name, number), vault.entry(name, number).created)
        for name in vault.names()
        for number in vault.generations(name)
    }
