"""A copy of this repository in a folder of its own, and the real commands run in it; no test is here.

The stack has its own name and ports, so that a deployment which runs on this machine is left alone; by the name's
beginning it is known as one of the tests' whatever became of them (`leftovers`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from tests.documents import require_documented

REPOSITORY = Path(__file__).resolve().parents[2]
INVOKE = Path(sys.executable).with_name("invoke")
OURS = "selftest-"
"""What the name of every stack of the tests begins with, and of whatever else they make in a swarm."""
TESTS = "org.flowkit.tests"
"""The label of what the tests make in a swarm and cannot name so."""


def ports(first: int) -> dict[str, str]:
    """Every published port, as variables; nobody else may have those from `first` to 499 more."""
    return {
        "FLOWDB_HOST_PORT": str(first + 432),
        "REDIS_HOST_PORT": str(first + 379),
        "FLOWAPI_HOST_PORT": str(first + 90),
        "FLOWAUTH_HOST_PORT": str(first + 443),
        "EDGE_HTTP_PORT": str(first + 80),
        "FLOWETL_HOST_PORT": str(first + 88),
        "FLOWETL_CELERY_PORT": str(first + 55),
    }


PORTS = ports(28000)


@dataclass(frozen=True)
class Ended:
    """A command that has ended, or was killed."""

    status: int
    stdout: str
    stderr: str


@dataclass
class Machine:
    """One deployment's folder, with a home of its own."""

    folder: Path
    stack: str
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, where: Path, stack: str, **variables: str) -> Machine:
        """Copy what git tracks (and what is new), as a fresh clone would have it."""
        if not stack.startswith(OURS):
            raise ValueError(f"{stack}: nobody would know what a killed run left of it; call it {OURS}{stack}")
        folder = where / "flowkit"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY, capture_output=True, check=True,
        )  # fmt: skip
        for name in listed.stdout.decode().split("\0"):
            if name and (REPOSITORY / name).is_file():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, target)
        (where / "home").mkdir()
        return cls(folder, stack, {**PORTS, **variables})

    @property
    def home(self) -> Path:
        return self.folder.parent / "home"

    @property
    def environment(self) -> dict[str, str]:
        passed = {"PATH", "LANG", "SSL_CERT_FILE", "PIP_CERT", "DOCKER_HOST"}
        kept = {name: value for name, value in os.environ.items() if name in passed}
        return {**kept, "HOME": str(self.home), "FLOWKIT_STACK": self.stack, **self.variables}

    def start(self, *arguments: str, stdin: bytes | None = None, **variables: str) -> subprocess.Popen[bytes]:
        """Start `invoke ...` in a process group of its own."""
        return subprocess.Popen(
            [str(INVOKE), *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def invoke(self, *arguments: str, stdin: bytes | None = None, expect: int | None = 0, **variables: str) -> Ended:
        """Run `invoke ...` to its end; with `expect`, its exit status has to be that."""
        process = self.start(*arguments, stdin=stdin, **variables)
        out, err = process.communicate(stdin, timeout=1200)
        ended = Ended(process.returncode, out.decode(), err.decode())
        if expect is not None and ended.status != expect:
            said = f"invoke {' '.join(arguments)}: status {ended.status}\n{ended.stdout}\n{ended.stderr}"
            raise AssertionError(said)
        return ended

    def invoke_and_kill(self, *arguments: str, when: Callable[[str], bool], after: float = 0.0) -> Ended:
        """Run `invoke ...` and kill it, with all that it started, `after` seconds after a line for which `when` holds.

        The status is -9 if it was killed, else what it ended with.
        """
        lines: list[str] = []
        timer: threading.Timer | None = None
        with self.start(*arguments) as process:
            for raw in process.stderr or ():
                line = raw.decode().rstrip()
                lines.append(line)
                if timer is None and when(line):
                    timer = threading.Timer(after, os.killpg, (process.pid, signal.SIGKILL))
                    timer.start()
            out = process.stdout.read().decode() if process.stdout else ""
            status = process.wait()
        if timer is not None:
            timer.cancel()
        return Ended(status, out, "\n".join(lines))

    def json(self, *arguments: str, expect: int | None = 0, **variables: str) -> Any:
        """What `invoke ... --json` prints, which has to be as its schema says."""
        content = json.loads(self.invoke(*arguments, "--json", stdin=None, expect=expect, **variables).stdout)
        require_documented({"backup": "backup.make"}.get(arguments[0], arguments[0]), content)
        return content

    def value(self, name: str) -> str:
        """A secret value, as the operator would ask for it."""
        return self.invoke("secrets.show", name).stdout


def engine() -> Any:
    """The low-level client of the engine under test."""
    return docker.from_env(version="auto").api


def make_swarm() -> None:
    """As somebody else would have made it, but for a label by which a later run knows that it may go."""
    api = engine()
    spec = api.create_swarm_spec(labels={TESTS: ""})
    pool = {"default_addr_pool": ["10.88.0.0/16"], "subnet_size": 24}
    api.init_swarm("127.0.0.1", "127.0.0.1:2377", **pool, swarm_spec=spec)


def objects(stack: str) -> dict[str, Any]:
    """Everything of the stack that a write would change: identities and versions."""
    api = engine()
    label = {"label": f"com.docker.stack.namespace={stack}"}
    return {
        "swarm": api.inspect_swarm()["Version"]["Index"],
        "nodes": {item["ID"]: item["Spec"]["Labels"].get(stack) for item in api.nodes()},
        "services": {item["Spec"]["Name"]: item["Version"]["Index"] for item in api.services(filters=label)},
        "tasks": sorted((item["ID"], item["DesiredState"]) for item in api.tasks(filters=label)),
        "secrets": {
            item["Spec"]["Name"]: (item["ID"], item["Version"]["Index"], item["UpdatedAt"])
            for item in api.secrets(filters={"label": f"org.flowkit.stack={stack}"})
        },
        "networks": sorted(item["Id"] for item in api.networks(filters=label)),
        "volumes": sorted(item["Name"] for item in api.volumes(filters=label)["Volumes"] or ()),
        "containers": sorted(item["Id"] for item in api.containers(filters=label)),
    }


def containers(stack: str) -> Iterator[dict[str, Any]]:
    """The running containers of the stack, inspected."""
    api = engine()
    for item in api.containers(filters={"label": f"com.docker.stack.namespace={stack}"}):
        yield api.inspect_container(item["Id"])


def container_of(stack: str, service: str) -> str:
    """The id of the running container of a service."""
    found = engine().containers(filters={"label": f"com.docker.swarm.service.name={stack}_{service}"})
    return str(found[0]["Id"])


def execute(stack: str, service: str, *command: str) -> str:
    """What a command prints in a service's container."""
    api = engine()
    started = api.exec_create(container_of(stack, service), list(command))
    return str(api.exec_start(started["Id"]).decode())
