"""Where a stack's services are to be asked: ports and containers, as the swarm has them; not what is asked there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

from secrets_quickstart.checks.acme_trouble import acme_trouble
from secrets_quickstart.checks.flowauth_place import flowauth_place
from secrets_quickstart.checks.verification_world import Address, Door, Unasked, World
from secrets_quickstart.clients.flowmachine import FlowmachineClient
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, services
from secrets_quickstart.swarm.containers import Execution
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.services import Service, StackState, Task
from secrets_quickstart.vault import Vault

HERE = "127.0.0.1"
OFFICIAL_FLOWAPI = "flowminder/flowapi"
SIGNING_KEY, VERIFICATION_KEY = "PRIVATE_JWT_SIGNING_KEY", "PUBLIC_JWT_SIGNING_KEY"


def world(
    settings: Settings,
    engine: Engine,
    vault: Vault,
    token: Sensitive | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> World:
    """The settings' stack, to be asked with the vault's values; `token` takes the place of tokens signed with them."""
    places = Places(engine, settings.stack)
    unused = SIGNING_KEY if not _signs_for_flowapi(vault) else ""
    made = World(
        secret=lambda name: vault.value(name) if name in vault and name != unused else None,
        address=places.address,
        flowmachine=lambda: FlowmachineClient(partial(places.execute, "flowmachine")),
        published=places.published,
        our_flowapi=lambda: OFFICIAL_FLOWAPI not in places.service("flowapi").image,
        flowmachine_port=settings["FLOWMACHINE_PORT"],
        tell=tell,
        given_token=token,
        door=lambda: Door(
            flowauth_place(settings, made),
            settings["EDGE_HTTP_PORT"],
            settings["FLOWAUTH_CERTIFICATE"] == "acme",
            lambda: acme_trouble(engine, settings.stack),
        ),
        inside=places,
        replicas=places.replicas,
        etl_slots=settings["FLOWETL_AIRFLOW_PG_POOL_SLOT_COUNT"],
    )
    return made


def _signs_for_flowapi(vault: Vault) -> bool:
    """Whether the vault's keys are a pair: with another FlowAuth's verification key, a signing key is of no use."""
    if SIGNING_KEY not in vault or VERIFICATION_KEY not in vault:
        return SIGNING_KEY in vault
    from secrets_quickstart.material.keys import verification_key

    return verification_key(vault.value(SIGNING_KEY)) == vault.value(VERIFICATION_KEY)


class Places:
    """One stack, looked at when it is first asked for; may be asked by several threads."""

    def __init__(self, engine: Engine, stack: str) -> None:
        self._engine = engine
        self._stack = stack
        self._lock = threading.Lock()
        self._state: StackState | None = None
        self._own_node = ""

    def service(self, name: str) -> Service:
        """Raises ServiceError when it is not deployed."""
        try:
            return self._look().services[name]
        except KeyError:
            raise ServiceError(
                f"there is no service {name} in the stack {self._stack}",
                fix="deploy it: invoke --help deploy shows the targets",
            ) from None

    def replicas(self, name: str) -> int:
        """How many tasks are asked for; of a service that has one on each node, those that are to run."""
        service = self.service(name)
        if service.replicas is not None:
            return service.replicas
        return sum(task.desired == "running" for task in self._look().tasks_of(service))

    def names(self) -> list[str]:
        return sorted(self._look().services)

    def networks(self, name: str) -> frozenset[str]:
        spec = self.service(name).spec
        listed = spec["TaskTemplate"].get("Networks") or spec.get("Networks") or ()
        return frozenset(str(network["Target"]) for network in listed)

    def task_addresses(self, name: str) -> list[str]:
        """Of its running tasks, on the networks that its specification names."""
        networks = self.networks(name)
        tasks = [task for task in self._look().tasks_of(self.service(name)) if task.state == "running"]
        with translated(f"the addresses of {name} cannot be found out"):
            found = [self._engine.api.inspect_task(task.id) for task in tasks]
        return [
            address.partition("/")[0]
            for task in found
            for attachment in task.get("NetworksAttachments") or ()
            if attachment["Network"]["ID"] in networks or attachment["Network"]["Spec"]["Name"] in networks
            for address in attachment.get("Addresses") or ()
        ]

    def published(self, name: str) -> list[int]:
        return [int(port["PublishedPort"]) for port in self.service(name).ports if port.get("PublishedPort")]

    def address(self, name: str) -> Address:
        """Where its published port is: at this machine, unless it is published by another node alone."""
        service = self.service(name)
        ports = self.published(name)
        if not ports:
            raise Unasked(f"{name} publishes no port")
        if any(port.get("PublishMode") == "ingress" for port in service.ports):
            return Address(self._engine_address(), ports[0])
        task = self._running(service)
        if task.node_id == self._own_node:
            return Address(self._engine_address(), ports[0])
        return Address(self._node_address(task.node_id), ports[0])

    def execute(self, name: str, argv: Sequence[str]) -> Execution:
        """Run a program in a container of the service; raises Unasked when there is none on this node."""
        service = self.service(name)
        if service.replicas == 0:
            raise Unasked(f"no {name} is asked for: it has 0 replicas")
        task = self._running(service)
        if task.node_id != self._own_node:
            raise Unasked(f"{name} runs on another node, and no program can be run there from here")
        return containers.execute(self._engine, task.container_id, argv)

    def _look(self) -> StackState:
        with self._lock:
            if self._state is None:
                self._own_node = self._engine.membership().node_id
                self._state = services.state(self._engine, self._stack)
            return self._state

    def _running(self, service: Service) -> Task:
        for task in self._look().tasks_of(service):
            if task.state == "running" and task.desired == "running":
                return task
        raise ServiceError(f"no task of {service.name} is running", fix="see why: invoke status")

    def _engine_address(self) -> str:
        """This machine, or the one whose engine DOCKER_HOST names."""
        return HERE if self._engine.host.startswith("unix:") else self._node_address(self._own_node)

    def _node_address(self, node_id: str) -> str:
        with translated("a node's address cannot be found out"):
            node = self._engine.api.inspect_node(node_id)
        address = str(node["Status"].get("Addr") or "")
        if address in {"", "0.0.0.0"}:  # a manager that was never told its own
            address = str((node.get("ManagerStatus") or {}).get("Addr", "")).rpartition(":")[0]
        return address
