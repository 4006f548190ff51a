"""The table of databases: where each one's data is, and which secrets it depends on; not how it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from secrets_quickstart.catalog.secrets import DATABASE_PASSWORDS

POSTGRESQL = "15"
"""The major version of all local images, and of the official FlowDB."""


@dataclass(frozen=True, slots=True)
class Older:
    """How the tables of a version that only a dump leads back to are told from today's."""

    title: str
    """Whose tables they are."""
    table: str
    """One that there has been since the first version."""
    column: str
    """Its column that only today's have."""
    upgrade: str
    """What becomes of them, and what FlowKit's documentation says about that."""


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
    """The command that a database from elsewhere goes through before anything is started on it: it takes a dump."""
    owner: str = ""
    """The role and the database that the stack file has made in the postgres image; "" for an image of its own."""
    guide: str = ""
    """The document that says how a dump of it is brought in."""
    older: Older | None = None

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
    owner="flowauth",
    guide="docs/flowauth-migration.md",
)
FLOWETL = Database(
    "flowetl_db",
    "Airflow's database",
    "flowetl",
    service="flowetl_db",
    volume="flowetl_db_data",
    passwords=("FLOWETL_POSTGRES_PASSWORD",),
    keys=("AIRFLOW__CORE__FERNET_KEY",),
    taken_over_with="invoke etl.dump-airflow",
    owner="flowetl",
    guide="docs/airflow-migration.md",
    older=Older(
        "Airflow 1, which FlowKit had up to 1.16",
        table="dag_run",
        column="run_type",
        upgrade="Airflow 2 changes its tables for good, so FlowKit strongly recommends a backup first",
    ),
)

DATABASES = (FLOWDB, FLOWAUTH, FLOWETL)
