"""This stack's Airflow, with its admin signed in, and the FlowDB that it loads; what is asked there is in `etl_*`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from secrets_quickstart.checks import verification_flowetl, verification_places
from secrets_quickstart.checks.verification_flowdb import OWNER
from secrets_quickstart.checks.verification_world import Unasked
from secrets_quickstart.clients.airflow import AirflowClient
from secrets_quickstart.clients.flowdb import FlowdbClient
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of


@dataclass(frozen=True, slots=True)
class Session:
    """Both, as long as the context lasts."""

    airflow: AirflowClient
    flowdb: FlowdbClient


@contextmanager
def etl_session(settings: Settings) -> Iterator[Session]:
    """Raises Refused, and ServiceError when one of them is not there or cannot be asked from here."""
    vault = Vault.open(settings.vault_path, key_of(settings))
    world = verification_places.world(settings, Engine(settings.base_environment), vault)
    try:
        flowdb = world.flowdb(OWNER.name(world), world.needed(OWNER.password))
        airflow = verification_flowetl.signed_in(world)
    except Unasked as reason:
        raise ServiceError(
            "FlowETL cannot be asked", why=str(reason), fix="run this where FlowETL was deployed from"
        ) from None
    with airflow:
        yield Session(airflow, flowdb)
