"""All that preflight knows before it judges; how each part is read is in `facts_*`.

No fact is a secret value: where one was looked at, the facts hold its name and what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secrets_quickstart.checks.data import Data
from secrets_quickstart.checks.facts_custody import CustodyFacts
from secrets_quickstart.checks.facts_engine import ClientFacts, EngineFacts
from secrets_quickstart.checks.facts_images import ImageFacts
from secrets_quickstart.checks.facts_machine import KernelFacts, MachineFacts
from secrets_quickstart.checks.facts_storage import DirectoryFacts, DiskFacts, HostsFacts
from secrets_quickstart.checks.facts_swarm import SwarmFacts
from secrets_quickstart.checks.facts_wanted import Unknown, Wanted
from secrets_quickstart.host.resources import FlowdbSizing


@dataclass(frozen=True, slots=True)
class PreflightFacts:
    """All that the checks judge."""

    wanted: Wanted
    engine: EngineFacts | Unknown
    client: ClientFacts | Unknown
    swarm: SwarmFacts | Unknown
    kernel: KernelFacts
    machine: MachineFacts
    sizing: FlowdbSizing
    """How much of this machine FlowDB is to take."""
    data_disk: DiskFacts | Unknown
    engine_disk: DiskFacts | Unknown
    logs_disk: DiskFacts | Unknown
    """Where Airflow's logs go."""
    directories: tuple[DirectoryFacts, ...]
    hosts: HostsFacts | Unknown
    images: ImageFacts | Unknown
    custody: CustodyFacts
    beside: Mapping[str, int] = field(default_factory=dict)
    """Bytes that the services beside FlowDB take when they are idle, by service."""
    data: tuple[Data, ...] = ()
    """Of each database that is deployed, with what the vault knows of it; empty when they could not be looked at."""
