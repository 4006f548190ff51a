"""Services, tasks, nodes and networks of a stack, as the engine shows them; not whether they are as they should be."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from secrets_quickstart.errors import EngineError
from secrets_quickstart.swarm.engine import OUT_OF_SEQUENCE, Engine, parse_time, translated

NAMESPACE = "com.docker.stack.namespace"
SERVICE_NAME, SERVICE_ID = "com.docker.swarm.service.name", "com.docker.swarm.service.id"
TASK_NAME, TASK_ID = "com.docker.swarm.task.name", "com.docker.swarm.task.id"
"""Swarm's labels of a task's container; names have the stack's before them."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a stack."""

    id: str
    name: str
    """Without the stack's name before it."""
    version: int
    spec: Mapping[str, Any]
    update_state: str
    """"" when it was never updated, else the engine's word for how the last update stands."""
    update_started: datetime | None
    update_message: str

    @property
    def container(self) -> Mapping[str, Any]:
        return dict(self.spec["TaskTemplate"]["ContainerSpec"])

    @property
    def image(self) -> str:
        return str(self.container["Image"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.spec.get("Labels") or {}

    @property
    def replicas(self) -> int | None:
        """The number asked for, or None for a global service."""
        mode = self.spec["Mode"]
        if "Replicated" in mode:
            return int(mode["Replicated"]["Replicas"])
        if "ReplicatedJob" in mode:
            return int(mode["ReplicatedJob"].get("TotalCompletions", 1))
        return None

    @property
    def has_health_check(self) -> bool:
        """Whether its tasks count as running only when they are healthy."""
        test = (self.container.get("Healthcheck") or {}).get("Test") or ["NONE"]
        return bool(test[0] != "NONE")

    @property
    def ports(self) -> Sequence[Mapping[str, Any]]:
        return (self.spec.get("EndpointSpec") or {}).get("Ports") or ()

    @property
    def secret_names(self) -> dict[str, str]:
        """Names of the Docker secrets by the file they are mounted as."""
        return secret_names(self.container)


@dataclass(frozen=True, slots=True)
class Task:
    """One Swarm task."""

    id: str
    service_id: str
    slot: int
    node_id: str
    desired: str
    state: str
    changed: datetime
    """When it came into that state, by the engine's clock."""
    created: datetime
    message: str
    error: str
    exit_code: int | None
    container_id: str
    spec: Mapping[str, Any]

    def matches(self, service: Service) -> bool:
        """Whether it runs what the service asks for now."""
        template = service.spec["TaskTemplate"]
        return bool(self.spec.get("ContainerSpec") == template.get("ContainerSpec")) and bool(
            self.spec.get("ForceUpdate", 0) == template.get("ForceUpdate", 0)
        )


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the swarm."""

    id: str
    name: str
    ready: bool
    active: bool
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack at one moment."""

    services: Mapping[str, Service]
    tasks: Sequence[Task]
    nodes: Mapping[str, Node]

    def tasks_of(self, service: Service) -> list[Task]:
        """The service's tasks, the newest first."""
        own = (task for task in self.tasks if task.service_id == service.id)
        return sorted(own, key=lambda task: task.created, reverse=True)


def secret_names(container: Mapping[str, Any]) -> dict[str, str]:
    """Names of the Docker secrets of a service's or task's container, by the file they are mounted as."""
    return {entry["File"]["Name"]: entry["SecretName"] for entry in container.get("Secrets") or () if "File" in entry}


def state(engine: Engine, stack: str) -> StackState:
    """The stack as it is now; empty when there is none."""
    chosen = {"label": f"{NAMESPACE}={stack}"}
    with translated(f"the stack {stack} cannot be looked at"):
        services = engine.api.services(filters=chosen)
        tasks = engine.api.tasks(filters=chosen)
        nodes = engine.api.nodes()
    found = [_service(item, stack) for item in services]
    return StackState(
        {service.name: service for service in found},
        tuple(_task(item) for item in tasks),
        {node.id: node for node in map(_node, nodes)},
    )


def nodes(engine: Engine) -> list[Node]:
    """The nodes of the swarm."""
    with translated("the swarm's nodes cannot be listed"):
        return [_node(item) for item in engine.api.nodes()]


def networks(engine: Engine, stack: str) -> list[str]:
    """Names of the stack's networks."""
    with translated(f"the networks of {stack} cannot be listed"):
        return [item["Name"] for item in engine.api.networks(filters={"label": f"{NAMESPACE}={stack}"})]


def containers(engine: Engine, stack: str) -> list[tuple[str, bool]]:
    """For each container of the stack on this node, the name of its service and whether it runs."""
    with translated(f"the containers of {stack} cannot be listed"):
        found = engine.api.containers(all=True, filters={"label": f"{NAMESPACE}={stack}"})
    return [
        ((item.get("Labels") or {}).get(SERVICE_NAME, "").removeprefix(f"{stack}_"), item.get("State") == "running")
        for item in found
    ]


def task_name(service: str, slot: int, node_id: str) -> str:
    """As `docker ps` has it, without the stack: by its slot, or by its node where each node has one."""
    return f"{service}.{slot or node_id}"


def remove(engine: Engine, service: Service) -> None:
    """Remove a service and, a moment later, its tasks; one that is gone already is no error."""
    import docker.errors

    with translated(f"the service {service.name} cannot be removed"):
        try:
            engine.api.remove_service(service.id)
        except docker.errors.NotFound:
            return


def scale(engine: Engine, service: Service, replicas: int) -> None:
    """Ask for so many tasks of a service, and return at once."""
    from docker.types import ServiceMode

    with translated(f"the service {service.name} cannot be scaled to {replicas}"):
        engine.api.update_service(
            service.id, service.version, mode=ServiceMode("replicated", replicas), fetch_current_spec=True
        )


def put(engine: Engine, service: Service, spec: Mapping[str, Any]) -> bool:
    """Give a service this whole specification, and return at once; False when it was changed meanwhile."""
    what = f"the service {service.name} cannot be updated"
    api = engine.api
    with translated(what):
        answer = api.post(  # the SDK would take it apart
            f"{api.base_url}/v{api.api_version}/services/{service.id}/update",
            params={"version": service.version},
            json=spec,
        )
    if answer.status_code == HTTPStatus.OK:
        return True
    said = str(answer.text).strip()[:200]
    if OUT_OF_SEQUENCE in said:
        return False
    raise EngineError(what, why=said, fix="run this again")


def remove_networks(engine: Engine, stack: str) -> None:
    """Remove the networks that the stack has left; one that is still in use stays, to be asked for again."""
    import docker.errors

    for name in networks(engine, stack):
        with contextlib.suppress(docker.errors.APIError):
            engine.api.remove_network(name)


def _service(item: Mapping[str, Any], stack: str) -> Service:
    update = item.get("UpdateStatus") or {}
    return Service(
        id=item["ID"],
        name=item["Spec"]["Name"].removeprefix(f"{stack}_"),
        version=item["Version"]["Index"],
        spec=item["Spec"],
        update_state=update.get("State", ""),
        update_started=parse_time(update["StartedAt"]) if "StartedAt" in update else None,
        update_message=update.get("Message", ""),
    )


def _task(item: Mapping[str, Any]) -> Task:
    status = item["Status"]
    container = status.get("ContainerStatus") or {}
    return Task(
        id=item["ID"],
        service_id=item["ServiceID"],
        slot=item.get("Slot", 0),
        node_id=item.get("NodeID", ""),
        desired=item["DesiredState"],
        state=status["State"],
        changed=parse_time(status["Timestamp"]),
        created=parse_time(item["CreatedAt"]),
        message=status.get("Message", ""),
        error=status.get("Err", ""),
        exit_code=container.get("ExitCode"),
        container_id=container.get("ContainerID", ""),
        spec=item["Spec"],
    )


def _node(item: Mapping[str, Any]) -> Node:
    return Node(
        id=item["ID"],
        name=item["Description"]["Hostname"],
        ready=item["Status"]["State"] == "ready",
        active=item["Spec"]["Availability"] == "active",
        labels=item["Spec"].get("Labels") or {},
    )
