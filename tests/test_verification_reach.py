"""Who can reach FlowAuth's and Airflow's databases and redises: tried from every container, or said why not."""

import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from secrets_quickstart.checks import verification_reach as reach
from secrets_quickstart.checks.check import Obstacle, Ok, Skip
from secrets_quickstart.checks.verification_world import Unasked, World
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.swarm.containers import Execution
from tests import verification_fakes as fakes

NETWORKS = {
    "edge": {"flowauth"},
    "flowauth": {"flowauth", "a", "b"},
    "flowauth_postgres": {"a"},
    "flowauth_redis": {"b"},
    "flowdb": {"flowdb"},
}
ADDRESSES = {"flowauth_postgres": ["10.0.1.2"], "flowauth_redis": ["10.0.2.2"]}
EVERYTHING = {
    "flowauth_postgres 5432 postgresql",
    "10.0.1.2 5432 postgresql",
    "flowauth_redis 6379 redis",
    "10.0.2.2 6379 redis",
}


class Containers:
    """A stack in which each service reaches what `reached` says, with the programs that its image has."""

    def __init__(self):
        self.reached: dict[str, set[str]] = {"flowauth": EVERYTHING}
        self.programs: dict[str, set[str]] = {}
        self.on: dict[str, set[str]] = dict(NETWORKS)
        self.absent: dict[str, Exception] = {}
        self.tried: list[tuple[str, str]] = []

    def names(self):
        return sorted(self.on)

    def networks(self, name):
        return self.on[name]

    def task_addresses(self, name):
        return ADDRESSES[name]

    def execute(self, name, argv):
        if name in self.absent:
            raise self.absent[name]
        if argv[0] not in self.programs.get(name, {"python3", "bash", "sh"}):
            return Execution(127, "", "no such program")
        words = argv[3:] if argv[0] == "python3" else argv[4:]
        pairs = [" ".join(three) for three in zip(words[::3], words[1::3], words[2::3], strict=True)]
        self.tried += [(name, pair) for pair in pairs]
        open_here = self.reached.get(name, set()) | {reach.RESOLVER}
        return Execution(0, "".join(f"{pair}\n" for pair in reversed(pairs) if pair in open_here), "")


@pytest.fixture
def stack():
    return Containers()


FLOWAUTH, AIRFLOW = reach.HOUSEHOLDS


def asked(stack, household=FLOWAUTH, **published):
    def nowhere(*_):
        raise AssertionError

    return reach.lets_nobody_else_in(
        household,
        World(
            secret=nowhere,
            address=nowhere,
            flowmachine=nowhere,
            published=lambda name: published.get(name, ()),
            our_flowapi=nowhere,
            inside=stack,
        ),
    )


def test_both_are_tried_from_everywhere_by_name_and_by_address(stack):
    outcome = asked(stack)
    assert outcome == Ok("not from edge, flowauth_postgres, flowauth_redis, flowdb")
    for other in ("edge", "flowdb"):
        assert {pair for name, pair in stack.tried if name == other} == {*EVERYTHING, reach.RESOLVER}
    assert {pair for name, pair in stack.tried if name == "flowauth_redis"} == {
        "flowauth_postgres 5432 postgresql", "10.0.1.2 5432 postgresql", reach.RESOLVER,
    }  # fmt: skip


@pytest.mark.parametrize("pair", sorted(EVERYTHING))
def test_one_that_gets_through_is_an_obstacle(stack, pair):
    stack.reached["flowdb"] = {pair}
    outcome = asked(stack)
    assert isinstance(outcome, Obstacle)
    assert outcome.detail == f"can be reached from flowdb: {pair.rpartition(' ')[0]}"


def test_a_network_that_others_share_is_an_obstacle_though_nobody_gets_through_today(stack):
    stack.on["flowdb"] = {"flowdb", "b"}
    assert asked(stack).detail == "flowdb is on a network of flowauth_redis"
    stack.on = {**NETWORKS, "flowauth_redis": {"a"}}
    assert isinstance(asked(stack), Obstacle)


def test_a_published_port_is_an_obstacle(stack):
    assert "publishes port 5432" in asked(stack, flowauth_postgres=[5432]).detail


def test_what_flowauth_itself_does_not_reach_proves_nothing(stack):
    stack.reached["flowauth"] = EVERYTHING - {"10.0.2.2 6379 redis"}
    outcome = asked(stack)
    assert isinstance(outcome, Obstacle)
    assert "flowauth itself does not reach 10.0.2.2 6379" in outcome.detail


