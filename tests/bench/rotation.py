"""What each rotation interrupts: every service asked ten times a second while one secret after another is renewed.

`nox -s rotation`, or with names after `--`; prints a table and writes artefacts/rotation.json.  A question is answered
when the service says what it says to everybody; each is asked on a connection of its own.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from secrets_quickstart import report
from tests.bench.place import STACK, machine
from tests.bench.row import Row, alternating
from tests.swarm.machine import REPOSITORY, Machine, execute

EVERY = 0.1
"""Seconds between two questions to one service."""
WITHIN = 5.0
"""Seconds that an answer may take."""
SETTLED = 3.0
"""Seconds that are watched before and after."""
ROUNDS = 2
PROBE = "CREATE ROLE probe LOGIN PASSWORD 'probe'; GRANT CONNECT ON DATABASE flowdb TO probe"
"""A role of which no secret speaks, so that it is the server that is asked for."""
FILE = REPOSITORY / "artefacts/rotation.json"


@dataclass
class Probe:
    """Asks one service until it is told to stop."""

    name: str
    ask: Callable[[], None]
    """Raises when there is no answer, or a wrong one."""
    asked: int = 0
    failed: int = 0
    gap: float = 0.0
    """Seconds from the last answer before a failure to the next one, at most."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        answered = time.monotonic()
        failing = False
        while not self._stop.is_set():
            begun = time.monotonic()
            self.asked += 1
            try:
                self.ask()
            except Exception:  # whatever it is, nobody was served
                self.failed += 1
                failing = True
            else:
                if failing:
                    self.gap = max(self.gap, time.monotonic() - answered)
                answered, failing = time.monotonic(), False
            self._stop.wait(max(0.0, begun + EVERY - time.monotonic()))
        if failing:
            self.gap = max(self.gap, time.monotonic() - answered)


def probes(here: Machine) -> list[Probe]:
    """One for each service that people reach, and one through FlowAPI to FlowMachine."""
    port = {name: int(text) for name, text in here.variables.items() if name.endswith("_PORT")}
    token = here.invoke("flowapi.token").stdout.strip()
    return [
        Probe("FlowDB", lambda: _flowdb(port["FLOWDB_HOST_PORT"])),
        Probe("redis", lambda: _redis(port["REDIS_HOST_PORT"])),
        Probe("FlowAPI", lambda: _page(f"https://127.0.0.1:{port['FLOWAPI_HOST_PORT']}/api/0/spec/openapi.json")),
        Probe(
            "FlowMachine",
            lambda: _page(f"https://127.0.0.1:{port['FLOWAPI_HOST_PORT']}/api/0/available_dates", token),
        ),
        Probe("FlowAuth", lambda: _page(f"https://localhost:{port['FLOWAUTH_HOST_PORT']}/version")),
        Probe("Airflow", lambda: _page(f"http://127.0.0.1:{port['FLOWETL_HOST_PORT']}/health")),
        Probe("Flower", lambda: _page(f"http://127.0.0.1:{port['FLOWETL_CELERY_PORT']}/healthcheck")),
    ]


def _flowdb(port: int) -> None:
    place = {"host": "127.0.0.1", "port": str(port), "dbname": "flowdb", "user": "probe", "password": "probe"}
    psycopg.connect(" ".join(f"{name}={value}" for name, value in place.items()), connect_timeout=int(WITHIN)).close()


def _redis(port: int) -> None:
    """It wants a password, and to say so it has to be there."""
    with socket.create_connection(("127.0.0.1", port), WITHIN) as connection:
        connection.settimeout(WITHIN)
        connection.sendall(b"PING\r\n")
        if not connection.recv(100).startswith((b"-NOAUTH", b"+PONG")):
            raise ValueError


def _page(url: str, token: str = "") -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # whose certificate it is, is not what is measured
    answer = httpx.get(url, headers=headers, timeout=WITHIN, verify=False)
    answer.raise_for_status()


def rotated(here: Machine, name: str) -> dict[str, Any]:
    """What was asked and answered while the secret got another value."""
    watching = probes(here)
    for probe in watching:
        probe.start()
    time.sleep(SETTLED)
    seconds = _seconds(here, "secrets.rotate", "--names", name)
    time.sleep(SETTLED)
    for probe in watching:
        probe.stop()
    return {
        "secret": name,
        "seconds": round(seconds, 1),
        "services": {
            probe.name: {"asked": probe.asked, "failed": probe.failed, "gap": round(probe.gap, 1)} for probe in watching
        },
    }


def measure() -> Iterator[Row]:
    """Everything renewed in one rotation, against the same stack taken down and brought up again."""
    with machine() as here:
        here.invoke("quickstart")
        count = len(here.json("secrets.rotate", "--all", "--dry-run", expect=2)["names"])
        ours, theirs = alternating(lambda: _seconds(here, "secrets.rotate", "--all"), lambda: _restart(here), ROUNDS)
    yield Row(f"all {count} secrets rotated, verified", ours, yardstick="down and up, verified", against=theirs)


def _restart(here: Machine) -> float:
    return _seconds(here, "down") + _seconds(here, "quickstart")


def _seconds(here: Machine, *command: str) -> float:
    begun = time.monotonic()
    here.invoke(*command)
    return time.monotonic() - begun


def main(names: Sequence[str]) -> int:
    """Deploy everything, renew one secret after the other, and take it all away again."""
    with machine() as here:
        here.invoke("quickstart")
        execute(STACK, "flowdb", "psql", "-U", "flowdb", "-d", "flowdb", "-c", PROBE)
        every = here.json("secrets.rotate", "--all", "--dry-run", expect=2)["names"]
        rows = []
        for name in names or [*every, "ca-key-flowkit.pem"]:
            rows.append(rotated(here, name))
            report.say(f"rotation: {json.dumps(rows[-1])}")
        everything = _seconds(here, "secrets.rotate", "--all")
    FILE.parent.mkdir(exist_ok=True)
    document = {"measured": datetime.now(UTC).isoformat(), "rows": rows, "everything at once": round(everything, 1)}
    FILE.write_text(json.dumps(document, indent=2) + "\n")
    services = list(rows[0]["services"])
    report.table(("SECRET", "SECONDS", *services), [_cells(row, services) for row in rows])
    report.result(f"everything at once: {everything:.0f} s; written to {FILE}")
    return 0


def _cells(row: dict[str, Any], services: Sequence[str]) -> tuple[str, ...]:
    """Failed requests, and the longest gap."""
    found = (row["services"][name] for name in services)
    texts = (f"{one['failed']} ({one['gap']:.1f} s)" if one["failed"] else "0" for one in found)
    return (row["secret"], f"{row['seconds']:.0f}", *texts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
