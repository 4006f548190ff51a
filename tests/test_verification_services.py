"""What verification finds in FlowDB's roles, redis and FlowMachine."""

import pytest

from secrets_quickstart.checks import verification_flowdb as flowdb
from secrets_quickstart.checks import verification_flowmachine as machine
from secrets_quickstart.checks.check import Obstacle, Ok
from secrets_quickstart.checks.verification_world import Address, Unasked, World
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.clients.flowmachine import Answer
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from tests import verification_fakes as fakes

PASSWORD = "right-one"
NO_POWERS = (False,) * 5


class Database:
    """FlowDB as one role meets it: answers by statement, or an error in their place."""

    def __init__(self, *, trusting=False, **changed):
        self.trusting = trusting
        self.answers = {
            "SELECT version FROM flowdb_version()": [("1.34.0",)],
            "SELECT current_user": [("flowapi",)],
            "SELECT 1": [(1,)],
            flowdb.POWERS: [NO_POWERS],
            flowdb.ASKED_BY_QUERIES: [("calls",), ("sms",)],
            flowdb.EVENTS: [("calls", True), ("calls_20160101", False), ("sms", True)],
            flowdb.MACHINE_RIGHTS: [(True, True, True)],
            flowdb.API_RIGHTS: [(True,)],
        }
        self.answers |= {getattr(flowdb, name, name): value for name, value in changed.items()}
        self.asked_as = []

    def query(self, statement):
        answer = self.answers[statement]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Known(World):
    """A deployment whose FlowDB is a `Database`."""

    database: Database

    def flowdb(self, user, password):
        self.database.asked_as.append((user, password.text()))
        if password.text() != PASSWORD and not self.database.trusting:
            raise Refused("FlowDB refuses", why="password authentication failed")
        return self.database


def nowhere(*_):
    raise AssertionError


def world(kind=World, **given):
    secrets = {name: Sensitive(PASSWORD) for name in (*(role.password for role in flowdb.ROLES), "REDIS_PASSWORD")}
    secrets["FLOWAPI_FLOWDB_USER"] = Sensitive("reader")
    plan = {"secret": secrets.get, "address": nowhere, "flowmachine": nowhere, "published": nowhere}
    return kind(**{**plan, "our_flowapi": nowhere, **given})


def knowing(database):
    here = world(Known)
    object.__setattr__(here, "database", database)
    return here


def test_each_role_is_asked_under_its_own_name():
    database = Database()
    for role in flowdb.ROLES:
        assert flowdb.answers(role, knowing(database)) == Ok("FlowDB 1.34.0")
    assert [user for user, _ in database.asked_as] == ["flowdb", "flowmachine", "reader"]


def test_a_role_that_may_not_ask_for_the_version_is_still_let_in():
    database = Database(**{"SELECT version FROM flowdb_version()": Forbidden("no")})
    assert flowdb.answers(flowdb.FLOWAPI, knowing(database)) == Ok("answers flowapi")


def test_a_wrong_password_that_is_refused_is_right_and_is_never_the_right_one():
    database = Database()
    assert isinstance(flowdb.refuses(flowdb.OWNER, knowing(database)), Ok)
    assert database.asked_as[0][1] != PASSWORD


def test_a_flowdb_that_takes_any_password_is_an_obstacle():
    assert isinstance(flowdb.refuses(flowdb.OWNER, knowing(Database(trusting=True))), Obstacle)


def test_a_password_that_the_vault_does_not_hold_is_not_guessed():
    with pytest.raises(Unasked, match="FLOWDB_POSTGRES_PASSWORD"):
        flowdb.answers(flowdb.OWNER, world(secret=lambda _: None))


def test_flowmachine_needs_the_tables_that_queries_ask_and_not_each_days_own():
    assert isinstance(flowdb.flowmachine_rights(knowing(Database())), Ok)


