"""What services and tasks have written; read, never kept."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.services import Service, Task

LAST = 25
"""Lines shown of a task that failed."""


def last_lines(engine: Engine, task: Task, count: int = LAST) -> tuple[str, ...]:
    """The last lines of a task, wherever it ran; empty when they cannot be had (the task never started)."""
    import docker.errors
    import requests.exceptions

    if not task.container_id:
        return ()
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        return _lines(engine.api.logs(task.container_id, stdout=True, stderr=True, tail=count))
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        raw = engine.api.service_logs(task.service_id, stdout=True, stderr=True, tail=count, is_tty=False)
        return _lines(b"".join(raw) if not isinstance(raw, bytes) else raw)
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
    """A service's lines from all its tasks, those that have ended too, oldest first as the engine gives them.

    `tail` is for each task.
    """
    options: dict[str, Any] = {"stdout": True, "stderr": True, "follow": keep_on, "timestamps": True, "details": True}
    if since is not None:
        options["since"] = int(since.timestamp())
    options["tail"] = "all" if tail is None else tail
    names: dict[str, str] = {}
    unfinished: dict[str, Line] = {}
    with translated(f"the log of {service.name} cannot be read"):
        # the engine gives one message at a time, and cuts a long line into several
        for chunk in engine.api.service_logs(service.id, is_tty=False, **options):
            task_id, moment, text = _parted(chunk.decode(errors="replace"))
            if task_id not in names:
                names[task_id] = _task_name(engine, service, task_id)
            begun = unfinished.pop(task_id, Line(moment, names[task_id], ""))
            line = replace(begun, text=begun.text + text)
            if text.endswith("\n"):
                yield replace(line, text=line.text.rstrip("\r\n"))
            else:
                unfinished[task_id] = line
        yield from unfinished.values()


HEAD = re.compile(r"(\d{4}-\S+Z) (\S*com\.docker\.swarm\.task\.id=(\w+)\S*) ")


def _parted(message: str) -> tuple[str, str, str]:
    """The task's id, the time and what was written."""
    head = HEAD.match(message)
    return ("", "", message) if head is None else (head[3], head[1], message[head.end() :])


def _task_name(engine: Engine, service: Service, task_id: str) -> str:
    """As `docker ps` names it, without the stack: by its slot, or its node where each node has one."""
    import docker.errors

    try:
        task = engine.api.inspect_task(task_id)
    except docker.errors.APIError:  # the swarm has forgotten it
        return f"{service.name}.{task_id[:12]}"
    return f"{service.name}.{task.get('Slot') or task.get('NodeID', '')}"
