"""A database's data and the vault belong together, or nothing starts."""

import struct

import pytest

from secrets_quickstart.catalog.databases import FLOWDB
from secrets_quickstart.catalog.secrets import DATABASE_PASSWORDS
from secrets_quickstart.checks.data import Place
from secrets_quickstart.errors import HostError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.vault import Origin, Vault
from tests.database_places import carry_out, database, step
from tests.fakes import FakeEngine


@pytest.fixture
def place(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    return Place(FLOWDB, directory, "s_flowdb_data")


@pytest.fixture
def vault():
    return Vault.in_memory()


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
