"""What services and tasks have written; read, never kept."""

from __future__ import annotations

import contextlib
import heapq
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from queue import Empty, SimpleQueue
from typing import Any

from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.services import SERVICE_ID, TASK_ID, Service, Task, task_name

LAST = 25
"""Lines shown of a task that failed."""

SILENCE = 5.0
"""Seconds without a word after which the Engine is taken to have forgotten that a log has an end."""


def last_lines(engine: Engine, task: Task, count: int = LAST) -> tuple[str, ...]:
    """The last lines of a task, wherever it ran; empty when they cannot be had (the task never started)."""
    import docker.errors
    import requests.exceptions

    if not task.container_id:
        return ()
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        return _lines(engine.api.logs(task.container_id, stdout=True, stderr=True, tail=count))
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        chunks = engine.api.service_logs(task.service_id, stdout=True, stderr=True, tail=count, is_tty=False)
        return _lines(b"".join(_until_silent(chunks)))
    return ()


def _lines(raw: bytes) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in raw.decode(errors="replace").splitlines() if line.strip())


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a task has written."""

    time: str
    """By the clock of the engine that it runs on, as RFC 3339 has it; "" where the engine gave none."""
    task: str
    """The service and its slot, such as flowetl_worker.2."""
    text: str


def follow(
    engine: Engine, service: Service, *, tail: int | None, since: datetime | None, keep_on: bool
) -> Iterator[Line]:
    """A service's lines from all its tasks, those that have ended too, the oldest first.

    `tail` is for each task.  What was written on this node is read from its containers, what was written elsewhere by
    way of the swarm: of several tasks with much to say the Engine (20.10) keeps lines back, and never ends.
    """
    options: dict[str, Any] = {"stdout": True, "stderr": True, "timestamps": True}
    options["tail"] = "all" if tail is None else tail
    if since is not None:
        options["since"] = int(since.timestamp())
    newest: dict[str, str] = {}
    with translated(f"the log of {service.name} cannot be read"):
        here, elsewhere = _tasks(engine, service)
        local = heapq.merge(*(_of_container(engine, *found, options) for found in here), key=attrgetter("time"))
        if not keep_on:
            distant = _of_swarm(engine, service, {**options, "follow": False}) if elsewhere else iter(())
            known = {name for name, _ in here}
            others = (line for line in distant if line.task not in known)
            yield from heapq.merge(local, others, key=attrgetter("time"))
            return
        for line in local:
            newest[line.task] = line.time
            yield line
        if newest and not elsewhere:
            options |= {"since": _unix(min(newest.values())), "tail": "all"}
        for line in _of_swarm(engine, service, {**options, "follow": True}):
            if line.time > newest.get(line.task, "") or not line.time:
                yield line


def _tasks(engine: Engine, service: Service) -> tuple[list[tuple[str, str]], bool]:
    """Names and containers of the tasks that are or were on this node, and whether others are or were elsewhere."""
    label = {"label": f"{SERVICE_ID}={service.id}"}
    listed = engine.api.containers(all=True, filters=label)
    containers = {item["Labels"].get(TASK_ID): item["Id"] for item in listed}
    tasks = engine.api.tasks(filters={"service": service.id})
    here = [(_name_of(service, task), containers[task["ID"]]) for task in tasks if task["ID"] in containers]
    return here, len(here) < len(tasks)


def _of_container(engine: Engine, name: str, container: str, options: Mapping[str, Any]) -> Iterator[Line]:
    chunks = engine.api.logs(container, stream=True, follow=False, **options)
    yield from _whole(_timed(name, chunk.decode(errors="replace")) for chunk in chunks)


def _of_swarm(engine: Engine, service: Service, options: Mapping[str, Any]) -> Iterator[Line]:
    names: dict[str, str] = {}

    def parted(chunk: bytes) -> Line:
        task_id, moment, text = _parted(chunk.decode(errors="replace"))
        if task_id not in names:
            names[task_id] = _task_name(engine, service, task_id)
        return Line(moment, names[task_id], text)

    chunks = engine.api.service_logs(service.id, is_tty=False, details=True, **options)
    yield from _whole(map(parted, chunks if options["follow"] else _until_silent(chunks)))


def _until_silent(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What comes until nothing has come for a while: the stream may have no end, and its socket has no time limit."""
    came: SimpleQueue[bytes | BaseException | None] = SimpleQueue()

    def read() -> None:
        try:
            for chunk in chunks:
                came.put(chunk)
            came.put(None)
        except Exception as error:  # it is raised where somebody waits
            came.put(error)

    threading.Thread(target=read, daemon=True).start()
    with contextlib.suppress(Empty):
        while (found := came.get(timeout=SILENCE)) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found


def _whole(messages: Iterable[Line]) -> Iterator[Line]:
    """Lines as they were written: the engine gives one message at a time, and cuts a long line into several."""
    unfinished: dict[str, Line] = {}
    for message in messages:
        begun = unfinished.pop(message.task, replace(message, text=""))
        line = replace(begun, text=begun.text + message.text)
        if message.text.endswith("\n"):
            yield replace(line, text=line.text.rstrip("\r\n"))
        else:
            unfinished[message.task] = line
    yield from unfinished.values()


def _timed(task: str, message: str) -> Line:
    moment, _, text = message.partition(" ")
    return Line(moment, task, text)


def _unix(moment: str) -> str:
    """As the Engine's API wants it: seconds, and nine digits of nanoseconds."""
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    return f"{int(datetime.fromisoformat(f'{whole}+00:00').timestamp())}.{fraction.ljust(9, '0')}"


HEAD = re.compile(r"(\d{4}-\S+Z) (\S*com\.docker\.swarm\.task\.id=(\w+)\S*) ")


def _parted(message: str) -> tuple[str, str, str]:
    """The task's id, the time and what was written."""
    head = HEAD.match(message)
    return ("", "", message) if head is None else (head[3], head[1], message[head.end() :])


def _task_name(engine: Engine, service: Service, task_id: str) -> str:
    import docker.errors

    try:
        task = engine.api.inspect_task(task_id)
    except docker.errors.APIError:  # the swarm has forgotten it
        return f"{service.name}.{task_id[:12]}"
    return _name_of(service, task)


def _name_of(service: Service, task: Mapping[str, Any]) -> str:
    return task_name(service.name, task.get("Slot", 0), task.get("NodeID", ""))
