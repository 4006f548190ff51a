"""The table of databases: where each one's data is, and which secrets it depends on; not how it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from secrets_quickstart.catalog.secrets import DATABASE_PASSWORDS


@dataclass(frozen=True, slots=True)
class Database:
    """One PostgreSQL that a component brings with it."""

    name: str
    """How vaults know it: changing it would make them strangers to their own data."""
    title: str
    """Who starts on its data, as people know it."""
    component: str
    service: str
    volume: str
    """As in the stack file."""
    passwords: tuple[str, ...]
    """What its roles were made with: it keeps them, whatever a vault says later."""
    keys: tuple[str, ...] = ()
    """What it holds values encrypted with."""
    directory: str = ""
    """The variable that names a directory to be used in place of the volume."""
    address: str = ""
    """The variable whose URI may lead to another host than the service: that one's data is not in our care."""
    taken_over_with: str = ""
    """The command that a database from elsewhere goes through before anything is started on it."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Without all of which it is of no use."""
        return (*self.passwords, *self.keys)


FLOWDB = Database(
    "flowdb",
    "FlowDB",
    "flowdb",
    service="flowdb",
    volume="flowdb_data",
    passwords=DATABASE_PASSWORDS,
    directory="FLOWDB_DATA_DIR",
)
FLOWAUTH = Database(
    "flowauth_postgres",
    "FlowAuth's database",
    "flowauth",
    service="flowauth_postgres",
    volume="flowauth_postgres_data",
    passwords=("FLOWAUTH_DB_PASSWORD",),
    keys=("FLOWAUTH_FERNET_KEY",),
    address="DB_URI",
    taken_over_with="invoke flowauth.migrate",
)
FLOWETL = Database(
    "flowetl_db",
    "Airflow's database",
    "flowetl",
    service="flowetl_db",
    volume="flowetl_db_data",
    passwords=("FLOWETL_POSTGRES_PASSWORD",),
    keys=("AIRFLOW__CORE__FERNET_KEY",),
)

DATABASES = (FLOWDB, FLOWAUTH, FLOWETL)
