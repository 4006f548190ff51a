"""FlowAuth through its edge: tokens a second, fifty people who sign in at once, and how soon it is ready.

FlowAuth stands alone with its two processes; whoever asks it is on the same machine and takes a share of it.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from secrets_quickstart.clients.flowauth import CSRF_COOKIE, CSRF_HEADER, FlowauthClient
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.flowauth_records import Limits
from secrets_quickstart.clients.https import Place
from secrets_quickstart.sensitive import Sensitive
from tests.bench.place import machine
from tests.bench.row import Row
from tests.bench.start import alone
from tests.swarm.machine import Machine

PASSWORD = Sensitive("sixteen violet umbrellas dancing")
SERVER, ROLE, USER = "bench_server", "analyst", "ada"
SCOPES = tuple(f"admin3:spatial_aggregate:location_{number}" for number in range(200))
"""About what the role analyst of docs/roles.yml holds, in one unit."""

PEOPLE = 16
"""Who ask for tokens at once, each over one connection that is kept."""
SECONDS = 10.0
ROUNDS = 3
WANTED = 200
"""Tokens a second."""
AT_ONCE = 50


def measure() -> Iterator[Row]:
    with machine() as here:
        here.invoke("deploy", "--target", "flowauth")
        place = Place("127.0.0.1", int(here.variables["FLOWAUTH_HOST_PORT"]), trust=here.value("cert-flowauth.pem"))
        session = _prepared(here, place)
        tokens = median(_rate(session, session.ask_for_token) for _ in range(ROUNDS))
        answers = median(_rate(session, session.ask_for_release) for _ in range(ROUNDS))
        each, release = 1000 / tokens, 1000 / answers
        yield Row("FlowAuth's tokens, one every", each, "ms", "its /version, one every", release, most=1000 / WANTED)
        yield Row("which is", tokens, "a second", "its /version", answers)
        slowest = median(_fifty(place) for _ in range(ROUNDS))
        yield Row(f"{AT_ONCE} sign-ins at once, until all are in", slowest)
        starts = [alone() for _ in range(ROUNDS)]
    own, database = (median(each[name] for each in starts) for name in ("flowauth", "flowauth_postgres"))
    yield Row("FlowAuth alone, until healthy", own, yardstick="its postgres's start", against=database)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody with a role, and what every request of theirs has to hold."""

    place: Place
    context: ssl.SSLContext
    path: str
    headers: Mapping[str, str]

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.place.name, self.place.port, timeout=60, context=self.context)

    def ask_for_token(self, connection: http.client.HTTPSConnection) -> None:
        body = json.dumps({"name": "bench", "roles": [{"name": ROLE}]})
        connection.request("POST", self.path, body, dict(self.headers))
        _read(connection)

    def ask_for_release(self, connection: http.client.HTTPSConnection) -> None:
        connection.request("GET", "/version", headers=dict(self.headers))
        _read(connection)


def _read(connection: http.client.HTTPSConnection) -> None:
    """Raises AssertionError for an error: a rate that counts refusals would say nothing."""
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise AssertionError(f"status {answer.status}: {content[:200]!r}")


def _prepared(here: Machine, place: Place) -> Session:
    limits = Limits(timedelta(days=1), datetime.now(UTC) + timedelta(days=365))
    with FlowauthAdmin(place) as admin:
        admin.sign_in("admin", Sensitive(here.value("FLOWAUTH_ADMIN_PASSWORD")))
        admin.add_server(SERVER, SCOPES, limits)
        admin.add_role(SERVER, ROLE, SCOPES, limits)
        admin.add_user(USER, PASSWORD)
        admin.put_into_role(SERVER, ROLE, USER)
    with FlowauthClient(place) as client:
        client.sign_in(USER, PASSWORD)
        number = client._own_servers()[SERVER]
        cookies = dict(client._client.cookies) if client._client is not None else {}
    headers = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "Content-Type": "application/json",
        "Referer": f"{place.origin}/",
        CSRF_HEADER: cookies[CSRF_COOKIE],
    }
    context = ssl.create_default_context(cadata=place.trust)
    return Session(place, context, f"/tokens/tokens/{number}", headers)


def _rate(session: Session, ask: Callable[[http.client.HTTPSConnection], None]) -> float:
    """Answers a second, once all are connected."""
    together = threading.Barrier(PEOPLE)

    def keep_asking() -> int:
        connection, count = session.connect(), 0
        ask(connection)
        together.wait()
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            ask(connection)
            count += 1
        connection.close()
        return count

    with ThreadPoolExecutor(PEOPLE) as pool:
        asking = [pool.submit(keep_asking) for _ in range(PEOPLE)]
        return sum(each.result() for each in asking) / SECONDS


def _fifty(place: Place) -> float:
    """Seconds until the last of them is in."""
    together = threading.Barrier(AT_ONCE + 1)

    def sign_in() -> None:
        with FlowauthClient(place) as client:
            client.version()  # connected beforehand
            together.wait()
            client.sign_in(USER, PASSWORD)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        people = [pool.submit(sign_in) for _ in range(AT_ONCE)]
        together.wait()
        start = time.perf_counter()
        for each in people:
            each.result()
        return time.perf_counter() - start
