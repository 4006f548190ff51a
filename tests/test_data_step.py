"""A database's data and the vault belong together, or nothing starts."""

import struct

import docker.errors
import pytest

from secrets_quickstart.catalog.databases import DATABASES, FLOWAUTH, FLOWDB, FLOWETL
from secrets_quickstart.catalog.secrets import DATABASE_PASSWORDS
from secrets_quickstart.checks.data import Content, Place, look, places
from secrets_quickstart.checks.dump_note import DumpNote
from secrets_quickstart.errors import HostError, QuickstartError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.steps.data import DataStep
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.containers import Execution
from secrets_quickstart.vault import Origin, Vault
from tests.cluster_files import AIRFLOW_1, AIRFLOW_2, add_tables, make_cluster
from tests.fakes import FakeApi, FakeEngine


def database(directory, identifier=7):
    (directory / "global").mkdir(parents=True)
    (directory / "PG_VERSION").write_text("15\n")
    (directory / "global" / "pg_control").write_bytes(struct.pack("<Q", identifier) + b"rest")


@pytest.fixture
def place(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    return Place(FLOWDB, directory, "s_flowdb_data")


@pytest.fixture
def vault():
    return Vault.in_memory()


def step(vault, place, *, sample=False, start_empty=False, engine=None):
    return DataStep(engine or FakeEngine(), vault, [place], sample=sample, start_empty=start_empty)


def carry_out(made):
    plan = made.plan(made.look())
    made.act(plan.actions)
    return plan.actions


def test_an_empty_directory_is_claimed_before_anything_starts(vault, place):
    assert len(carry_out(step(vault, place))) == 1
    assert carry_out(step(vault, place)) == ()


def test_the_database_that_comes_up_is_noted_once(vault, place):
    carry_out(step(vault, place))
    database(place.directory)

    assert len(carry_out(step(vault, place))) == 1
    assert carry_out(step(vault, place)) == ()
    assert vault.claims[place.identity]["identifier"] == "7"


def test_a_database_that_this_vault_does_not_know_is_refused(vault, place):
    database(place.directory)

    with pytest.raises(HostError, match="does not know"):
        carry_out(step(vault, place))


def test_a_database_whose_passwords_were_imported_is_taken_on(vault, place):
    database(place.directory)
    for name in DATABASE_PASSWORDS:
        vault.put(name, Sensitive("x"), Origin.IMPORTED)

    assert len(carry_out(step(vault, place))) == 1


def test_one_imported_password_is_not_enough(vault, place):
    database(place.directory)
    vault.put(DATABASE_PASSWORDS[0], Sensitive("x"), Origin.IMPORTED)

    with pytest.raises(HostError):
        carry_out(step(vault, place))


def test_another_database_in_the_same_place_is_refused(vault, place):
    carry_out(step(vault, place))
    database(place.directory)
    carry_out(step(vault, place))
    (place.directory / "global" / "pg_control").write_bytes(struct.pack("<Q", 8))

    with pytest.raises(HostError, match="another database"):
        carry_out(step(vault, place))


def test_a_directory_that_has_become_empty_is_refused_until_it_is_said_that_the_data_is_gone(vault, place):
    vault.claim(place.identity, {"identifier": "7"})

    with pytest.raises(HostError, match="is empty") as caught:
        carry_out(step(vault, place))
    assert "--start-empty" in caught.value.fix
    assert len(carry_out(step(vault, place, start_empty=True))) == 1
    assert carry_out(step(vault, place)) == ()


def test_files_that_are_no_database_are_refused(vault, place):
    (place.directory / "thesis.doc").write_text("x")

    with pytest.raises(HostError, match="no database"):
        carry_out(step(vault, place))


def test_an_unfinished_first_start_goes_on(vault, place):
    carry_out(step(vault, place))
    (place.directory / ".flowdb-unfinished").mkdir()

    assert carry_out(step(vault, place)) == ()


def test_an_empty_disk_with_lost_and_found_is_empty(vault, place):
    (place.directory / "lost+found").mkdir()

    assert len(carry_out(step(vault, place))) == 1


def test_a_volume_is_looked_at_like_a_directory(vault, tmp_path):
    engine = FakeEngine()
    place = Place(FLOWDB, None, "s_flowdb_data")
    carry_out(step(vault, place, engine=engine))
    engine.volumes["s_flowdb_data"] = tmp_path / "volume"
    database(tmp_path / "volume")

    assert len(carry_out(step(vault, place, engine=engine))) == 1
    assert vault.claims[place.identity]["identifier"] == "7"


def test_made_up_records_are_decided_when_the_database_is_made_and_stay_decided(vault, place):
    carry_out(step(vault, place, sample=True))

    assert step(vault, place, sample=False).sample_data is True
    database(place.directory)
    carry_out(step(vault, place, sample=False))
    assert step(vault, place, sample=False).sample_data is True


def test_a_database_taken_on_from_elsewhere_has_no_made_up_records(vault, place):
    database(place.directory)
    for name in DATABASE_PASSWORDS:
        vault.put(name, Sensitive("x"), Origin.IMPORTED)
    carry_out(step(vault, place, sample=True))

    assert step(vault, place, sample=True).sample_data is False


@pytest.fixture
def flowauth(tmp_path):
    """FlowAuth's volume, and the engine that has it."""
    engine = FakeEngine()
    engine.volumes["s_flowauth_postgres_data"] = tmp_path / "volume"
    (tmp_path / "volume").mkdir()
    return Place(FLOWAUTH, None, "s_flowauth_postgres_data"), engine


def give(vault, *names):
    for name in names:
        vault.put(name, Sensitive("x"), Origin.IMPORTED)


def test_the_names_by_which_vaults_know_data_never_change(tmp_path):
    found = places(load(tmp_path, {"FLOWDB_DATA_DIR": "/srv/data", "FLOWKIT_STACK": "s"}), ("flowdb", "flowauth"))

    assert [place.identity for place in found] == [
        "flowdb in directory /srv/data",
        "flowauth_postgres in volume s_flowauth_postgres_data",
    ]
    assert Place(FLOWDB, None, "s_flowdb_data").identity == "flowdb in volume s_flowdb_data"
    assert [database.name for database in DATABASES] == ["flowdb", "flowauth_postgres", "flowetl_db"]


def test_only_databases_of_the_components_that_are_deployed_are_looked_at(tmp_path):
    assert [place.database for place in places(load(tmp_path, {}), ("flowauth", "letsencrypt"))] == [FLOWAUTH]
    assert places(load(tmp_path, {}), ("flowapi",)) == ()


def test_a_flowauth_whose_database_is_elsewhere_is_not_asked_about_its_volume(tmp_path):
    chosen = load(tmp_path, {"DB_URI": "postgresql://flowauth:{}@db.example.org:5432/flowauth"})

    assert places(chosen, ("flowauth",)) == ()


def test_flowauths_database_is_claimed_and_noted_like_flowdbs(vault, flowauth):
    place, engine = flowauth

    assert len(carry_out(step(vault, place, engine=engine, sample=True))) == 1
    database(engine.volumes[place.volume])
    assert len(carry_out(step(vault, place, engine=engine, sample=True))) == 1
    assert carry_out(step(vault, place, engine=engine, sample=True)) == ()
    assert vault.claims[place.identity] == {"identifier": "7", "sample": False}


def test_a_flowauth_database_that_this_vault_does_not_know_is_refused(vault, flowauth):
    place, engine = flowauth
    database(engine.volumes[place.volume])

    with pytest.raises(HostError, match="does not know") as caught:
        carry_out(step(vault, place, engine=engine))
    assert "import FLOWAUTH_DB_PASSWORD and FLOWAUTH_FERNET_KEY" in caught.value.fix


def test_without_the_key_that_its_rows_are_encrypted_with_it_is_still_unknown(vault, flowauth):
    place, engine = flowauth
    database(engine.volumes[place.volume])
    give(vault, "FLOWAUTH_DB_PASSWORD")

    with pytest.raises(HostError, match="does not know"):
        carry_out(step(vault, place, engine=engine))


def test_a_flowauth_database_from_elsewhere_is_not_started_before_it_was_dumped(vault, flowauth):
    place, engine = flowauth
    database(engine.volumes[place.volume])
    give(vault, *FLOWAUTH.secrets)

    with pytest.raises(HostError, match="no dump") as caught:
        carry_out(step(vault, place, engine=engine))
    assert "invoke flowauth.migrate" in caught.value.fix


def test_another_flowauth_database_in_the_same_volume_is_refused(vault, flowauth):
    place, engine = flowauth
    vault.claim(place.identity, {"identifier": "8"})
    database(engine.volumes[place.volume])

    with pytest.raises(HostError, match="another database"):
        carry_out(step(vault, place, engine=engine))


def test_a_flowauth_database_that_has_vanished_is_refused_until_it_is_said_that_it_is_gone(vault, flowauth):
    place, engine = flowauth
    vault.claim(place.identity, {"identifier": "7"})
    del engine.volumes[place.volume]

    with pytest.raises(HostError, match="is empty"):
        carry_out(step(vault, place, engine=engine))
    assert len(carry_out(step(vault, place, engine=engine, start_empty=True))) == 1


def test_files_in_flowauths_volume_that_are_no_database_are_refused(vault, flowauth):
    place, engine = flowauth
    (engine.volumes[place.volume] / "thesis.doc").write_text("x")

    with pytest.raises(HostError, match="no database") as caught:
        carry_out(step(vault, place, engine=engine))
    assert "FLOWKIT_STACK" in caught.value.fix


def test_when_one_database_is_refused_nothing_is_noted_of_the_others(vault, place, flowauth):
    other, engine = flowauth
    database(engine.volumes[other.volume])

    with pytest.raises(HostError, match="does not know"):
        carry_out(DataStep(engine, vault, [place, other], sample=False, start_empty=False))
    assert vault.claims == {}


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
