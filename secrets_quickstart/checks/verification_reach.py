"""Can nobody but FlowAuth reach its database and redis, or but Airflow reach its own?  Tried from the containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from secrets_quickstart.catalog.components import BY_NAME
from secrets_quickstart.checks.check import Obstacle, Ok, Outcome, Skip
from secrets_quickstart.checks.verification_world import Inside, Unasked, Verification, World
from secrets_quickstart.errors import QuickstartError


@dataclass(frozen=True, slots=True)
class Household:
    """Services that keep others to themselves."""

    title: str
    component: str
    doors: Mapping[str, str]
    """What is to be reached by them alone: where, and what is spoken there."""
    witness: str
    """The one that has to reach all of it: else there is nothing to keep."""

    @property
    def members(self) -> frozenset[str]:
        names = {service.name for service in BY_NAME[self.component].services}
        return frozenset(names.difference(self.doors))


HOUSEHOLDS = (
    Household(
        "FlowAuth",
        "flowauth",
        {"flowauth_postgres": "5432 postgresql", "flowauth_redis": "6379 redis"},
        "flowauth",
    ),
    Household(
        "Airflow",
        "flowetl",
        {"flowetl_db": "5432 postgresql", "flowetl_redis": "6379 redis"},
        "flowetl_scheduler",
    ),
)

RESOLVER = "127.0.0.11 53 anything"
"""Docker's own, which answers in every container: a program that does not reach it cannot be used to try others."""

# Arguments: host, port and protocol, again and again.  These come back, a line for each that lets us in.
# That somebody takes the connection says nothing: gateways do so in the name of whoever is meant to be behind them.  So
# PostgreSQL is asked whether it speaks TLS (S or N), and redis for a PONG (+, or - as long as no password was given).
PYTHON = """
import socket, sys, threading
questions = {"postgresql": (bytes([0, 0, 0, 8, 4, 210, 22, 47]), b"SN"), "redis": (b"PING\\r\\n", b"+-")}
def attempt(host, port, protocol):
    try:
        with socket.create_connection((host, int(port)), 2) as connection:
            if protocol in questions:
                question, answers = questions[protocol]
                connection.sendall(question)
                if connection.recv(1) not in [bytes([answer]) for answer in answers]:
                    return
        print(host + " " + port + " " + protocol + "\\n", end="", flush=True)
    except OSError:
        pass
words = sys.argv[1:]
threads = [threading.Thread(target=attempt, args=one) for one in zip(words[::3], words[1::3], words[2::3])]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
QUESTIONS = """
ask() {
    case $1 in
    postgresql) printf '\\000\\000\\000\\010\\004\\322\\026\\057' ;;
    redis) printf 'PING\\r\\n' ;;
    esac
}
right() { case $1:$2 in anything:* | postgresql:[SN] | redis:[+-]) return 0 ;; *) return 1 ;; esac; }
each() {
    while [ $# -gt 2 ]; do attempt "$1" "$2" "$3" && echo "$1 $2 $3" & shift 3; done
    wait
}
"""
BASH = (
    QUESTIONS
    + """
export -f ask
attempt() {
    answer=$(timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit 1
        [ "$2" = anything ] || { ask "$2" >&3; head -c 1 <&3; }' "$1" "$2" "$3" 2>/dev/null)
    case $?:$3 in [!0]*:anything) return 1 ;; esac
    right "$3" "$answer"
}
each "$@"
"""
)
NETCAT = (
    QUESTIONS
    + """
attempt() {
    [ "$3" != anything ] || { nc -z -w 2 "$1" "$2" 2>/dev/null; return; }
    right "$3" "$(ask "$3" | nc -w 2 "$1" "$2" 2>/dev/null | head -c 1)"
}
each "$@"
"""
)
PROGRAMS = (("python3", "-c", PYTHON), ("bash", "-c", BASH, "bash"), ("sh", "-c", NETCAT, "sh"))
"""One of them is in every image, or nothing can be tried from there."""


def lets_nobody_else_in(household: Household, world: World) -> Outcome:
    inside, doors = world.inside, household.doors
    if inside is None:
        raise Unasked("the stack's containers are not known")
    targets = {name: _places(inside, name, door) for name, door in doors.items()}
    for name in doors:
        if ports := world.published(name):
            return Obstacle(f"{name} publishes port {', '.join(map(str, ports))}", f"take the port from {name}")
    others = [name for name in inside.names() if name not in household.members]
    for other in others:
        for name in doors:
            if other != name and set(inside.networks(other)) & set(inside.networks(name)):
                return Obstacle(f"{other} is on a network of {name}", _shut_fix(household))
    seen = attempt(inside, household.witness, targets)
    if unseen := [place for places in targets.values() for place in places if place not in seen]:
        return Obstacle(f"{household.witness} itself does not reach {_said(unseen)}", "see why: invoke status")
    return _tried(inside, household, others, targets)


def _shut_fix(household: Household) -> str:
    file = BY_NAME[household.component].stack_file
    return f"put it on a network that only {household.title} shares, as compose/{file} does, and deploy again"


def _places(inside: Inside, name: str, door: str) -> list[str]:
    """By the name, and by every address that is behind it; as the programs take them."""
    return [f"{host} {door}" for host in (name, *inside.task_addresses(name))]


def _said(places: Sequence[str]) -> str:
    return ", ".join(place.rpartition(" ")[0] for place in places)


def _tried(
    inside: Inside, household: Household, others: Sequence[str], targets: Mapping[str, Sequence[str]]
) -> Outcome:
    """What came of trying from everywhere at once: closed doors keep one waiting."""

    def ask(other: str) -> list[str] | str:
        try:
            return attempt(inside, other, {name: places for name, places in targets.items() if name != other})
        except (QuickstartError, Unasked) as reason:
            return str(reason)

    with ThreadPoolExecutor(max(1, len(others))) as pool:
        found = dict(zip(others, pool.map(ask, others), strict=True))
    if reached := {other: places for other, places in found.items() if isinstance(places, list) and places}:
        said = "; ".join(f"from {other}: {_said(places)}" for other, places in reached.items())
        return Obstacle(f"can be reached {said}", _shut_fix(household))
    tried = [other for other, places in found.items() if isinstance(places, list)]
    untried = [f"{other}: {reason}" for other, reason in found.items() if isinstance(reason, str)]
    if not tried:
        return Skip(f"it cannot be tried ({'; '.join(untried)}); no service shares their networks")
    besides = f"; not tried from {'; '.join(untried)}, which shares no network with them" if untried else ""
    return Ok(f"not from {', '.join(tried)}{besides}")


def attempt(inside: Inside, name: str, targets: Mapping[str, Sequence[str]]) -> list[str]:
    """Those of the targets that answer to whoever comes from this service.

    Raises Unasked when no program there can try, and when there is no container here.
    """
    places = [place for own in targets.values() for place in own]
    arguments = [word for place in (RESOLVER, *places) for word in place.split()]
    for program in PROGRAMS:
        reached = inside.execute(name, (*program, *arguments)).stdout.splitlines()
        if RESOLVER in reached:
            return [place for place in places if place in reached]
    raise Unasked("its image has no program that opens connections")


CHECKS = tuple(
    Verification(
        f"{household.title}'s database and redis",
        f"Can no service but {household.title} reach them?",
        household.component,
        partial(lets_nobody_else_in, household),
    )
    for household in HOUSEHOLDS
)
