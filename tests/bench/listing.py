"""`invoke --list`, against an invoke project that holds one empty task."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.place import seconds
from tests.bench.row import Row, alternating
from tests.swarm.machine import INVOKE, REPOSITORY

EMPTY = """
from invoke.tasks import task


@task
def nothing(c):
    pass
"""

TIMES = 31


def measure() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        (Path(folder) / "tasks.py").write_text(EMPTY)
        # as on an operator's machine: PYTHONDONTWRITEBYTECODE would have every module compiled at every run
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        ours = partial(seconds, [str(INVOKE), "--list"], cwd=REPOSITORY, env=env)
        theirs = partial(seconds, [str(INVOKE), "--list"], cwd=Path(folder), env=env)
        alternating(ours, theirs, 1)
        value, against = alternating(ours, theirs, TIMES)
    yield Row("invoke --list", value, yardstick="an empty project's", against=against, most_ratio=1.2)
