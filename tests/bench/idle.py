"""A `deploy` that has nothing to change: how long it takes, and what it asks of the Engine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from secrets_quickstart import report
from secrets_quickstart.swarm.engine import DEFAULT_HOST
from tests.bench.place import STACK, machine, seconds
from tests.bench.proxy import noting
from tests.bench.row import Row, alternating
from tests.swarm.machine import Machine

TIMES = 9
ENGINE = os.environ.get("DOCKER_HOST", DEFAULT_HOST)


def measure() -> Iterator[Row]:
    with machine() as here:
        here.invoke("quickstart")
        ps = partial(seconds, ["docker", "stack", "ps", STACK], cwd=here.folder, env=here.environment)
        value, against = alternating(partial(deploy, here), ps, TIMES)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "docker.sock"
            with noting(Path(ENGINE.removeprefix("unix://")), path) as requests:
                deploy(here, f"unix://{path}")
    writes = [request for request in requests if request.writes]
    for request in writes:
        report.say(f"bench: a write: {request}")
    yield Row("deploy, nothing to change", value, yardstick="docker stack ps", against=against, most=2)
    yield Row(
        "its writes", len(writes), "requests", yardstick="all that it asks the Engine", against=len(requests), most=0
    )


def deploy(here: Machine, engine: str = ENGINE) -> float:
    """Seconds; raises AssertionError if there was anything to do."""
    start = time.perf_counter()
    ended = here.invoke("deploy", "--target", "flowkit", DOCKER_HOST=engine)
    took = time.perf_counter() - start
    if "nothing to do: everything runs as it should" not in ended.stdout:
        raise AssertionError(ended.stdout + ended.stderr)
    return took