@pytest.mark.parametrize(
    ("changed", "detail"),
    [
        ({"POWERS": [(True, *NO_POWERS[1:])]}, "powers of an administrator"),
        ({"EVENTS": [("calls", False), ("sms", True)]}, "cannot read events.calls"),
        ({"MACHINE_RIGHTS": [(False, True, True)]}, "no member of the role flowmachine"),
        ({"MACHINE_RIGHTS": [(True, False, True)]}, "cannot make tables"),
        ({"MACHINE_RIGHTS": [(True, True, False)]}, "cannot see which dates"),
    ],
)
def test_flowmachine_with_other_rights_is_an_obstacle(changed, detail):
    outcome = flowdb.flowmachine_rights(knowing(Database(**changed)))
    assert isinstance(outcome, Obstacle)
    assert detail in outcome.detail


CLOSED = [("calls", False), ("calls_20160101", False)]


def test_flowapi_that_reads_no_event_is_right():
    assert isinstance(flowdb.flowapi_rights(knowing(Database(EVENTS=CLOSED))), Ok)


@pytest.mark.parametrize(
    ("changed", "detail"),
    [
        ({"EVENTS": [*CLOSED, ("sms_20160101", True)]}, "can read 1 of the 3 tables"),
        ({"EVENTS": CLOSED, "POWERS": [(*NO_POWERS[1:], True)]}, "powers of an administrator"),
        ({"EVENTS": CLOSED, "API_RIGHTS": [(False,)]}, "no access to the schemas"),
    ],
)
def test_flowapi_with_other_rights_is_an_obstacle(changed, detail):
    outcome = flowdb.flowapi_rights(knowing(Database(**changed)))
    assert isinstance(outcome, Obstacle)
    assert detail in outcome.detail


def redis_at(port):
    return world(address=lambda _: Address("127.0.0.1", port))


def test_a_redis_with_the_vaults_password_passes():
    with fakes.redis_server(PASSWORD) as port:
        assert isinstance(machine.redis_answers(redis_at(port)), Ok)
        assert isinstance(machine.redis_refuses_nobody(redis_at(port)), Ok)
        assert isinstance(machine.redis_refuses_a_wrong_password(redis_at(port)), Ok)


def test_a_redis_without_a_password_fails_each_check():
    with fakes.redis_server(None) as port:
        assert isinstance(machine.redis_refuses_nobody(redis_at(port)), Obstacle)
        for check in (machine.redis_answers, machine.redis_refuses_a_wrong_password):
            with pytest.raises(ServiceError, match="lets anybody in"):
                check(redis_at(port))


def test_a_redis_with_another_password_than_the_vaults_is_an_obstacle():
    with fakes.redis_server("another") as port, pytest.raises(Refused):
        machine.redis_answers(redis_at(port))


class Machine:
    def __init__(self, pong, known):
        self.answers = [Answer(pong == "pong", pong, {}), Answer(False, known, {})]

    def ask(self, *questions):
        assert [action for action, _ in questions] == ["ping", "poll_query"]
        return self.answers


@pytest.mark.parametrize(
    ("pong", "known", "kind"),
    [
        ("pong", "Unknown query id: '000'", Ok),
        ("pong", "Could not get reply for message", Obstacle),
        ("what?", "Unknown query id: '000'", Obstacle),
    ],
)
def test_flowmachine_must_answer_and_find_redis(pong, known, kind):
    outcome = machine.flowmachine_answers(world(flowmachine=lambda: Machine(pong, known)))
    assert isinstance(outcome, kind)


def greeter(connection):
    connection.sendall(b"\xff\0\0\0\0\0\0\0\x01\x7f")


@pytest.mark.parametrize(
    ("ports", "serve", "kind"),
    [
        ([5555], None, Obstacle),
        ([], greeter, Obstacle),
        ([], lambda connection: connection.sendall(b"220 mail"), Ok),
        ([], None, Ok),
    ],
    ids=["published", "a ZeroMQ server answers", "another server", "nobody"],
)
def test_flowmachines_port_must_not_be_reached_from_here(ports, serve, kind):
    if serve is None:
        outcome = machine.flowmachine_is_private(world(published=lambda _: ports, flowmachine_port=fakes.free_port()))
    else:
        with fakes.listening(serve) as port:
            outcome = machine.flowmachine_is_private(world(published=lambda _: ports, flowmachine_port=port))
    assert isinstance(outcome, kind)
