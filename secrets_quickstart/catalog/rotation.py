"""The table of rotation: who besides its readers has to learn a secret's new value, and what people have to do then.

A secret that is not here can be given a new value by deploying it alone, or is none that we make.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrets_quickstart.catalog.databases import FLOWAUTH, FLOWDB, FLOWETL, Database


@dataclass(frozen=True, slots=True)
class Role:
    """A role of a database keeps the password: it is told before the secret's readers are."""

    secret: str
    database: Database
    name: str
    """The role; `{NAME}` is a variable's value."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a service keeps is encrypted with the key: both are known to it until all is encrypted with the new one."""

    secret: str
    component: str
    service: str = ""
    """Where `command` is run when everybody knows both keys; "" for one that does it when it starts."""
    command: tuple[str, ...] = ()
    local_only: str = ""
    """Why the official image cannot, "" if it can."""


ROLES = (
    Role("FLOWDB_POSTGRES_PASSWORD", FLOWDB, "flowdb"),
    Role("FLOWMACHINE_FLOWDB_PASSWORD", FLOWDB, "{FLOWMACHINE_FLOWDB_USER}"),
    Role("FLOWAPI_FLOWDB_PASSWORD", FLOWDB, "{FLOWAPI_FLOWDB_USER}"),
    Role("FLOWAUTH_DB_PASSWORD", FLOWAUTH, "flowauth"),
    Role("FLOWETL_POSTGRES_PASSWORD", FLOWETL, "flowetl"),
)

SEALINGS = (
    Sealing("AIRFLOW__CORE__FERNET_KEY", "flowetl", "flowetl_scheduler", ("airflow", "rotate-fernet-key")),
    Sealing(
        "FLOWAUTH_FERNET_KEY",
        "flowauth",
        local_only="the official FlowAuth knows one key at a time, and would lose every token and two-factor secret",
    ),
)

AFTERWARDS = {
    "PRIVATE_JWT_SIGNING_KEY": "every token made so far is void: users make new ones in FlowAuth; a FlowAPI "
    "elsewhere is given the new verification key: invoke secrets.export-public DIR",
    "SECRET_KEY": "everybody who was signed in at FlowAuth signs in again",
    "AIRFLOW__WEBSERVER__SECRET_KEY": "everybody who was signed in at Airflow signs in again",
    "FLOWAUTH_ADMIN_PASSWORD": "FlowAuth's admin signs in with: invoke secrets.show FLOWAUTH_ADMIN_PASSWORD",
    "FLOWETL_AIRFLOW_ADMIN_PASSWORD": "Airflow's: invoke secrets.show FLOWETL_AIRFLOW_ADMIN_PASSWORD",
    "FLOWETL_CELERY_PASSWORD": "Flower's: invoke secrets.show FLOWETL_CELERY_PASSWORD",
    "FLOWDB_POSTGRES_PASSWORD": "whoever connects to FlowDB as flowdb needs the new password",
    "REDIS_PASSWORD": "whoever uses FlowMachine as a library needs the new redis password",
    "ca-key-flowkit.pem": "clients have to be given the new authority: invoke secrets.export-public DIR",
}
"""What people are told, by secret."""

ROLE_OF = {row.secret: row for row in ROLES}
SEALING_OF = {row.secret: row for row in SEALINGS}
