"""The local PostgreSQL image on a real engine: it starts as the official one does, and no kill breaks it."""

import contextlib
import os
import time
import uuid

import docker
import psycopg
import pytest

from tests.swarm.eventually import eventually
from tests.swarm.pages.flowauth_deployment import newest_image

pytestmark = pytest.mark.swarm
PASSWORD = "p@s's\\ w/o\"rd"


@pytest.fixture
def engine():
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture
def volume(engine):
    made = engine.volumes.create(f"postgres-test-{uuid.uuid4().hex[:8]}")
    yield made.name
    made.remove(force=True)


@pytest.fixture
def start(engine, volume, tmp_path):
    """Starts the image on the test's volume, and removes what was started."""
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    secret.chmod(0o444)
    started = []

    def run(command=None, environment=None, **more):
        names = {"POSTGRES_USER": "flowauth", "POSTGRES_DB": "other", "POSTGRES_PASSWORD_FILE": "/run/secrets/pw"}
        container = engine.containers.create(
            newest_image(engine, "postgres"),
            command,
            environment=names if environment is None else environment,
            volumes=[*more.pop("volumes", [f"{volume}:/var/lib/postgresql/data"]), f"{secret}:/run/secrets/pw:ro"],
            ports={"5432/tcp": ("127.0.0.1", None)},
            read_only=more.pop("read_only", False),
            **more,
        )
        started.append(container)
        container.start()
        return container

    yield run
    for container in started:
        with contextlib.suppress(docker.errors.APIError):
            container.remove(force=True, v=True)


def port_of(container):
    container.reload()
    return int(container.attrs["NetworkSettings"]["Ports"]["5432/tcp"][0]["HostPort"])


def ask(container, sql, database="other", password=PASSWORD):
    with psycopg.connect(
        host="127.0.0.1", port=port_of(container), user="flowauth", password=password, dbname=database,
        connect_timeout=5, autocommit=True,
    ) as connection:  # fmt: skip
        cursor = connection.execute(sql)
        return cursor.fetchone() if cursor.description else None


def answers(container):
    with contextlib.suppress(psycopg.OperationalError):
        return ask(container, "SELECT current_database()") == ("other",)
    return False


def test_the_official_images_variables_make_user_and_database(start):
    container = start()
    eventually(lambda: answers(container))
    assert ask(container, "SELECT version()")[0].startswith("PostgreSQL 15.")
    assert ask(container, "SELECT rolsuper FROM pg_roles WHERE rolname = 'flowauth'") == (True,)
    with pytest.raises(psycopg.OperationalError, match="password"):
        ask(container, "SELECT 1", password="wrong")
    assert PASSWORD not in container.logs().decode()


def test_a_first_start_may_be_killed_at_any_moment(start):
    for pause in (0.1, 0.4, 0.8, 1.2, 1.6, 2.0):
        container = start()
        time.sleep(pause)
        complete = answers(container)
        if complete:
            ask(container, "CREATE TABLE IF NOT EXISTS kept (x int)")
        container.kill()
        container.remove()
    container = start()
    eventually(lambda: answers(container))
    assert container.exec_run(["ls", "/var/lib/postgresql/data/.unfinished"]).exit_code != 0


def test_data_outlives_the_container_and_sigint_is_a_clean_end_with_clients(start):
    container = start()
    eventually(lambda: answers(container))
    ask(container, "CREATE TABLE kept AS SELECT 42 AS x")
    idle = psycopg.connect(
        host="127.0.0.1", port=port_of(container), user="flowauth", password=PASSWORD, dbname="other"
    )
    idle.execute("SELECT 1")
    container.stop(timeout=20)
    idle.close()
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0
    assert b"database system is shut down" in container.logs()
    again = start()
    eventually(lambda: answers(again))
    assert ask(again, "SELECT x FROM kept") == (42,)
    assert b"automatic recovery" not in again.logs()


def test_two_containers_never_share_a_data_directory(start):
    first = start()
    eventually(lambda: answers(first))
    second = start()
    assert second.wait(timeout=20)["StatusCode"] == 1
    assert b"another container is running" in second.logs()
    assert answers(first)


def test_any_uid_will_do_with_a_directory_of_its_own(start, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 1234, 1234)
    container = start(
        user="1234:1234", volumes=[f"{data}:/var/lib/postgresql/data"], read_only=True,
        tmpfs={"/tmp": "", "/var/run/postgresql": "mode=1777"},
    )  # fmt: skip
    eventually(lambda: answers(container))


@pytest.mark.parametrize(
    ("environment", "told"),
    [({}, b"there is no password"), ({"POSTGRES_PASSWORD_FILE": "/run/secrets/nowhere"}, b"cannot be read")],
)
def test_without_a_password_nothing_is_made(start, environment, told):
    container = start(environment=environment)
    assert container.wait(timeout=20)["StatusCode"] == 1
    assert told in container.logs()
