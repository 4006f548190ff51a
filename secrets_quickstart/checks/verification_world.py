"""What the verification checks ask: the services' clients, and what is known of them; nothing is judged here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from secrets_quickstart.checks.check import Outcome
from secrets_quickstart.checks.verification_guests import Guests
from secrets_quickstart.clients import http, https
from secrets_quickstart.clients.airflow import AirflowClient
from secrets_quickstart.clients.analyst import Analyst
from secrets_quickstart.clients.flowapi import FlowapiClient, Place
from secrets_quickstart.clients.flowdb import FlowdbClient
from secrets_quickstart.clients.flower import FlowerClient
from secrets_quickstart.clients.flowmachine import Execution, FlowmachineClient
from secrets_quickstart.clients.redis_server import RedisClient
from secrets_quickstart.sensitive import Sensitive

PREFERRED = ("flowkit.api", "localhost")
"""The names by which FlowAPI is asked, where its certificate has them."""


class Unasked(Exception):
    """A check cannot be made here, and that is nobody's fault; the message says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service can be reached from this machine."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Door:
    """FlowAuth's edge, as people find it."""

    place: https.Place
    http_port: int
    from_acme: bool = False
    """Whether its certificate is acquired from an ACME directory, rather than the vault's."""
    complaint: Callable[[], str] = lambda: ""
    """Why ACME gave none, in the edge's words."""


class Inside(Protocol):
    """The stack's containers.  Each method raises ServiceError for a service that is not there."""

    def names(self) -> Collection[str]:
        """All services."""

    def networks(self, name: str) -> Collection[str]:
        """Those that a service is on."""

    def task_addresses(self, name: str) -> Sequence[str]:
        """Of its running tasks, on those networks."""

    def execute(self, name: str, argv: Sequence[str]) -> Execution:
        """Run a program in a container; raises Unasked where there is none on this node."""


def _nowhere() -> Door:
    raise Unasked("it is not known where FlowAuth is")


def _uncounted(service: str) -> int:
    raise Unasked(f"it is not known how many of {service} are asked for")


@dataclass(frozen=True, slots=True)
class World:
    """A deployment as its users meet it.

    The callables raise ServiceError for a service that is not there, and Unasked for one that cannot be asked here.
    """

    secret: Callable[[str], Sensitive | None]
    """A value of the vault, or None."""
    address: Callable[[str], Address]
    """Where a service's published port is, by the service's name."""
    flowmachine: Callable[[], FlowmachineClient]
    published: Callable[[str], Sequence[int]]
    """The ports that a service publishes."""
    our_flowapi: Callable[[], bool]
    """False for the official image, whose documentation page needs the internet."""
    flowmachine_port: int = 5555
    tell: Callable[[str], None] = lambda _: None
    """Is told what is waited for."""
    given_token: Sensitive | None = None
    """A token of the operator's, used in place of those signed with the vault's key."""
    door: Callable[[], Door] = _nowhere
    inside: Inside | None = None
    replicas: Callable[[str], int] = _uncounted
    """How many of a service are asked for."""
    etl_slots: int = 4
    """How many of FlowETL's tasks may work in FlowDB at once."""
    guests: Guests = field(default_factory=Guests)
    """FlowAuth's users of this verification; they stay until its context ends."""

    def needed(self, name: str) -> Sensitive:
        """A value of the vault without which there is nothing to ask."""
        value = self.secret(name)
        if value is None:
            raise Unasked(f"the vault holds no {name}")
        return value

    def flowdb(self, user: str, password: Sensitive) -> FlowdbClient:
        address = self.address("flowdb")
        return FlowdbClient(address.host, address.port, user, password)

    def redis(self, password: Sensitive | None) -> RedisClient:
        address = self.address("redis")
        return RedisClient(address.host, address.port, password)

    def airflow(self) -> AirflowClient:
        """Nobody has signed in yet; close it."""
        address = self.address("flowetl_webserver")
        return AirflowClient(http.Place(address.host, address.port))

    def flower(self, user: str, password: Sensitive) -> FlowerClient:
        address = self.address("flowetl_flower")
        return FlowerClient(http.Place(address.host, address.port), user, password)

    def flowapi_place(self) -> Place:
        """FlowAPI's address, and the name by which its certificate is to be asked for there."""
        from secrets_quickstart.material import certificates

        address = self.address("flowapi")
        pem = self.secret("cert-flowkit.pem")
        if pem is None:
            return Place(address.host, address.port)
        names = certificates.describe(pem).names
        hosts = [name for name in names if "*" not in name]
        name = next((name for name in PREFERRED if name in hosts), hosts[0] if hosts else address.host)
        return Place(address.host, address.port, name, pem.text())

    def flowapi(self, token: Sensitive | None = None) -> FlowapiClient:
        return FlowapiClient(self.flowapi_place(), token)

    def analyst(self, token: Sensitive) -> Analyst:
        return Analyst(self.flowapi_place(), token)


@dataclass(frozen=True, slots=True)
class Verification:
    """One row of the table: a name, the question, the component that it is about, and how it is asked."""

    name: str
    question: str
    component: str
    ask: Callable[[World], Outcome]
