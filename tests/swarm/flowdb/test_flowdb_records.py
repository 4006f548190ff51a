"""What the local FlowDB image has in it: tables, made-up records, functions, and who may read and write what."""

from __future__ import annotations

import psycopg
import pytest

from tests.swarm.flowdb.databases import SAMPLE, Bench, FlowDB, fingerprint

pytestmark = pytest.mark.swarm


def test_an_empty_database_has_every_table_and_no_record(bench: Bench) -> None:
    flowdb = bench.start().wait()
    for table in (
        "events.calls",
        "events.topups",
        "infrastructure.cells",
        "geography.admin3",
        "etl.available_dates",
    ):
        assert flowdb.ask(f"SELECT count(*) FROM {table}", "flowmachine") == [(0,)], table
    assert flowdb.ask("SELECT bool_or(has_subscribers) FROM available_tables()", "flowmachine") == [(False,)]


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(bench: Bench, sample: FlowDB) -> None:
    expected = fingerprint(sample)
    assert fingerprint(bench.start(environment=SAMPLE | {"FLOWDB_SAMPLE_SEED": "1"}).wait()) == expected
    assert fingerprint(bench.start(environment=SAMPLE | {"FLOWDB_SAMPLE_SEED": "2"}).wait()) != expected


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_every_region_has_enough_subscribers_every_day_not_to_be_redacted(bench: Bench, seed: str) -> None:
    flowdb = bench.start(environment=SAMPLE | {"FLOWDB_SAMPLE_SEED": seed}).wait()
    located = """
        SELECT e.msisdn, e.datetime, e.datetime::date AS day, a.admin3pcod AS region
        FROM (SELECT msisdn, datetime, location_id FROM {events}) e
        JOIN infrastructure.cells c ON c.id = e.location_id
        JOIN geography.admin3 a ON ST_Within(c.geom_point, a.geom)
    """
    orders = {"last": "max(datetime) DESC", "most common": "count(*) DESC, max(datetime) DESC"}
    for events in ("events.calls", "events.sms"):
        for method, order in orders.items():
            rows = flowdb.ask(f"""
                SELECT day, region, count(*) FROM (
                    SELECT DISTINCT ON (msisdn, day) msisdn, day, region
                    FROM ({located.format(events=events)}) l
                    GROUP BY msisdn, day, region
                    ORDER BY msisdn, day, {order}
                ) d GROUP BY day, region
            """)
            assert len(rows) == 7 * 12, (events, method)
            assert min(row[2] for row in rows) > 15, (events, method)
            assert sum(row[2] for row in rows) == 7 * 400, (events, method)


def test_the_regions_cover_the_country_and_hold_every_cell(sample: FlowDB) -> None:
    for level in (1, 2, 3):
        (row,) = sample.ask(f"""
            SELECT abs(sum(ST_Area(a.geom)) / min(ST_Area(c.geom)) - 1) < 1e-9, bool_and(ST_IsValid(a.geom))
            FROM geography.admin{level} a, geography.admin0 c
        """)
        assert row == (True, True), level
    assert sample.ask("""
        SELECT count(*), count(DISTINCT c.id) FROM infrastructure.cells c
        JOIN geography.admin3 a ON ST_Within(c.geom_point, a.geom)
    """) == [(108, 108)]


def refuses(flowdb: FlowDB, role: str, statement: str) -> bool:
    try:
        flowdb.do(statement, role=role)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_flowapi_reads_results_and_maps_but_no_record(sample: FlowDB) -> None:
    for table in ("geography.admin3", "infrastructure.cells", "infrastructure.sites"):
        assert sample.ask(f"SELECT count(*) > 0 FROM {table}", "api_reader") == [(True,)]
    for table in (
        "events.calls",
        "infrastructure.tacs",
        "etl.etl_records",
        "cache.cached",
        "public.available_tables",
    ):
        assert refuses(sample, "api_reader", f"SELECT count(*) FROM {table}"), table
    assert refuses(sample, "api_reader", "CREATE TABLE cache.mine ()")
    assert refuses(sample, "api_reader", "CREATE SCHEMA mine")


