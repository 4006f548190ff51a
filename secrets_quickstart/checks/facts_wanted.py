"""What is to be deployed, and what facts are that could not be read; the rest of the facts is in `facts_*`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Unknown:
    """Facts that could not be read."""

    why: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port that a service is to have on this machine."""

    variable: str
    service: str
    number: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be deployed, as the settings have it."""

    stack: str
    components: tuple[str, ...]
    services: tuple[str, ...]
    ports: tuple[PublishedPort, ...]
    port_mode: str = "host"
    endpoint_mode: str = "dnsrr"
    images: str = "local"
    """local, official or auto."""
    images_needed: tuple[str, ...] = ()
    """Rows of the catalog's images."""
    address_pool: str = ""
    """The range that a new swarm would get, or "" for Docker's own."""
    memory_limits: Mapping[str, int] = field(default_factory=dict)
    """Bytes that all tasks together may take, by the variable that bounds each; FlowDB's is planned."""
    data_label: str = ""
    """The node label that pins FlowDB, or "" when it is not deployed."""
    airflow_group: int | None = None
    """The gid that Airflow is to run as, None when it is not deployed."""
    start_empty: bool = False
    """Whether the operator said that a database which has vanished is gone for good."""
