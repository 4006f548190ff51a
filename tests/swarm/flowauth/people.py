"""A FlowAuth of two replicas, and people who use it; no test is here."""

import contextlib
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.swarm.pages.flowauth_deployment import (
    USER_PASSWORD,
    Deployment,
    Person,
    add_role,
    add_server,
    add_user,
    deployed,
)


@contextlib.contextmanager
def two_replicas(folder: Path) -> Iterator[Deployment]:
    """FlowAuth first: it must wait for its database, and both must migrate it at once."""
    with deployed(folder) as made:
        made.replicas = [made.start_flowauth() for _ in range(2)]
        made.redis = made.start_redis()
        made.postgres = made.start_postgres()
        made.urls = [made.url(replica) for replica in made.replicas]
        yield made


def new(word):
    return f"{word}-{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def people(place):
    """A maker of people at the first replica or another."""
    made = []

    def make(replica=0):
        made.append(Person(place.urls[replica]))
        return made[-1]

    yield make
    for each in made:
        each.close()


def analyst_of(admin, person):
    """A signed-in user with a role on a server of their own."""
    name = new("analyst")
    user = add_user(admin, name)
    server_name = new("server")
    server = add_server(admin, server_name)
    role = add_role(admin, server, "analyst", [user])
    somebody = person()
    assert somebody.sign_in(name, USER_PASSWORD).status_code == 200
    somebody.name, somebody.id, somebody.server, somebody.server_name, somebody.role = (
        name, user, server, server_name, role,
    )  # fmt: skip
    return somebody


def at_once(calls):
    gate = threading.Barrier(len(calls))

    def go(call):
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(go, calls))