def test_flowmachine_writes_results_which_flowapi_reads_and_never_a_record(sample: FlowDB) -> None:
    assert refuses(sample, "flowmachine", "DELETE FROM events.calls")
    assert refuses(sample, "flowmachine", "CREATE TABLE events.mine ()")
    assert refuses(sample, "flowmachine", "UPDATE etl.etl_records SET state = 'x'")
    try:
        sample.do("CREATE TABLE cache.x1 AS SELECT 7 AS value", role="flowmachine")
        assert sample.ask("SELECT value FROM cache.x1", "api_reader") == [(7,)]
    finally:
        sample.do("DROP TABLE cache.x1", role="flowmachine")


def test_flowmachine_reads_what_flowetl_loads_from_a_mounted_file(bench: Bench) -> None:
    etl = bench.directory()
    (etl / "CALLS_20200101.csv").write_text(
        "msisdn,at,cell\nA,2020-01-01 10:00:00+00,C1\nB,2020-01-01 23:59:59+00,C2\n"
    )
    flowdb = bench.start(mounts=(f"{etl}:/etl:ro",)).wait()
    flowdb.do(
        """CREATE FOREIGN TABLE etl.stg_calls_20200101 (msisdn text, at timestamptz, cell text) SERVER csv_fdw
           OPTIONS (filename '/etl/CALLS_20200101.csv', format 'csv', header 'true')""",
        "CREATE TABLE etl.calls_20200101 (LIKE events.calls)",
        """INSERT INTO etl.calls_20200101 (msisdn, datetime, location_id)
           SELECT msisdn, at, cell FROM etl.stg_calls_20200101""",
        "ALTER TABLE etl.calls_20200101 SET SCHEMA events",
        """ALTER TABLE events.calls ATTACH PARTITION events.calls_20200101
           FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')""",
        """INSERT INTO etl.etl_records (cdr_type, cdr_date, state, timestamp)
           VALUES ('calls', '2020-01-01', 'ingested', now())""",
    )
    for table in ("events.calls", "events.calls_20200101"):
        assert flowdb.ask(f"SELECT count(*) FROM {table}", "flowmachine") == [(2,)]
    assert flowdb.ask("SELECT cdr_type FROM etl.available_dates", "flowmachine") == [("calls",)]


def test_touching_a_cached_query_raises_its_score(sample: FlowDB) -> None:
    query_id = "0" * 32
    sample.do(
        "CREATE TABLE cache.x0 AS SELECT 1 AS value",
        f"INSERT INTO cache.cached VALUES ('{query_id}', '1', '', now(), 0, now(), 1000, 0, 'Q', 'cache', 'x0', '')",
        role="flowmachine",
    )
    try:
        first, second = (sample.ask(f"SELECT touch_cache('{query_id}')", "flowmachine")[0][0] for _ in range(2))
        assert 0 < first < second
        with pytest.raises(psycopg.errors.RaiseException, match="no cache record"):
            sample.ask("SELECT touch_cache('nothing')", "flowmachine")
    finally:
        sample.do("DROP TABLE cache.x0", "DELETE FROM cache.cached", role="flowmachine")


def test_hartigan_joins_near_sites_and_ranks_clusters_by_their_days(bench: Bench) -> None:
    flowdb = bench.start().wait()
    flowdb.do(
        """INSERT INTO infrastructure.sites (id, version, geom_point) VALUES
           ('a', 0, 'SRID=4326;POINT(0 0)'), ('b', 0, 'SRID=4326;POINT(0.01 0)'), ('c', 0, 'SRID=4326;POINT(1 0)')"""
    )
    found = flowdb.ask(
        """SELECT (h).rank, (h).weights, (h).site_ids, (h).versions, ST_AsText((h).clusters[2], 4)
           FROM (SELECT hartigan(id, 0, days, 2.0, 0, 0) AS h
                 FROM (VALUES ('a', 3), ('b', 1), ('c', 5)) AS d (id, days)) s""",
        "flowmachine",
    )
    # 0.01 degrees are 1.1 km; the centre of a and b lies a quarter of the way from a to b.
    assert found == [([1, 2], [5, 4], ["c", "a::b"], ["0", "0::0"], "POINT(0.0025 0)")]
