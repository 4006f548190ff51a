"""Can nobody but FlowAuth reach its database and its redis?  Tried from the containers themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from secrets_quickstart.checks.check import Obstacle, Ok, Outcome, Skip
from secrets_quickstart.checks.verification_world import Inside, Unasked, Verification, World
from secrets_quickstart.errors import QuickstartError

FLOWAUTH = "flowauth"
DOORS = {"flowauth_postgres": 5432, "flowauth_redis": 6379}
"""What is to be reached by FlowAuth alone, and where."""

RESOLVER = "127.0.0.11 53"
"""Docker's own, which answers in every container: a program that does not reach it cannot be used to try others."""

# Arguments: host and port, again and again.  A line comes back for each that lets us in.
PYTHON = """
import socket, sys, threading
def attempt(host, port):
    try:
        socket.create_connection((host, int(port)), 2).close()
        print(host + " " + port + "\\n", end="", flush=True)
    except OSError:
        pass
pairs = zip(sys.argv[1::2], sys.argv[2::2])
threads = [threading.Thread(target=attempt, args=pair) for pair in pairs]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
BASH = """
attempt() { timeout 2 bash -c ': >"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null && echo "$1 $2"; }
while [ $# -gt 1 ]; do attempt "$1" "$2" & shift 2; done
wait
"""
NETCAT = """
attempt() { nc -z -w 2 "$1" "$2" 2>/dev/null && echo "$1 $2"; }
while [ $# -gt 1 ]; do attempt "$1" "$2" & shift 2; done
wait
"""
PROGRAMS = (("python3", "-c", PYTHON), ("bash", "-c", BASH, "bash"), ("sh", "-c", NETCAT, "sh"))
"""One of them is in every image, or nothing can be tried from there."""

SHUT_FIX = "put it on a network that only FlowAuth shares, as compose/flowauth.yml does, and deploy again"


def lets_nobody_else_in(world: World) -> Outcome:
    inside = world.inside
    if inside is None:
        raise Unasked("the stack's containers are not known")
    targets = {name: _pairs(inside, name, port) for name, port in DOORS.items()}
    for name in DOORS:
        if ports := world.published(name):
            return Obstacle(f"{name} publishes port {', '.join(map(str, ports))}", f"take the port from {name}")
    others = [name for name in inside.names() if name != FLOWAUTH]
    for other in others:
        for name in DOORS:
            if other != name and set(inside.networks(other)) & set(inside.networks(name)):
                return Obstacle(f"{other} is on a network of {name}", SHUT_FIX)
    seen = attempt(inside, FLOWAUTH, targets)
    if unseen := [pair for pairs in targets.values() for pair in pairs if pair not in seen]:
        return Obstacle(f"FlowAuth itself does not reach {', '.join(unseen)}", "see why: invoke status")
    return _tried(inside, others, targets)


def _pairs(inside: Inside, name: str, port: int) -> list[str]:
    """The name, and every address that is behind it."""
    return [f"{host} {port}" for host in (name, *inside.task_addresses(name))]


def _tried(inside: Inside, others: Sequence[str], targets: Mapping[str, Sequence[str]]) -> Outcome:
    """What came of trying from everywhere at once: closed doors keep one waiting."""

    def ask(other: str) -> list[str] | str:
        try:
            return attempt(inside, other, {name: pairs for name, pairs in targets.items() if name != other})
        except (QuickstartError, Unasked) as reason:
            return str(reason)

    with ThreadPoolExecutor(max(1, len(others))) as pool:
        found = dict(zip(others, pool.map(ask, others), strict=True))
    if reached := {other: pairs for other, pairs in found.items() if isinstance(pairs, list) and pairs}:
        said = "; ".join(f"from {other}: {', '.join(pairs)}" for other, pairs in reached.items())
        return Obstacle(f"can be reached {said}", SHUT_FIX)
    tried = [other for other, pairs in found.items() if isinstance(pairs, list)]
    untried = [f"{other}: {reason}" for other, reason in found.items() if isinstance(reason, str)]
    if not tried:
        return Skip(f"it cannot be tried ({'; '.join(untried)}); no service shares their networks")
    besides = f"; not tried from {'; '.join(untried)}, which shares no network with them" if untried else ""
    return Ok(f"not from {', '.join(tried)}{besides}")


def attempt(inside: Inside, name: str, targets: Mapping[str, Sequence[str]]) -> list[str]:
    """Those of the targets, as "host port", that let in whoever comes from this service.

    Raises Unasked when no program there can try, and when there is no container here.
    """
    pairs = [pair for own in targets.values() for pair in own]
    arguments = [word for pair in (RESOLVER, *pairs) for word in pair.split()]
    for program in PROGRAMS:
        reached = inside.execute(name, (*program, *arguments)).stdout.splitlines()
        if RESOLVER in reached:
            return [pair for pair in pairs if pair in reached]
    raise Unasked("its image has no program that opens connections")


CHECKS = (
    Verification(
        "FlowAuth's database and redis",
        "Can no service but FlowAuth reach them?",
        "flowauth",
        lets_nobody_else_in,
    ),
)
