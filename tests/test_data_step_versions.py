"""Data that an older Airflow or another PostgreSQL made: started on once it was dumped, or not at all."""

import docker.errors
import pytest

from secrets_quickstart.catalog.databases import DATABASES, FLOWETL
from secrets_quickstart.checks.data import Content, look, places
from secrets_quickstart.checks.dump_note import DumpNote
from secrets_quickstart.errors import HostError, QuickstartError
from secrets_quickstart.settings import load
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.containers import Execution
from secrets_quickstart.vault import Vault
from tests.cluster_files import AIRFLOW_1, AIRFLOW_2, add_tables, make_cluster
from tests.database_places import carry_out, give, step
from tests.fakes import FakeApi, FakeEngine


@pytest.fixture
def vault():
    return Vault.in_memory()


@pytest.fixture
def airflow(tmp_path):
    engine = FakeEngine()
    engine.volumes["s_flowetl_db_data"] = make_cluster(tmp_path / "airflow")
    [place] = places(load(tmp_path, {"FLOWKIT_STACK": "s", "FLOWKIT_IMAGES": "local"}), ("flowetl",))
    return place, engine


def note_dump(place, identifier="7"):
    DumpNote(identifier, place.note.with_name("airflow.dump")).write(place.note)


def ran_by(monkeypatch, engine, answer):
    """A container that has the volume, and what is said there."""
    asked = []
    engine.containers = [{"Names": ["/s_flowetl_db.1.x"]}]

    def execute(_engine, container, argv, **_options):
        asked.append(container)
        return Execution(0, f"{answer}\n", "") if answer is not None else Execution(2, "", "no psql here")

    monkeypatch.setattr(containers, "execute", execute)
    return asked


@pytest.mark.parametrize("known", ["nothing", "claimed", "imported"])
def test_tables_of_airflow_1_are_not_started_on_before_they_were_dumped(vault, airflow, known):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_1)
    if known == "claimed":  # by an older FlowKit that this vault deployed
        vault.claim(place.identity, {"identifier": "7"})
    if known == "imported":
        give(vault, *FLOWETL.secrets)

    with pytest.raises(HostError, match=r"Airflow 1, .* and no dump of it was taken") as caught:
        carry_out(step(vault, place, engine=engine))
    assert "strongly recommends a backup" in caught.value.why
    assert caught.value.fix.startswith("invoke etl.dump-airflow")


def test_once_dumped_it_is_taken_on_with_its_secrets(vault, airflow):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_1)
    note_dump(place)

    with pytest.raises(HostError, match="does not know"):
        carry_out(step(vault, place, engine=engine))
    give(vault, *FLOWETL.secrets)
    assert len(carry_out(step(vault, place, engine=engine))) == 1


def test_the_dump_of_another_database_does_not_count(vault, airflow):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_1)
    note_dump(place, "8")

    with pytest.raises(HostError, match="no dump"):
        carry_out(step(vault, place, engine=engine))


def test_a_note_that_cannot_be_made_out_does_not_count(vault, airflow):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_1)
    note_dump(place)
    place.note.write_text("{")

    assert not look(engine, place, vault).dumped


def test_tables_of_airflow_2_are_started_on(vault, airflow):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_2)
    vault.claim(place.identity, {"identifier": "7"})

    assert carry_out(step(vault, place, engine=engine)) == ()


def test_an_airflow_2_from_elsewhere_is_dumped_too_before_it_is_taken_on(vault, airflow):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_2)
    give(vault, *FLOWETL.secrets)

    with pytest.raises(HostError, match="there is no dump") as caught:
        carry_out(step(vault, place, engine=engine))
    assert "invoke etl.dump-airflow" in caught.value.fix
    note_dump(place)
    assert len(carry_out(step(vault, place, engine=engine))) == 1


def test_the_server_that_runs_on_the_files_has_the_last_word(vault, airflow, monkeypatch):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_1)
    ran_by(monkeypatch, engine, "false")
    assert not look(engine, place, vault).outdated
    ran_by(monkeypatch, engine, "true")
    assert look(engine, place, vault).outdated
    ran_by(monkeypatch, engine, None)
    assert look(engine, place, vault).outdated


