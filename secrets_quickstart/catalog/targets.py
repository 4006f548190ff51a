"""The table of targets: what `deploy --target` can bring up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from secrets_quickstart.catalog.components import COMPONENTS


@dataclass(frozen=True, slots=True)
class Target:
    """A named set of components."""

    name: str
    summary: str
    own: tuple[str, ...]
    """The components that `--only` deploys."""
    required: tuple[str, ...] = ()
    """The components that come before them otherwise."""
    overrides: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Variables that this target decides."""

    @property
    def components(self) -> tuple[str, ...]:
        return self.required + self.own


TARGETS = (
    Target("flowdb", "FlowDB alone: SQL access to the records", ("flowdb",)),
    Target(
        "library",
        "FlowMachine as a library: FlowDB, redis and the cache cleaner, no server",
        ("flowmachine",),
        ("flowdb",),
        MappingProxyType({"FLOWMACHINE_REPLICAS": "0"}),
    ),
    Target("flowmachine", "FlowMachine with what it requires", ("flowmachine",), ("flowdb",)),
    Target("flowapi", "FlowAPI with what it requires", ("flowapi",), ("flowdb", "flowmachine")),
    Target("flowetl", "FlowDB and FlowETL: files loaded day by day", ("flowetl",), ("flowdb",)),
    Target("flowauth", "FlowAuth with its database and redis, behind TLS", ("flowauth", "letsencrypt")),
    Target(
        "flowkit",
        "all of FlowKit",
        tuple(component.name for component in COMPONENTS),
    ),
)

BY_NAME = {target.name: target for target in TARGETS}
