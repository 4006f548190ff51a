"""FlowAuth's database and the vault belong together, or nothing starts."""

import pytest

from secrets_quickstart.catalog.databases import DATABASES, FLOWAUTH, FLOWDB
from secrets_quickstart.checks.data import Place, places
from secrets_quickstart.errors import HostError
from secrets_quickstart.settings import load
from secrets_quickstart.steps.data import DataStep
from secrets_quickstart.vault import Vault
from tests.database_places import carry_out, database, give, step
from tests.fakes import FakeEngine


@pytest.fixture
def vault():
    return Vault.in_memory()


@pytest.fixture
def place(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    return Place(FLOWDB, directory, "s_flowdb_data")


@pytest.fixture
def flowauth(tmp_path):
    """FlowAuth's volume, and the engine that has it."""
    engine = FakeEngine()
    engine.volumes["s_flowauth_postgres_data"] = tmp_path / "volume"
    (tmp_path / "volume").mkdir()
    return Place(FLOWAUTH, None, "s_flowauth_postgres_data"), engine


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
