"""What is told of a PostgreSQL data directory without a server; of real ones in `tests/swarm`."""

from __future__ import annotations

import struct

import pytest

from secrets_quickstart.host import database_files
from secrets_quickstart.host.database_files import lacks_column
from tests.cluster_files import AIRFLOW_1, AIRFLOW_2, add_tables, make_cluster


@pytest.fixture
def directory(tmp_path):
    return make_cluster(tmp_path / "data", identifier=7_000_000_000_000_000_001, major="11")


def test_version_and_identifier_are_read(directory):
    assert database_files.major(directory) == "11"
    assert database_files.identifier(directory) == "7000000000000000001"


def test_a_control_file_that_is_cut_off_is_an_error(directory):
    (directory / database_files.CONTROL_FILE).write_bytes(b"1234567")
    with pytest.raises(struct.error):
        database_files.identifier(directory)


def test_a_column_is_missed_only_where_its_table_is(directory):
    assert not lacks_column(directory, "dag_run", "run_type")
    add_tables(directory, {"other": ("id",)})
    assert not lacks_column(directory, "dag_run", "run_type")
    add_tables(directory, AIRFLOW_1, oid=16500)
    assert lacks_column(directory, "dag_run", "run_type")
    assert not lacks_column(directory, "dag_run", "run_id")


def test_a_column_of_another_table_does_not_count(directory):
    add_tables(directory, {**AIRFLOW_1, "other": ("run_type",)})
    assert lacks_column(directory, "dag_run", "run_type")


def test_a_longer_name_is_another_name(directory):
    add_tables(directory, {"dag_run_note": ("id",), "my_dag_run": ("id",)})
    assert not lacks_column(directory, "dag_run", "run_type")


def test_the_newest_table_counts_whatever_was_deleted_before(directory):
    add_tables(directory, AIRFLOW_2, oid=16385)
    add_tables(directory, AIRFLOW_1, oid=0x0102_0304)
    assert lacks_column(directory, "dag_run", "run_type")
    add_tables(directory, AIRFLOW_2, oid=0x0201_0203)
    assert not lacks_column(directory, "dag_run", "run_type")


def test_catalogues_that_were_written_anew_are_found(directory):
    add_tables(directory, AIRFLOW_1, moved=20_000)
    assert lacks_column(directory, "dag_run", "run_type")


def test_every_database_is_looked_into(directory):
    add_tables(directory, AIRFLOW_2, database="1")
    add_tables(directory, AIRFLOW_1, database="16384")
    (directory / "base" / "pgsql_tmp").mkdir()
    assert lacks_column(directory, "dag_run", "run_type")


@pytest.mark.parametrize("content", [b"", b"\x17\x27\x59\x00\xff\xff\xff\x7f", b"\0" * 512])
def test_a_damaged_map_of_files_tells_nothing_and_breaks_nothing(directory, content):
    add_tables(directory, AIRFLOW_1)
    (directory / "base" / "16384" / "pg_filenode.map").write_bytes(content)
    assert not lacks_column(directory, "dag_run", "run_type")