def test_a_server_on_tables_of_today_is_not_bothered(vault, airflow, monkeypatch):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_2)
    asked = ran_by(monkeypatch, engine, "false")

    assert not look(engine, place, vault).outdated
    assert asked == []


def test_what_may_not_be_looked_at_is_asked_of_the_server_that_runs_on_it(vault, airflow, monkeypatch):
    place, engine = airflow
    monkeypatch.setattr(type(engine.volumes[place.volume]), "iterdir", refused)
    assert look(engine, place, vault).content is Content.HIDDEN
    assert not look(engine, place, vault).outdated
    ran_by(monkeypatch, engine, "true")
    with pytest.raises(HostError, match="Airflow 1"):
        carry_out(step(vault, place, engine=engine))
    note_dump(place)
    carry_out(step(vault, place, engine=engine))


def refused(_path):
    raise PermissionError


def test_a_volume_that_cannot_be_asked_about_is_an_error_of_the_engine(vault, airflow, monkeypatch):
    place, engine = airflow

    def fails(*_):
        raise docker.errors.APIError("down")

    monkeypatch.setattr(FakeApi, "inspect_volume", fails)
    with pytest.raises(QuickstartError, match="cannot be looked at"):
        look(engine, place, vault)


@pytest.mark.parametrize("database_row", DATABASES, ids=lambda row: row.name)
def test_data_of_another_postgresql_is_refused_though_it_is_known(vault, tmp_path, database_row):
    directory = make_cluster(tmp_path / "old", major="11")
    variables = {"FLOWKIT_STACK": "s", "FLOWKIT_IMAGES": "local"}
    if database_row.directory:
        variables[database_row.directory] = str(directory)
    engine = FakeEngine()
    engine.volumes[f"s_{database_row.volume}"] = directory
    [place] = places(load(tmp_path, variables), (database_row.component,))
    vault.claim(place.identity, {"identifier": "7"})

    with pytest.raises(HostError, match=r"holds a database of PostgreSQL 11, and .* is 15") as caught:
        carry_out(step(vault, place, engine=engine))
    assert "pg_dump" in caught.value.fix
    if database_row.owner:
        assert f"--volume s_{database_row.volume}:/var/lib/postgresql/data postgres:11;" in caught.value.fix
        assert database_row.guide in caught.value.fix


def test_an_airflow_1_of_another_postgresql_is_called_by_its_name(vault, airflow):
    place, engine = airflow
    add_tables(engine.volumes[place.volume], AIRFLOW_1)
    (engine.volumes[place.volume] / "PG_VERSION").write_text("11\n")

    with pytest.raises(HostError, match="PostgreSQL 11, of an Airflow 1"):
        carry_out(step(vault, place, engine=engine))


@pytest.mark.parametrize(
    ("images", "tag", "major"),
    [("local", "11", "15"), ("official", "11-bookworm", "11"), ("auto", "15.4", "15"), ("official", "latest", "")],
)
def test_the_official_postgres_has_the_version_of_its_tag(tmp_path, images, tag, major):
    chosen = load(tmp_path, {"FLOWKIT_IMAGES": images, "POSTGRES_TAG": tag})

    assert {place.postgresql for place in places(chosen, ("flowauth", "flowetl"))} == {major}
    assert [place.postgresql for place in places(chosen, ("flowdb",))] == ["15"]


def test_with_the_postgres_that_made_them_old_files_are_started_on(vault, tmp_path, airflow):
    _, engine = airflow
    (engine.volumes["s_flowetl_db_data"] / "PG_VERSION").write_text("11\n")
    variables = {"FLOWKIT_STACK": "s", "FLOWKIT_IMAGES": "official", "POSTGRES_TAG": "11"}
    [place] = places(load(tmp_path, variables), ("flowetl",))
    vault.claim(place.identity, {"identifier": "7"})

    assert carry_out(step(vault, place, engine=engine)) == ()
