"""Where the bench deploys: a copy of this repository, with a stack and ports of its own; nothing is measured here."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.swarm import leftovers
from tests.swarm.machine import Machine, ports

STACK = "selftest-bench"
PORTS = ports(25000)


@contextmanager
def machine() -> Iterator[Machine]:
    """A fresh copy with nothing deployed; purged at the end whatever happened."""
    with leftovers.none(), TemporaryDirectory(prefix="flowkit-bench-") as folder:
        made = Machine.make(Path(folder), STACK, **PORTS, FLOWKIT_IMAGES="local")
        try:
            yield made
        finally:
            made.invoke("purge", "--stack", STACK, expect=None)


def seconds(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> float:
    """How long a command takes; raises CalledProcessError if it fails."""
    start = time.perf_counter()
    subprocess.run(argv, cwd=cwd, env=env, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return time.perf_counter() - start
