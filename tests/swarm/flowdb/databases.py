"""Containers of the local FlowDB image, run as an operator would run them, and removed again; no test is here.

FLOWDB_IMAGE names the image.
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
