"""What is in the swarm, ours and others', and how that is read; judges nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from secrets_quickstart.catalog.labels import FINGERPRINT, GENERATION, NAME, STACK, VAULT
from secrets_quickstart.checks.facts_engine import EngineFacts
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.errors import EngineError
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.services import NAMESPACE, SERVICE_NAME

PATIENCE = 0.7
"""Seconds for another node to accept a connection: many times the round trip within any site."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node of the swarm."""

    id: str
    name: str
    address: str
    ready: bool
    active: bool
    manager: bool
    reachable: bool
    """For a manager: whether the other managers reach it."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Owned:
    """A service, network, volume or secret: its name and whose it is."""

    name: str
    stack: str
    """The stack that it belongs to, or "" for something made by hand."""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """One of the engine's networks."""

    name: str
    stack: str
    driver: str
    scope: str
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    """A port that Docker holds."""

    port: int
    protocol: str
    holder: str
    """The service's or container's full name."""
    stack: str


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A Docker secret with the labels that FlowKit's carry."""

    name: str
    stack: str
    """The stack in its label, "" for a secret without our labels."""
    of: str
    """The name it has in the containers."""
    generation: int | None
    fingerprint: str
    vault: str


@dataclass(frozen=True, slots=True)
class SwarmFacts:
    """What is in the swarm; empty when there is no swarm yet."""

    nodes: tuple[NodeFacts, ...] = ()
    services: tuple[Owned, ...] = ()
    volumes: tuple[Owned, ...] = ()
    networks: tuple[NetworkFacts, ...] = ()
    secrets: tuple[SecretFacts, ...] = ()
    publications: tuple[Publication, ...] = ()
    unreachable: tuple[str, ...] = ()
    """`node:port` of other nodes that did not accept a connection."""

    def has(self, service: str) -> bool:
        """Whether there is a service of that full name."""
        return any(item.name == service for item in self.services)


def swarm_facts(engine: Engine, found: EngineFacts | Unknown) -> SwarmFacts | Unknown:
    """What is in the swarm; what the engine has by itself (networks, volumes, containers) also without one."""
    if isinstance(found, Unknown):
        return Unknown("no engine answers")
    member = found.membership
    if member.state != "inactive" and not member.usable:
        return Unknown(
            member.error or ("this node is a worker" if member.state == "active" else f"it is {member.state}")
        )
    api = engine.api
    try:
        with translated("the swarm cannot be read"):
            networks, volumes, containers = api.networks(), api.volumes(), api.containers()
            joined = member.usable
            nodes, services, secrets = (api.nodes(), api.services(), api.secrets()) if joined else ([], [], [])
    except EngineError as error:
        return Unknown(str(error), error.fix)
    members = tuple(map(node, nodes))
    return SwarmFacts(
        nodes=members,
        services=tuple(owned(item["Spec"]) for item in services),
        volumes=tuple(owned(item) for item in volumes.get("Volumes") or ()),
        networks=tuple(map(network, networks)),
        secrets=tuple(secret(item["Spec"]) for item in secrets),
        publications=(*publications(services), *container_publications(containers)),
        unreachable=_unreachable(members, member.node_id),
    )


def node(item: Mapping[str, Any]) -> NodeFacts:
    manager = item.get("ManagerStatus") or {}
    return NodeFacts(
        id=item["ID"],
        name=item["Description"]["Hostname"],
        address=(manager.get("Addr") or "").rpartition(":")[0] or item["Status"].get("Addr", ""),
        ready=item["Status"]["State"] == "ready",
        active=item["Spec"]["Availability"] == "active",
        manager=item["Spec"]["Role"] == "manager",
        reachable=manager.get("Reachability", "reachable") == "reachable",
        labels=item["Spec"].get("Labels") or {},
    )


def owned(spec: Mapping[str, Any]) -> Owned:
    return Owned(spec["Name"], (spec.get("Labels") or {}).get(NAMESPACE, ""))


def network(item: Mapping[str, Any]) -> NetworkFacts:
    ranges = (item.get("IPAM") or {}).get("Config") or ()
    return NetworkFacts(
        name=item["Name"],
        stack=(item.get("Labels") or {}).get(NAMESPACE, ""),
        driver=item.get("Driver", ""),
        scope=item.get("Scope", ""),
        subnets=tuple(entry["Subnet"] for entry in ranges if entry.get("Subnet")),
    )


def secret(spec: Mapping[str, Any]) -> SecretFacts:
    labels = spec.get("Labels") or {}
    generation = labels.get(GENERATION, "")
    return SecretFacts(
        name=spec["Name"],
        stack=labels.get(STACK, ""),
        of=labels.get(NAME, ""),
        generation=int(generation) if generation.isascii() and generation.isdigit() else None,
        fingerprint=labels.get(FINGERPRINT, ""),
        vault=labels.get(VAULT, ""),
    )


def publications(services: Iterable[Mapping[str, Any]]) -> list[Publication]:
    return [
        Publication(int(port["PublishedPort"]), port.get("Protocol", "tcp"), *_named(item["Spec"]))
        for item in services
        for port in (item["Spec"].get("EndpointSpec") or {}).get("Ports") or ()
        if port.get("PublishedPort")
    ]


def _named(spec: Mapping[str, Any]) -> tuple[str, str]:
    found = owned(spec)
    return found.name, found.stack


def container_publications(containers: Iterable[Mapping[str, Any]]) -> list[Publication]:
    """What running containers hold; those of a service go by the service's name."""
    found: dict[tuple[int, str, str], Publication] = {}
    for item in containers:
        labels = item.get("Labels") or {}
        name = labels.get(SERVICE_NAME) or (item.get("Names") or ["/?"])[0].removeprefix("/")
        for port in item.get("Ports") or ():
            if port.get("PublicPort"):
                number, protocol = int(port["PublicPort"]), str(port.get("Type", "tcp"))
                found[number, protocol, name] = Publication(number, protocol, name, labels.get(NAMESPACE, ""))
    return list(found.values())


def _unreachable(nodes: Iterable[NodeFacts], own: str) -> tuple[str, ...]:
    """Ports of other nodes, which must answer for a swarm to work, that do not."""
    others = [item for item in nodes if item.id != own and item.ready and item.address]
    return silent(
        [(item.name, item.address, port) for item in others for port in ((2377, 7946) if item.manager else (7946,))]
    )


def silent(targets: Sequence[tuple[str, str, int]]) -> tuple[str, ...]:
    """Those of these names, addresses and ports that accept no connection, as `name:port`."""
    if not targets:
        return ()

    def answers(target: tuple[str, str, int]) -> bool:
        _, address, port = target
        try:
            socket.create_connection((address, port), timeout=PATIENCE).close()
        except OSError:
            return False
        return True

    with ThreadPoolExecutor(min(16, len(targets))) as pool:
        reached = pool.map(answers, targets)
        return tuple(f"{name}:{port}" for (name, _, port), there in zip(targets, reached, strict=True) if not there)
