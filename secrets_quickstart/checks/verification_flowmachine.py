"""Do redis and FlowMachine answer, and only those who should reach them?"""

from __future__ import annotations

import secrets
import socket

from secrets_quickstart.checks.check import Obstacle, Ok, Outcome
from secrets_quickstart.checks.verification_world import Verification, World
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.sensitive import Sensitive


def redis_answers(world: World) -> Outcome:
    world.redis(world.needed("REDIS_PASSWORD")).ping()
    return Ok("answers whoever has the vault's password")


OPEN_FIX = "start redis with --requirepass, as compose/flowmachine.yml does, and deploy again"


def redis_refuses_nobody(world: World) -> Outcome:
    return _refused(world, None, "it answers without a password")


def redis_refuses_a_wrong_password(world: World) -> Outcome:
    return _refused(world, Sensitive(secrets.token_urlsafe(24)), "it answers with a password made up a moment ago")


def _refused(world: World, password: Sensitive | None, otherwise: str) -> Outcome:
    try:
        world.redis(password).ping()
    except Refused as refusal:
        return Ok(refusal.why)
    return Obstacle(otherwise, OPEN_FIX)


UNKNOWN_QUERY = "0" * 32


def flowmachine_answers(world: World) -> Outcome:
    """A query that nobody ran is looked up in redis; without redis there is no reply to it."""
    ping, poll = world.flowmachine().ask(("ping", {}), ("poll_query", {"query_id": UNKNOWN_QUERY}))
    if not ping.succeeded or ping.message != "pong":
        return Obstacle(f"to ping it says: {ping.message}", "see its log: invoke logs flowmachine")
    if not poll.message.startswith("Unknown query id"):
        return Obstacle(
            f"it does not reach redis: asked for a query that nobody ran, it says: {poll.message}",
            "see that redis is healthy (invoke status), then the log: invoke logs flowmachine",
        )
    return Ok("pong, and it reaches redis")


GREETING = b"\xff"
"""The first byte that a ZeroMQ server sends, before it is asked anything: ZMTP 3.1, section 3.1."""


def flowmachine_is_private(world: World) -> Outcome:
    ports = world.published("flowmachine")
    fix = "take the ports from FlowMachine's service: it answers anybody who reaches it"
    if ports:
        return Obstacle(f"its service publishes port {', '.join(map(str, ports))}", fix)
    if _greets("127.0.0.1", world.flowmachine_port):
        return Obstacle(f"a ZeroMQ server answers at port {world.flowmachine_port} of this machine", fix)
    return Ok(f"port {world.flowmachine_port} is not to be reached from outside")


def _greets(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), 2) as connection:
            connection.settimeout(2)
            return connection.recv(1) == GREETING
    except OSError:
        return False


CHECKS = (
    Verification("redis", "Does redis answer with the vault's password?", "flowmachine", redis_answers),
    Verification("redis, no password", "Does redis refuse who gives none?", "flowmachine", redis_refuses_nobody),
    Verification(
        "redis, wrong password",
        "Does redis refuse a wrong one?",
        "flowmachine",
        redis_refuses_a_wrong_password,
    ),
    Verification("FlowMachine", "Does FlowMachine answer, and reach redis?", "flowmachine", flowmachine_answers),
    Verification(
        "FlowMachine's door",
        "Is FlowMachine's port closed to the world?",
        "flowmachine",
        flowmachine_is_private,
    ),
)