def test_an_image_without_any_program_for_it_is_named(stack):
    stack.programs = {"edge": set()}
    outcome = asked(stack)
    assert isinstance(outcome, Ok)
    assert "not tried from edge: its image has no program" in outcome.detail


def test_a_program_that_reaches_nothing_at_all_proves_nothing(stack):
    stack.execute = lambda name, argv: (
        Containers.execute(stack, name, argv) if name == "flowauth" else Execution(0, "", "")
    )
    outcome = asked(stack)
    assert isinstance(outcome, Skip)
    assert "flowdb: its image has no program" in outcome.detail


@pytest.mark.parametrize("program", ["python3", "bash", "sh"])
def test_any_of_the_programs_will_do(stack, program):
    stack.programs = {"flowdb": {program}}
    stack.reached["flowdb"] = {"10.0.1.2 5432 postgresql"}
    assert asked(stack).detail == "can be reached from flowdb: 10.0.1.2 5432"


def test_containers_of_another_node_are_named_rather_than_passed_over(stack):
    stack.absent = {"flowdb": Unasked("flowdb runs on another node"), "edge": ServiceError("no task of edge")}
    outcome = asked(stack)
    assert isinstance(outcome, Ok)
    assert outcome.detail.startswith("not from flowauth_postgres, flowauth_redis; not tried from edge: no task of edge")
    assert "flowdb: flowdb runs on another node" in outcome.detail


def test_a_flowauth_that_cannot_be_asked_leaves_it_open(stack):
    stack.absent = {"flowauth": Unasked("flowauth runs on another node")}
    with pytest.raises(Unasked, match="another node"):
        asked(stack)


def test_airflows_services_share_their_database_and_nobody_else_does(stack):
    stack.on = {
        "flowdb": {"flowdb"},
        "flowetl_db": {"a"},
        "flowetl_redis": {"b"},
        "flowetl_scheduler": {"a", "b"},
        "flowetl_worker": {"a", "b", "flowdb"},
    }
    stack.reached = {"flowetl_scheduler": {"flowetl_db 5432 postgresql", "flowetl_redis 6379 redis"}}
    stack.task_addresses = lambda _: []
    assert asked(stack, AIRFLOW) == Ok("not from flowdb, flowetl_db, flowetl_redis")
    stack.on["flowdb"] = {"flowdb", "a"}
    outcome = asked(stack, AIRFLOW)
    assert outcome.detail == "flowdb is on a network of flowetl_db"
    assert "compose/flowetl.yml" in outcome.fix


@contextmanager
def answering(answer):
    """A server that reads a question and says this; "" for one that takes connections and says nothing."""

    def serve(connection):
        connection.recv(100)
        connection.sendall(answer)

    with fakes.listening(serve) as port:
        yield str(port)


def tells_servers_from_gateways(program):
    """Asked of several servers, of which some only take connections, as gateways do in the name of others."""
    with (
        answering(b"N") as plain,
        answering(b"S") as secure,
        answering(b"-NOAUTH Authentication required.\r\n") as redis,
        answering(b"HTTP/1.1 400 Bad Request\r\n") as gateway,
        answering(b"") as silent,
        socket.create_server(("127.0.0.1", 0)) as gone,
    ):
        closed = str(gone.getsockname()[1])
        gone.close()
        right = [(plain, "postgresql"), (secure, "postgresql"), (redis, "redis"), (gateway, "anything")]
        wrong = [(gateway, "postgresql"), (gateway, "redis"), (silent, "postgresql"), (silent, "redis")]
        wrong += [(closed, "postgresql"), (closed, "anything"), (redis, "postgresql"), (plain, "redis")]
        places = [*(("127.0.0.1", *one) for one in right + wrong), ("no-such-host.invalid", plain, "postgresql")]
        words = [word for place in places for word in place]
        done = subprocess.run([*program, *words], capture_output=True, text=True, check=True, timeout=30)

    assert sorted(done.stdout.splitlines()) == sorted(f"127.0.0.1 {port} {protocol}" for port, protocol in right)


def test_the_python_that_tries_tells_servers_from_gateways_that_take_every_connection():
    tells_servers_from_gateways((sys.executable, "-c", reach.PYTHON))
