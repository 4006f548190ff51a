"""What the vault notes of an upgrade until it has come to its end; carrying one out is `upgrade`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from secrets_quickstart.errors import UsageError
from secrets_quickstart.vault import Vault

UNDER_WAY = "upgrade"


@dataclass(frozen=True, slots=True)
class Former:
    """A service as it was."""

    spec: Mapping[str, Any]
    """The whole of it; secrets are in it by name only."""

    @property
    def image(self) -> str:
        return str(self.spec["TaskTemplate"]["ContainerSpec"]["Image"])


@dataclass(frozen=True, slots=True)
class UnderWay:
    """All that leads back."""

    tag: str
    """The release that was asked for; "" for what the settings say."""
    backup: str
    """Its folder."""
    created: str
    """When that was begun."""
    services: Mapping[str, Former]
    """As they were when it began."""
    answers: Mapping[str, Mapping[str, Any]]
    """What was in each component's database then."""
    afterwards: tuple[str, ...] = ()
    """What people have to do when it is done."""
    back: bool = False
    """Whether everything is being put back."""
    cleared: tuple[str, ...] = ()
    """Components whose database is known to be as it was, on the way back."""
    restored: Mapping[str, str] = field(default_factory=dict)
    """What the operator has to know of a database that takes its backup's place, by component."""

    @classmethod
    def read(cls, vault: Vault) -> UnderWay | None:
        found = vault.claims.get(UNDER_WAY)
        if found is None:
            return None
        services = {name: Former(**former) for name, former in found["services"].items()}
        lists = {name: tuple(found[name]) for name in ("afterwards", "cleared")}
        return cls(**{**found, "services": services, **lists})

    def note(self, vault: Vault) -> None:
        vault.claim(UNDER_WAY, asdict(self))

    def finish(self, vault: Vault) -> None:
        """It has come to its end, this one or that."""
        vault.release(UNDER_WAY)


def require_none(vault: Vault) -> None:
    """Raise UsageError while there is one: whoever else changed the stack would leave it nowhere."""
    if UNDER_WAY in vault.claims:
        raise UsageError("an upgrade was interrupted", fix="invoke upgrade carries it on, or goes back; do that first")
