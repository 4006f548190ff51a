"""The local FlowDB image, run as an operator would: secrets, owners, crashes, settings. Not the stack around it."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress

import psycopg
import pytest

from tests.swarm.flowdb.databases import (
    GID,
    PASSWORDS,
    ROLES,
    SAMPLE,
    SECRETS,
    UID,
    Bench,
    FlowDB,
    fingerprint,
)

pytestmark = pytest.mark.swarm


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
