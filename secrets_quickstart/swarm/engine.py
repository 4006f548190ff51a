"""The Docker Engine: reached, asked about itself, and its errors translated.  What is asked of a swarm is beside it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from secrets_quickstart.errors import EngineError

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_HOST = "unix:///var/run/docker.sock"
TIMEOUT = 60
"""Seconds for one answer; a swarm that has lost its leader takes 20 s to say so."""

UNDECIDED = 10
"""Seconds for which an engine may be on its way into a swarm; after that it waits for a manager that is away."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the SDK's exceptions into EngineError; `what` names what was attempted."""
    import docker.errors
    import requests.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        raise EngineError(what, why=str(error.explanation or error), fix=_fix_for(str(error.explanation))) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        said = str(error)
        if "ermission denied" in said:
            raise EngineError(what, why="this user has no right to its socket", fix=_fix_for(said)) from error
        missing = "FileNotFoundError" in said
        why = "there is no engine at its address" if missing else "the engine does not answer"
        raise EngineError(what, why=why, fix=UNREACHABLE_FIX) from error


UNREACHABLE_FIX = "start it (systemctl start docker), or run ./bootstrap.sh as root, which installs and starts it"

OUT_OF_SEQUENCE = "update out of sequence"
"""What Swarm says of a write to what somebody else has changed since it was looked at."""

FIXES = (
    ("ermission denied", "run this as root, or: usermod -aG docker $USER, and sign in again"),
    ("encrypted and needs to be unlocked", "unlock the swarm: docker swarm unlock"),
    ("does not have a leader", "bring back a majority of the managers, or see docker swarm init --force-new-cluster"),
    ("DeadlineExceeded", "bring back enough managers for a majority, then run this again"),
    ("not a swarm manager", "run this on a manager of the swarm"),
    ("address already in use", "free the port, or choose another in .env"),
)


def _fix_for(explanation: str) -> str:
    return next((fix for mark, fix in FIXES if mark in explanation), "see the engine's log: journalctl -u docker")


@dataclass(frozen=True, slots=True)
class SwarmMembership:
    """What this engine is in a swarm, as it says itself."""

    state: str
    """inactive, pending, active, locked or error."""
    manager: bool
    error: str
    node_id: str
    address: str

    @property
    def usable(self) -> bool:
        return self.state == "active" and self.manager and not self.error


class Engine:
    """One engine, over the Docker SDK.  Connects at the first question."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @property
    def host(self) -> str:
        """The engine's address; given to the docker CLI too, so that both speak to the same one."""
        return self._environment.get("DOCKER_HOST") or DEFAULT_HOST

    @cached_property
    def client(self) -> DockerClient:
        """The SDK's client; raises EngineError when no engine answers."""
        import docker

        with translated("the Docker Engine cannot be reached"):
            return docker.from_env(version="auto", timeout=TIMEOUT, environment={**self._environment})

    @property
    def api(self) -> Any:
        """The SDK's low-level client, whose stubs are incomplete."""
        return self.client.api

    def info(self) -> dict[str, Any]:
        """What it says of itself, once it knows whether it is in a swarm.

        A swarm that is being made, by a run that was killed meanwhile, takes the engine about a second.
        """
        end = time.monotonic() + UNDECIDED
        while True:
            with translated("the Docker Engine does not say what it is"):
                found = dict(self.client.info())
            if found["Swarm"].get("LocalNodeState") != "pending" or time.monotonic() > end:
                return found
            time.sleep(0.1)

    def version(self) -> tuple[int, ...]:
        with translated("the Docker Engine does not say its version"):
            return parse_version(str(self.client.version()["Version"]))

    def now(self) -> datetime:
        """The engine's own time: its tasks carry no other."""
        return parse_time(self.info()["SystemTime"])

    def membership(self) -> SwarmMembership:
        swarm = self.info()["Swarm"]
        return SwarmMembership(
            state=swarm.get("LocalNodeState", ""),
            manager=bool(swarm.get("ControlAvailable")),
            error=swarm.get("Error", ""),
            node_id=swarm.get("NodeID", ""),
            address=swarm.get("NodeAddr", ""),
        )


def parse_version(text: str) -> tuple[int, ...]:
    """The numbers at the start: `20.10.24+dfsg1` is (20, 10, 24)."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def parse_time(text: str) -> datetime:
    """The engine's RFC 3339 times, whose nanoseconds Python does not know."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
