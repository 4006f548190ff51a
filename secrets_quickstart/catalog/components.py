"""The table of components and their services; not how they are deployed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Login:
    """Who may sign in where a service is found."""

    user: str
    """The variable that holds their name."""
    password: str
    """A row of `secrets`."""
    by_quickstart: bool = False
    """True for a person whom only quickstart makes."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a stack file."""

    name: str
    """As in the stack file, and as the other services look it up."""
    image: str
    """A row of `images`."""
    needs: tuple[str, ...] = ()
    """Services without which it cannot come up or end well: it may fail as long as they are not healthy."""
    runs_once: bool = False
    """True for a job that ends when it is done."""
    ports: tuple[str, ...] = ()
    """The variables that hold its published ports."""
    address: str = ""
    """Where people find it, with `{port}` for the first of them."""
    known_as: str = ""
    """What they find there, where that is not the service itself."""
    logins: tuple[Login, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """One stack file of `compose/`."""

    name: str
    title: str
    services: tuple[Service, ...]
    requires: tuple[str, ...] = ()
    """Components that must run for this one to be of use."""

    @property
    def stack_file(self) -> str:
        return f"{self.name}.yml"


COMPONENTS = (
    Component(
        "flowdb",
        "FlowDB",
        (
            Service(
                "flowdb",
                "flowdb",
                ports=("FLOWDB_HOST_PORT",),
                address="postgresql://flowdb@localhost:{port}/flowdb",
            ),
        ),
    ),
    Component(
        "flowmachine",
        "FlowMachine, its cache cleaner and redis",
        (
            Service("redis", "redis", ports=("REDIS_HOST_PORT",), address="redis://localhost:{port}"),
            Service("flowmachine", "flowmachine", needs=("flowdb", "redis")),
            Service("cache_cleaner", "flowmachine", needs=("flowdb", "redis")),
        ),
        requires=("flowdb",),
    ),
    Component(
        "flowapi",
        "FlowAPI",
        (
            Service(
                "flowapi",
                "flowapi",
                needs=("flowdb", "flowmachine"),
                ports=("FLOWAPI_HOST_PORT",),
                address="https://flowkit.api:{port}",
            ),
        ),
        requires=("flowdb", "flowmachine"),
    ),
    Component(
        "flowetl",
        "FlowETL (Airflow)",
        (
            Service("flowetl_db", "postgres"),
            Service("flowetl_redis", "redis"),
            Service("flowetl_init", "flowetl", needs=("flowetl_db",), runs_once=True),
            Service("flowetl_scheduler", "flowetl", needs=("flowetl_init", "flowetl_redis")),
            Service(
                "flowetl_webserver",
                "flowetl",
                needs=("flowetl_init",),
                ports=("FLOWETL_HOST_PORT",),
                address="http://localhost:{port}",
                known_as="flowetl",
                logins=(Login("FLOWETL_AIRFLOW_ADMIN_USERNAME", "FLOWETL_AIRFLOW_ADMIN_PASSWORD"),),
            ),
            Service("flowetl_worker", "flowetl", needs=("flowdb", "flowetl_init", "flowetl_redis")),
            Service("flowetl_triggerer", "flowetl", needs=("flowetl_init",)),
            Service(
                "flowetl_flower",
                "flowetl",
                needs=("flowetl_redis",),
                ports=("FLOWETL_CELERY_PORT",),
                address="http://localhost:{port}",
                known_as="flowetl workers",
                logins=(Login("FLOWETL_CELERY_USER", "FLOWETL_CELERY_PASSWORD"),),
            ),
            Service("flowetl_log_cleaner", "redis"),
        ),
        requires=("flowdb",),
    ),
    Component(
        "flowauth",
        "FlowAuth",
        (
            Service("flowauth_postgres", "postgres"),
            Service("flowauth_redis", "redis"),
            Service(
                "flowauth",
                "flowauth",
                needs=("flowauth_postgres", "flowauth_redis"),
            ),
        ),
    ),
    Component(
        "letsencrypt",
        "FlowAuth's TLS edge",
        (
            Service(
                "edge",
                "edge",
                needs=("flowauth",),
                ports=("FLOWAUTH_HOST_PORT", "EDGE_HTTP_PORT"),
                address="https://{DOMAIN_NAME}:{port}",
                known_as="flowauth",
                logins=(
                    Login("FLOWAUTH_ADMIN_USER", "FLOWAUTH_ADMIN_PASSWORD"),
                    Login("FLOWAUTH_ANALYST_USER", "FLOWAUTH_ANALYST_PASSWORD", by_quickstart=True),
                ),
            ),
        ),
        requires=("flowauth",),
    ),
)

BY_NAME = {component.name: component for component in COMPONENTS}
SERVICES = {service.name: service for component in COMPONENTS for service in component.services}
NEEDS = {name: service.needs for name, service in SERVICES.items()}
