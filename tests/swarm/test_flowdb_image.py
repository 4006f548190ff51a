"""The local FlowDB image, run as an operator would: secrets, owners, crashes, settings. Not the stack around it.

FLOWDB_IMAGE names the image. Each test removes its containers and volumes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest
from docker.errors import NotFound
from docker.models.containers import Container

pytestmark = pytest.mark.swarm

DATA = "/var/lib/postgresql/data"
# As root, any owner will do; otherwise the files can only be ours.
UID, GID = (1234, 1234) if os.getuid() == 0 else (os.getuid(), os.getgid())
PASSWORDS = {
    "FLOWDB_POSTGRES_PASSWORD": "it's \"odd\" \\x \\' $HOME `id` %s é;--",
    "FLOWMACHINE_FLOWDB_PASSWORD": "fm@:/#%pw",
    "FLOWAPI_FLOWDB_PASSWORD": "E'\\n' :'version' \\gset",
}
ROLES = {
    "flowdb": "FLOWDB_POSTGRES_PASSWORD",
    "flowmachine": "FLOWMACHINE_FLOWDB_PASSWORD",
    "api_reader": "FLOWAPI_FLOWDB_PASSWORD",
}
SECRETS = PASSWORDS | {"FLOWAPI_FLOWDB_USER": "api_reader"}
SAMPLE = {"FLOWDB_SAMPLE_DATA": "true"}


@dataclass(frozen=True, slots=True)
class FlowDB:
    """One container of the image, and how to talk to it."""

    container: Container

    @property
    def port(self) -> int:
        self.container.reload()
        (address, *_) = self.container.ports["5432/tcp"] or pytest.fail("port 5432 is not published")
        return int(address["HostPort"])

    @property
    def log(self) -> str:
        return self.container.logs().decode()

    def connect(self, role: str = "flowdb", password: str | None = None) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="flowdb",
            user=role,
            password=SECRETS[ROLES[role]] if password is None else password,
            autocommit=True,
            connect_timeout=5,
        )

    def ask(self, sql: str, role: str = "flowdb") -> list[tuple[Any, ...]]:
        with self.connect(role) as connection:
            return connection.execute(sql.encode()).fetchall()

    def do(self, *statements: str, role: str = "flowdb") -> None:
        with self.connect(role) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def is_ready(self) -> bool:
        """What the health check asks."""
        with suppress(docker.errors.APIError):
            command = "pg_isready -q -h 127.0.0.1 -p 5432 -U flowdb -d flowdb"
            return bool(self.container.exec_run(command).exit_code == 0)
        return False

    def wait(self, seconds: float = 60) -> FlowDB:
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            self.container.reload()
            if self.container.status == "exited" or time.monotonic() > deadline:
                pytest.fail(f"FlowDB did not become ready; its log:\n{self.log}")
            time.sleep(0.1)
        return self

    def refusal(self) -> str:
        """Waits for the container to give up, and returns what it said."""
        status = self.container.wait(timeout=60)["StatusCode"]
        assert status == 1, self.log
        return self.log


@dataclass(slots=True)
class Bench:
    """Makes directories and containers, and removes them."""

    image: str
    folder: Path
    engine: docker.DockerClient
    containers: list[Container] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def directory(self) -> Path:
        path = Path(tempfile.mkdtemp(dir=self.folder))
        os.chown(path, UID, GID)
        path.chmod(0o755)
        return path

    def secrets(self, values: dict[str, str] = SECRETS, mode: int = 0o400) -> Path:
        path = self.directory()
        for name, value in values.items():
            (path / name).write_text(value + "\n")
            os.chown(path / name, UID, GID)
            (path / name).chmod(mode)
        return path

    def volume(self) -> str:
        name = f"flowdb-test-{uuid.uuid4().hex[:12]}"
        self.engine.volumes.create(name)
        self.volumes.append(name)
        return name

    def start(
        self,
        data: Path | str | None = None,
        environment: dict[str, str] | None = None,
        secrets: Path | None = None,
        mounts: tuple[str, ...] = (),
        user: str | None = f"{UID}:{GID}",
        **more: Any,
    ) -> FlowDB:
        container = self.engine.containers.create(
            self.image,
            user=user,
            environment=environment or {},
            volumes=[
                f"{self.directory() if data is None else data}:{DATA}",
                f"{self.secrets() if secrets is None else secrets}:/run/secrets:ro",
                *mounts,
            ],
            ports={"5432/tcp": ("127.0.0.1", 0)},
            **more,
        )
        self.containers.append(container)
        container.start()
        return FlowDB(container)

    def clear(self) -> None:
        for container in self.containers:
            with suppress(NotFound):
                container.remove(force=True, v=True)
        for name in self.volumes:
            self.engine.volumes.get(name).remove()
        shutil.rmtree(self.folder)


@contextmanager
def a_bench() -> Iterator[Bench]:
    image = os.environ.get("FLOWDB_IMAGE")
    if not image:
        pytest.fail("FLOWDB_IMAGE is not set: build images/flowdb and name the image in it.")
    bench = Bench(image, Path(tempfile.mkdtemp(prefix="flowdb-")), docker.from_env())
    try:
        yield bench
    finally:
        bench.clear()
        bench.engine.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as bench:
        yield bench


@pytest.fixture(scope="module")
def sample() -> Iterator[FlowDB]:
    """A database with sample data, for tests that leave it as it was."""
    with a_bench() as bench:
        yield bench.start(environment=SAMPLE).wait()


def fingerprint(flowdb: FlowDB) -> list[tuple[Any, ...]]:
    """A hash of every row that the sample data makes."""
    tables = (
        "events.calls",
        "events.sms",
        "events.mds",
        "events.topups",
        "events.location_ids",
        "geography.admin3",
        "infrastructure.cells",
        "infrastructure.tacs",
        "etl.available_dates",
    )
    return [
        (
            table,
            *flowdb.ask(f"SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t")[0],
        )
        for table in tables
    ]


def test_each_role_gets_in_with_its_own_password_whatever_characters_it_has(sample: FlowDB) -> None:
    for role in ROLES:
        assert sample.ask("SELECT current_user::text", role) == [(role,)]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("password", ["wrong", "", "fm@:/#%pw\n"])
def test_a_wrong_password_is_refused(sample: FlowDB, role: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        sample.connect(role, password)


def test_passwords_are_in_no_argument_environment_file_or_log(sample: FlowDB) -> None:
    everything = sample.container.exec_run(
        [
            "sh",
            "-c",
            "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; find /tmp /var/run $PGDATA -type f -exec cat {} +",
        ],
    ).output
    assert b"PGDATA=" in everything
    for password in PASSWORDS.values():
        assert password.encode() not in everything
        assert password not in sample.log


def test_the_first_login_that_succeeds_finds_everything_there(bench: Bench) -> None:
    flowdb = bench.start(environment=SAMPLE)
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = flowdb.connect("flowmachine")
            break
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, flowdb.log
            time.sleep(0.02)
    with connection:
        assert connection.execute("SELECT version FROM flowdb_version()").fetchall() == [("1.34.0",)]
        assert connection.execute("SELECT count(*) FROM etl.available_dates").fetchall() == [(28,)]


@pytest.mark.parametrize("name", PASSWORDS)
def test_a_missing_password_is_refused_before_anything_is_written(bench: Bench, name: str) -> None:
    data = bench.directory()
    secrets = bench.secrets({key: value for key, value in SECRETS.items() if key != name})
    said = bench.start(data, secrets=secrets).refusal()
    assert f"the secret {name} is missing" in said
    assert list(data.iterdir()) == []


def test_an_empty_password_is_refused(bench: Bench) -> None:
    secrets = bench.secrets(SECRETS | {"FLOWMACHINE_FLOWDB_PASSWORD": ""})
    assert "FLOWMACHINE_FLOWDB_PASSWORD is empty" in bench.start(secrets=secrets).refusal()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a file that another user cannot read")
def test_a_secret_of_another_owner_is_refused_by_name(bench: Bench) -> None:
    secrets = bench.secrets()
    os.chown(secrets / "FLOWAPI_FLOWDB_PASSWORD", 4321, 4321)
    said = bench.start(secrets=secrets).refusal()
    assert f"FLOWAPI_FLOWDB_PASSWORD cannot be read by uid {UID}" in said


@pytest.mark.parametrize("user", ["flowdb", "flowmachine", "pg_monitor"])
def test_the_api_role_cannot_take_another_roles_name(bench: Bench, user: str) -> None:
    secrets = bench.secrets(SECRETS | {"FLOWAPI_FLOWDB_USER": user})
    assert f"'{user}', which is another role's name" in bench.start(secrets=secrets).refusal()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHARED_BUFFERS_SIZE", "lots"),
        ("EFFECTIVE_CACHE_SIZE", "4 gigabytes"),
        ("MAX_CPUS", "0"),
        ("MAX_WORKERS", "-1"),
        ("MAX_WORKERS_PER_GATHER", "2.5"),
        ("MAX_LOCKS_PER_TRANSACTION", "many"),
        ("STATS_TARGET", "10001"),
        ("CACHE_SIZE", "10GB"),
        ("CACHE_HALF_LIFE", "0"),
        ("CACHE_PROTECTED_PERIOD", "'; DROP TABLE cache.cached"),
        ("NO_USE_JIT", "maybe"),
        ("FLOWDB_LOG_DEST", "syslog"),
        ("FLOWDB_SAMPLE_DATA", "yes please"),
        ("FLOWDB_SAMPLE_SUBSCRIBERS", "50"),
    ],
)
def test_an_invalid_value_is_refused_by_name_before_anything_is_written(bench: Bench, name: str, value: str) -> None:
    data = bench.directory()
    said = bench.start(data, {name: value}).refusal()
    assert said.startswith(f"FlowDB: {name} is '{value}', which is ")
    assert list(data.iterdir()) == []


def test_a_directory_that_is_not_ours_is_left_alone(bench: Bench) -> None:
    data = bench.directory()
    (data / "thesis.txt").write_text("years of work")
    assert "was not made by this image" in bench.start(data).refusal()
    assert [path.name for path in data.iterdir()] == ["thesis.txt"]
    assert (data / "thesis.txt").read_text() == "years of work"


def test_root_is_refused(bench: Bench) -> None:
    assert "does not run as root" in bench.start(user="0:0").refusal()


def test_a_named_volume_works_with_the_images_own_user(bench: Bench) -> None:
    volume = bench.volume()
    flowdb = bench.start(volume, secrets=bench.secrets(mode=0o444), user=None).wait()
    assert flowdb.ask("SELECT version FROM flowdb_version()", "flowmachine") == [("1.34.0",)]


def test_passwords_may_come_as_variables_and_do_not_stay_there(bench: Bench) -> None:
    environment = {
        "POSTGRES_PASSWORD": PASSWORDS["FLOWDB_POSTGRES_PASSWORD"],
        "FLOWMACHINE_FLOWDB_PASSWORD": PASSWORDS["FLOWMACHINE_FLOWDB_PASSWORD"],
        "FLOWAPI_FLOWDB_PASSWORD": PASSWORDS["FLOWAPI_FLOWDB_PASSWORD"],
        "FLOWAPI_FLOWDB_USER": "api_reader",
    }
    flowdb = bench.start(environment=environment, secrets=bench.secrets({})).wait()
    for role in ROLES:
        assert flowdb.ask("SELECT current_user::text", role) == [(role,)]
    environ = flowdb.container.exec_run("cat /proc/1/environ").output
    assert b"PGDATA=" in environ
    assert b"PASSWORD" not in environ


def test_a_first_start_killed_at_any_moment_is_done_over_by_the_next(bench: Bench, sample: FlowDB) -> None:
    unfinished = 0
    for tenths in range(1, 50, 7):
        data = bench.directory()
        flowdb = bench.start(data, SAMPLE)
        time.sleep(tenths / 10)
        flowdb.container.kill("SIGKILL")
        if not (data / "FLOWDB_VERSION").exists():
            unfinished += 1
            # Every third of them once more, before the one that may finish.
            if unfinished % 3 == 0:
                flowdb.container.start()
                time.sleep(tenths / 20)
                flowdb.container.kill("SIGKILL")
        flowdb.container.start()
        assert fingerprint(flowdb.wait()) == fingerprint(sample)
        assert not (data / ".flowdb-unfinished").exists()
        flowdb.container.remove(force=True)
        shutil.rmtree(data)
    assert unfinished >= 3


def test_moves_that_a_crash_interrupted_are_carried_on(bench: Bench) -> None:
    data = bench.directory()
    flowdb = bench.start(data).wait()
    flowdb.do("CREATE TABLE public.witness ()")
    flowdb.container.stop()
    cluster = data / ".flowdb-unfinished" / "cluster"
    cluster.mkdir(parents=True)
    for name in ("FLOWDB_VERSION", "PG_VERSION", "global", "postgresql.conf"):
        (data / name).rename(cluster / name)
    os.chown(cluster.parent, UID, GID)
    os.chown(cluster, UID, GID)
    flowdb.container.start()
    assert flowdb.wait().ask("SELECT count(*) FROM public.witness") == [(0,)]
    assert not cluster.parent.exists()


@pytest.mark.parametrize("environment", [{}, {"CACHE_SIZE": "1000000"}], ids=["bare", "with-cache-settings"])
def test_what_was_committed_survives_a_kill(bench: Bench, environment: dict[str, str]) -> None:
    flowdb = bench.start(environment=environment).wait()
    flowdb.do("CREATE TABLE public.witness AS SELECT 42 AS answer")
    flowdb.container.kill("SIGKILL")
    flowdb.container.start()
    assert flowdb.wait().ask("SELECT answer FROM public.witness") == [(42,)]


def test_a_stop_with_a_client_at_work_is_quick_and_clean(bench: Bench) -> None:
    flowdb = bench.start().wait()
    with suppress(psycopg.OperationalError), flowdb.connect() as connection:
        connection.execute("BEGIN; CREATE TABLE public.half_done ()")
        started = time.monotonic()
        flowdb.container.stop(timeout=60)
        assert time.monotonic() - started < 20
    assert flowdb.container.wait()["StatusCode"] == 0
    assert "database system is shut down" in flowdb.log


def test_a_second_container_on_the_same_directory_is_refused(bench: Bench) -> None:
    data = bench.directory()
    first = bench.start(data).wait()
    assert "another container is running" in bench.start(data).refusal()
    assert first.is_ready()


def test_settings_follow_the_environment_at_every_start(bench: Bench) -> None:
    data = bench.directory()
    names = ("shared_buffers", "max_locks_per_transaction", "max_worker_processes", "jit", "default_statistics_target")

    def settings(environment: dict[str, str]) -> list[str]:
        flowdb = bench.start(data, environment).wait()
        shown = [flowdb.ask(f"SHOW {name}")[0][0] for name in names]
        shown += [str(row[0]) for row in flowdb.ask("SELECT value FROM cache.cache_config ORDER BY key")]
        flowdb.container.stop()
        return shown

    first = settings(
        {
            "CACHE_SIZE": "1000000",
            "MAX_CPUS": "3",
            "SHARED_BUFFERS_SIZE": "64MB",
            "STATS_TARGET": "7",
        }
    )
    assert first[0] == "64MB"
    assert first[2:] == ["3", "on", "7", "86400", "1000000", "1000"]
    second = settings({"NO_USE_JIT": "TRUE", "MAX_LOCKS_PER_TRANSACTION": "512", "CACHE_HALF_LIFE": "2.5"})
    assert second[1] == "512"
    assert second[3:] == ["off", "10000", "86400", "1000000", "2.5"]
    third = settings({"CACHE_PROTECTED_PERIOD": "60"})
    assert third[3:] == ["on", "10000", "60", "1000000", "2.5"]


def test_the_defaults_fit_a_machine_of_4_gb(bench: Bench) -> None:
    flowdb = bench.start(environment=SAMPLE, mem_limit="4g").wait()
    assert flowdb.ask("SHOW shared_buffers") == [("1GB",)]
    assert flowdb.ask("SHOW effective_cache_size") == [("3GB",)]
    assert flowdb.ask("SHOW maintenance_work_mem") == [("256MB",)]
    shared = int(flowdb.ask("SHOW shared_memory_size_in_huge_pages")[0][0]) * 2  # MB
    assert shared < 1536


def test_parallel_queries_need_no_larger_dev_shm(sample: FlowDB) -> None:
    assert " 64M " in str(sample.container.exec_run("df -h /dev/shm").output)
    with sample.connect() as connection:
        connection.execute("CREATE TEMPORARY TABLE ids AS SELECT i, i::text AS t FROM generate_series(1, 1500000) AS i")
        connection.execute("CREATE TABLE public.big AS TABLE ids; ANALYZE public.big")
        try:
            connection.execute(
                "SET work_mem = '512MB'; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0"
            )
            connection.execute("SET parallel_tuple_cost = 0; SET enable_mergejoin = off; SET enable_nestloop = off")
            query = b"SELECT count(*) FROM public.big a JOIN public.big b USING (t)"
            plan = "\n".join(row[0] for row in connection.execute(b"EXPLAIN " + query))
            assert "Parallel Hash" in plan
            assert connection.execute(query).fetchall() == [(1500000,)]
        finally:
            connection.execute("DROP TABLE public.big")


def test_jsonlog_goes_to_the_data_directory(bench: Bench) -> None:
    data = bench.directory()
    bench.start(data, {"FLOWDB_LOG_DEST": "jsonlog"}).wait()
    assert any(path.suffix == ".json" for path in (data / "pg_log").iterdir())


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
