"""What services and tasks have written; read, never kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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


def follow(
    engine: Engine, service: Service, *, tail: int | None, since: datetime | None, keep_on: bool
) -> Iterator[str]:
    """A service's lines from all its tasks, oldest first as the engine gives them."""
    options: dict[str, Any] = {"stdout": True, "stderr": True, "follow": keep_on, "timestamps": False}
    if since is not None:
        options["since"] = int(since.timestamp())
    options["tail"] = "all" if tail is None else tail
    with translated(f"the log of {service.name} cannot be read"):
        rest = b""
        for chunk in engine.api.service_logs(service.id, is_tty=False, **options):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")
