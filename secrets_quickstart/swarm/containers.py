"""Containers of this node: found, and programs run in them; what they are asked is decided elsewhere.

No secret value may be in `argv`: it goes to the standard input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from secrets_quickstart.errors import EngineError, QuickstartError
from secrets_quickstart.host import processes
from secrets_quickstart.host.processes import Piped
from secrets_quickstart.swarm import services
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.logs import LAST

PROGRAM = "docker"
STOP_SECONDS = 60
"""For a database to write down what it has in memory."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What a program in a container left behind."""

    status: int
    stdout: str
    """Empty where it was written to a file."""
    stderr: str

    @property
    def log(self) -> tuple[str, ...]:
        """Its last lines."""
        return tuple((self.stderr.strip() or self.stdout.strip()).splitlines()[-processes.KEPT_LINES :])


def of_service(engine: Engine, stack: str, name: str) -> str | None:
    """The container of a running task of the service; None while there is none.

    Raises EngineError when it is on another node.
    """
    here = engine.membership()
    if not here.usable:
        return None
    state = services.state(engine, stack)
    service = state.services.get(name)
    if service is None:
        return None
    running = [task for task in state.tasks_of(service) if task.state == task.desired == "running"]
    found = next((task.container_id for task in running if task.node_id == here.node_id), None)
    if found is None and running:
        node = state.nodes.get(running[0].node_id)
        raise EngineError(
            f"no program can be run in the container of {name}",
            why="it is on another node",
            fix=f"run this on {node.name if node is not None else 'the node that it is on'}",
        )
    return found


@dataclass(frozen=True, slots=True)
class Container:
    """The running container of a Swarm task on this node."""

    id: str
    service: str
    """Without the stack's name before it."""
    task_id: str
    task: str
    """The service and its slot, such as flowetl_worker.2; for a service with one task on each node, the node's id."""
    image_id: str
    """The digest of the image's configuration, by which this engine knows it."""
    health: str
    """healthy, starting or unhealthy; "" where nothing is checked."""


def of_stack(engine: Engine, stack: str) -> list[Container]:
    """The running containers of the stack on this node, by task."""
    with translated(f"the containers of {stack} cannot be listed"):
        found = engine.api.containers(filters={"label": f"{services.NAMESPACE}={stack}"})
    return sorted((_container(item, stack) for item in found), key=lambda item: (item.service, item.task))


def _container(item: Mapping[str, Any], stack: str) -> Container:
    labels: Mapping[str, str] = item.get("Labels") or {}
    health = re.search(r"\((?:health: )?(healthy|unhealthy|starting)\)", item.get("Status", ""))
    task_id = labels.get(services.TASK_ID, "")
    return Container(
        item["Id"],
        labels.get(services.SERVICE_NAME, "").removeprefix(f"{stack}_"),
        task_id,
        labels.get(services.TASK_NAME, "").removeprefix(f"{stack}_").removesuffix(f".{task_id}"),
        item.get("ImageID", ""),
        health[1] if health is not None else "",
    )


def using(engine: Engine, volume: str) -> list[str]:
    """Names of the running containers that have the volume mounted."""
    with translated(f"it cannot be seen who uses the volume {volume}"):
        found = engine.api.containers(filters={"volume": volume})
    return [str(item["Names"][0]).removeprefix("/") for item in found]


def execute(engine: Engine, container: str, argv: Sequence[str], *, to: BinaryIO | None = None) -> Execution:
    """Run a program in the container to its end; `to` takes its standard output, as it comes."""
    out, err = bytearray(), bytearray()
    with translated("no program can be run in the container"):
        started = engine.api.exec_create(container, list(argv))["Id"]
        for stdout, stderr in engine.api.exec_start(started, stream=True, demux=True):
            err += stderr or b""
            if to is None:
                out += stdout or b""
            elif stdout:
                to.write(stdout)
        status = engine.api.exec_inspect(started)["ExitCode"]
    if status is None:
        raise EngineError("a program in a container was lost sight of", fix="run this again")
    return Execution(int(status), out.decode(errors="replace"), err.decode(errors="replace"))


def feed(
    engine: Engine, container: str, argv: Sequence[str], stdin: bytes, environment: Mapping[str, str]
) -> Execution:
    """Run a program in the container that reads `stdin` to its end; `environment` is the docker client's own.

    The client does it, because only it can say over any connection that the input has ended.
    """
    command = [PROGRAM, "exec", "--interactive", container, *argv]
    done = processes.run(command, stdin=stdin, env={**environment, "DOCKER_HOST": engine.host}, check=False)
    return Execution(done.status, done.stdout, done.stderr)


@contextmanager
def piped(engine: Engine, container: str, argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[Piped]:
    """A program in the container, with its input and output as streams; `environment` is the docker client's own.

    Raises ProcessError when it ends with another status than 0.  When this process dies, even by SIGKILL, its input
    ends; it is for the program to heed that.
    """
    command = [PROGRAM, "exec", "--interactive", container, *argv]
    with processes.piped(command, env={**environment, "DOCKER_HOST": engine.host}) as streams:
        yield streams


@contextmanager
def temporary(
    engine: Engine, name: str, image: str, script: str, *, user: str, environment: Mapping[str, str], bind: str
) -> Iterator[str]:
    """A container without a network that runs a shell script, and is gone afterwards.

    The script's input ends when this process does, even by SIGKILL: a script that heeds it outlives nobody.  A
    container of its name that was left all the same goes first.
    """
    api = engine.api
    with translated(f"the container {name} cannot be started"):
        discard(engine, name)
        made = api.create_container(
            image,
            ["sh", "-c", script],
            name=name,
            user=user,
            environment=dict(environment),
            stdin_open=True,
            host_config=api.create_host_config(binds=[bind], network_mode="none"),
        )["Id"]
    try:
        with translated(f"the container {name} cannot be started"):
            held = api.attach_socket(made, params={"stdin": 1, "stream": 1})
            api.start(made)
        try:
            yield made
        except QuickstartError as problem:
            problem.log = problem.log or _last_words(engine, made)
            raise
        finally:
            held.close()
    finally:
        discard(engine, name)


def discard(engine: Engine, name: str) -> None:
    """Stop and remove a container; nothing happens if there is none."""
    import docker.errors

    with translated(f"the container {name} cannot be removed"):
        try:
            engine.api.stop(name, timeout=STOP_SECONDS)
            engine.api.remove_container(name, force=True)
        except docker.errors.NotFound:
            return


def _last_words(engine: Engine, container: str) -> tuple[str, ...]:
    with translated("the container's log cannot be read"):
        raw = engine.api.logs(container, tail=LAST)
    return tuple(line.rstrip() for line in raw.decode(errors="replace").splitlines() if line.strip())
