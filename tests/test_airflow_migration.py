"""Dumping Airflow's database and putting a dump back, up to where PostgreSQL comes in; with it in `tests/swarm`."""

from contextlib import contextmanager

import pytest

from secrets_quickstart.catalog.databases import FLOWETL
from secrets_quickstart.checks.dump_note import DumpNote, note_path
from secrets_quickstart.errors import HostError, ServiceError, UsageError
from secrets_quickstart.operations import airflow_migration
from secrets_quickstart.operations.airflow_migration import CONTENT, IDENTIFIER, THERE, census
from secrets_quickstart.operations.postgresql import Whereabouts
from secrets_quickstart.settings import load
from tests.cluster_files import AIRFLOW_1, add_tables, make_cluster
from tests.fakes import FakeEngine

OLD = {"two": False, "dag_runs": 2, "connections": 1, "without_type": [], "not_alone": []}
TABLES = ["dag", "dag_run", "connection"]


class Database:
    """A dictionary that answers."""

    def __init__(self, content, tables):
        self.content, self.there = content, tables
        self.done = []
        self.fails = False

    def ask(self, query):
        return {THERE: self.there, CONTENT: self.content, IDENTIFIER: "7"}[query]

    def dump(self, path):
        self.done.append("dump")
        if self.fails:
            raise ServiceError("the disk is full")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a dump")

    def require_whole(self, path):
        self.done.append("read")

    def tables(self, path):
        return frozenset(path.read_text().split())

    def restore(self, path):
        self.done.append("restore")
        self.content = OLD


@pytest.fixture
def engine(monkeypatch, tmp_path):
    made = FakeEngine()
    made.volumes["s_flowetl_db_data"] = add_tables(make_cluster(tmp_path / "data"), AIRFLOW_1)
    monkeypatch.setattr(airflow_migration, "Engine", lambda _: made)
    return made


@pytest.fixture
def database(monkeypatch):
    made = Database(OLD, TABLES)

    @contextmanager
    def answering(_):
        yield made

    monkeypatch.setattr(Whereabouts, "answering", answering)
    return made


@pytest.fixture
def settings(tmp_path):
    return load(tmp_path, {"HOME": str(tmp_path), "FLOWKIT_STACK": "s", "FLOWKIT_IMAGES": "local"})


def dump(settings):
    return airflow_migration.dump(settings, None, lambda _: None)


def restore(settings, path):
    return airflow_migration.restore(settings, path, None, lambda _: None)


def noted(settings):
    return DumpNote.read(note_path(settings, FLOWETL))


def test_a_dump_is_noted_for_the_database_that_it_is_of(settings, engine, database):
    done = dump(settings)

    assert noted(settings) == DumpNote("7", done.dump)
    assert done.dump.read_text() == "a dump"
    assert done.document()["airflow"] == 1
    assert engine.writes == []


def test_a_dump_that_failed_is_not_noted(settings, engine, database):
    database.fails = True

    with pytest.raises(ServiceError):
        dump(settings)
    assert noted(settings) is None


def test_a_later_dump_is_the_one_that_is_noted(settings, engine, database):
    first, second = dump(settings).dump, dump(settings).dump

    assert noted(settings).dump == second
    assert first.exists()


def test_whoever_still_runs_airflow_is_told_that_the_dump_will_be_old(settings, engine, database):
    assert "it runs" not in " ".join(dump(settings).next)
    engine.add_service("s", "flowetl_scheduler")
    assert "it runs" in " ".join(dump(settings).next)


def test_what_airflow_2_refuses_is_told(database):
    database.content = {**OLD, "without_type": ["a", "b"], "not_alone": ["c"]}

    one, other = census(database).hindrances
    assert "a, b" in one
    assert "UPDATE connection" in one
    assert "several c" in other


def test_a_database_without_airflow_is_of_none(settings, engine, database):
    database.there = ["dag_run"]

    assert census(database).version == 0
    assert dump(settings).document()["airflow"] is None


@pytest.mark.parametrize("spoil", ["no volume", "no database", "another PostgreSQL"])
def test_where_postgresql_could_not_start_nothing_is(settings, engine, database, spoil):
    directory = engine.volumes["s_flowetl_db_data"]
    if spoil == "no volume":
        engine.volumes.clear()
    elif spoil == "no database":
        (directory / "PG_VERSION").unlink()
    else:
        (directory / "PG_VERSION").write_text("11\n")

    with pytest.raises(HostError) as caught:
        dump(settings)
    assert ("postgres:11" in caught.value.fix) == (spoil == "another PostgreSQL")
    assert database.done == []


def test_airflow_goes_before_the_dump_is_put_back_and_what_was_there_is_dumped(settings, engine, database, tmp_path):
    for name in ("flowetl_db", "flowetl_redis", "flowetl_scheduler", "flowetl_worker", "flowdb"):
        engine.add_service("s", name)
    database.content = {**OLD, "two": True}
    file = tmp_path / "old.dump"
    file.write_text("dag dag_run connection")

    done = restore(settings, file)

    assert engine.writes == ["remove service s_flowetl_scheduler", "remove service s_flowetl_worker"]
    assert database.done == ["read", "dump", "restore"]
    assert done.found.version == 2
    assert noted(settings) == DumpNote("7", file)


def test_nothing_happens_for_a_file_that_is_no_dump_of_airflow(settings, engine, database, tmp_path):
    with pytest.raises(UsageError):
        restore(settings, tmp_path / "none")
    file = tmp_path / "other.dump"
    file.write_text("user server")
    with pytest.raises(ServiceError, match="no dump of Airflow's"):
        restore(settings, file)
    assert database.done == ["read"]
    assert engine.writes == []
