"""`docker stack deploy`: the one thing said to Docker through its command line.

The command line is the only place where stack files are understood: the engine itself knows no stacks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from secrets_quickstart.errors import EngineError, ProcessError
from secrets_quickstart.host import processes
from secrets_quickstart.swarm.engine import OUT_OF_SEQUENCE, Engine

PROGRAM = "docker"

RACES = ("not found", OUT_OF_SEQUENCE, "DeadlineExceeded", "does not have a leader")
"""What the client says when a removal is still under way, somebody else updates, or a leader is being elected."""

TRIES = 6


def deploy(
    engine: Engine, stack: str, files: Sequence[Path], environment: Mapping[str, str], *, registry_auth: bool = False
) -> None:
    """Create or update the stack from these files and return at once; services that are not in them stay.

    `environment` is the client's whole environment: it holds what the files interpolate.  Not atomic: when it fails,
    some services may have been updated, and the next call goes on.  Raises EngineError.
    """
    argv = [PROGRAM, "stack", "deploy", "--resolve-image", "never"]
    if _knows(environment, "--detach"):
        argv.append("--detach=true")  # the newer clients would wait, service by service, and miss a rollback
    if registry_auth:
        argv.append("--with-registry-auth")
    for path in files:
        argv += ["--compose-file", str(path)]
    argv.append(stack)
    chosen = {**environment, "DOCKER_HOST": engine.host}
    for attempt in range(1, TRIES + 1):
        done = processes.run(argv, env=chosen, check=False, timeout=300)
        if done.status == 0:
            return
        said = done.stderr.strip() or done.stdout.strip()
        if attempt == TRIES or not any(race in said for race in RACES) or "secret not found" in said:
            raise EngineError(
                f"docker stack deploy refused the stack {stack}",
                why=said.splitlines()[-1] if said else f"status {done.status}",
                fix="correct what it says, then run this again",
                log=tuple(said.splitlines()),
            )
        time.sleep(0.5 * attempt)


def _knows(environment: Mapping[str, str], option: str) -> bool:
    """Whether this client's `stack deploy` has an option (20.10 has no --detach)."""
    try:
        return option in processes.run([PROGRAM, "stack", "deploy", "--help"], env=environment).stdout
    except ProcessError as error:
        raise EngineError(
            "the docker client cannot deploy stacks",
            why=str(error),
            fix="install the docker command line (Debian: docker.io)",
        ) from error
