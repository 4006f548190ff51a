"""A stack with a vault, and an Airflow and a FlowDB in memory; no test is here."""

from __future__ import annotations

from datetime import UTC, date, datetime

from secrets_quickstart.checks import verification_places
from secrets_quickstart.checks.verification_world import Address, World
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.operations import etl_days, etl_following
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.tasks import etl as tasks
from secrets_quickstart.vault import Origin, Vault, key_of
from tests import airflow_in_memory as fake

DAY = date(2016, 1, 1)
WHEN = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


class Flowdb:
    """What the tables of the schema `etl` hold, as the commands ask for it."""

    def __init__(self):
        self.records = {}
        self.checks = {}

    def load(self, cdr_type, day, rows=500, state="ingested"):
        self.records[cdr_type, day] = state
        if state == "ingested":
            self.checks[cdr_type, day] = {"count_added_rows": str(rows), "count_duplicates": "0"}

    def query(self, statement, parameters=None):
        if statement == etl_days.RECORDS:
            return [(*key, state, WHEN) for key, state in sorted(self.records.items())]
        assert statement == etl_days.OUTCOMES
        first, last = parameters
        return [
            (cdr_type, day, check, outcome)
            for (cdr_type, day), found in sorted(self.checks.items())
            if first <= day <= last
            for check, outcome in found.items()
        ]


class Stack:
    """`flowdb` gets a day when Airflow's run of it succeeds."""

    def __init__(self, folder, port, airflow, monkeypatch):
        self.airflow, self.flowdb = airflow, Flowdb()
        self.port = port
        self.is_deployed = True
        self.settings = load(folder, {"HOME": str(folder), "FLOWKIT_STACK": "s"})
        vault = Vault.open_or_create(self.settings.vault_path, key_of(self.settings))
        for name, value in {
            "FLOWETL_AIRFLOW_ADMIN_USERNAME": fake.ADMIN,
            "FLOWETL_AIRFLOW_ADMIN_PASSWORD": fake.PASSWORD,
            "FLOWDB_POSTGRES_PASSWORD": "of FlowDB",
        }.items():
            vault.put(name, Sensitive(value), Origin.GENERATED)
        self.vault = vault
        monkeypatch.setattr(verification_places, "world", lambda *_: self.world())
        monkeypatch.setattr(World, "flowdb", lambda _, user, password: self._flowdb(user, password))
        monkeypatch.setattr(tasks, "settings", lambda: self.settings)
        monkeypatch.setattr(etl_following, "EVERY", 0.01)

    def world(self):
        def nowhere(*_):
            raise AssertionError

        return World(
            secret=lambda name: self.vault.value(name) if name in self.vault else None,
            address=self._address,
            flowmachine=nowhere,
            published=nowhere,
            our_flowapi=nowhere,
        )

    def loads(self, rows=500, **tasks):
        """Let runs end when they are looked at, with these states of their tasks."""
        self.airflow.ends(**tasks)
        play = self.airflow.play

        def loading(run):
            play(run)
            own = self.airflow.tasks[run["dag_id"], run["dag_run_id"]]
            if own.get("update_records") == "success":
                day = datetime.fromisoformat(run["logical_date"]).date()
                self.flowdb.load(self.airflow.dags[run["dag_id"]]["cdr_type"], day, rows)

        self.airflow.play = loading

    def _flowdb(self, user, password):
        assert (user, password.text()) == ("flowdb", "of FlowDB")
        return self.flowdb

    def _address(self, service):
        if not self.is_deployed:
            raise ServiceError(f"there is no service {service} in the stack s", fix="deploy it")
        assert service == "flowetl_webserver"
        return Address("127.0.0.1", self.port)
