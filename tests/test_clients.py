"""Clients of FlowDB, redis, FlowMachine and TLS: what they make of each kind of answer."""

import json
import ssl
import warnings

import pytest
import trustme

from secrets_quickstart.clients import flowmachine, tls
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.clients.flowapi import FlowapiClient, Place
from secrets_quickstart.clients.flowdb import FlowdbClient
from secrets_quickstart.clients.flowmachine import FlowmachineClient
from secrets_quickstart.clients.redis_server import RedisClient
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.swarm.containers import Execution
from tests import verification_fakes as fakes

HOST = "127.0.0.1"
SECRET = "s3cretValue"


def told(error):
    """All that a person could come to read of an error."""
    return f"{error.value} {error.value.why} {error.value.fix} {error.value.log}"


def test_redis_lets_in_who_has_its_password():
    with fakes.redis_server(SECRET) as port:
        RedisClient(HOST, port, Sensitive(SECRET)).ping()


@pytest.mark.parametrize("given", [None, Sensitive("another")], ids=["none", "another"])
def test_redis_refuses_another_password_or_none(given):
    with fakes.redis_server(SECRET) as port, pytest.raises(Refused):
        RedisClient(HOST, port, given).ping()


def test_a_redis_without_a_password_is_not_said_to_refuse_one():
    with fakes.redis_server(None) as port:
        RedisClient(HOST, port, None).ping()
        with pytest.raises(ServiceError) as error:
            RedisClient(HOST, port, Sensitive(SECRET)).ping()
    assert not isinstance(error.value, Refused)
    assert "lets anybody in" in str(error.value)
    assert SECRET not in told(error)


def test_a_redis_that_is_not_there_is_told_from_one_that_refuses():
    with pytest.raises(ServiceError) as error:
        RedisClient(HOST, fakes.free_port(), None).ping()
    assert not isinstance(error.value, Refused)


def test_flowdb_refuses_a_wrong_password():
    with fakes.postgres_server({"flowdb": SECRET}) as port, pytest.raises(Refused) as error:
        FlowdbClient(HOST, port, "flowdb", Sensitive("wrong-one")).query("SELECT 1")
    assert "wrong-one" not in told(error)


def test_a_flowdb_that_is_not_there_is_told_from_one_that_refuses():
    with pytest.raises(ServiceError) as error:
        FlowdbClient(HOST, fakes.free_port(), "flowdb", Sensitive(SECRET)).query("SELECT 1")
    assert not isinstance(error.value, Refused)
    assert SECRET not in told(error)


def test_something_else_at_flowdbs_port_does_not_count_as_a_refusal():
    with fakes.listening(lambda connection: connection.recv(8) and None) as port, pytest.raises(ServiceError) as error:
        FlowdbClient(HOST, port, "flowdb", Sensitive(SECRET)).query("SELECT 1")
    assert not isinstance(error.value, Refused)


@pytest.mark.parametrize(
    ("state", "kind"),
    [("42501", Forbidden), ("57014", ServiceError), ("42P01", ServiceError)],
)
def test_what_is_wrong_with_a_question_is_told_in_flowdbs_words(state, kind):
    with fakes.postgres_server({"flowapi": SECRET}, (state, "permission denied")) as port, pytest.raises(kind) as error:
        FlowdbClient(HOST, port, "flowapi", Sensitive(SECRET)).query("SELECT 1")
    assert type(error.value) is kind
    assert SECRET not in told(error)


def reply(status, message, **payload):
    return json.dumps({"status": status, "msg": message, "payload": payload}) + "\n"


def test_flowmachine_is_asked_with_the_first_python_that_has_zeromq():
    asked = []

    def execute(argv):
        asked.append(argv[0])
        if argv[0] == "python3":
            return Execution(1, "", "ModuleNotFoundError: No module named 'zmq'")
        return Execution(0, "banner\n" + reply("success", "pong"), "")

    [answer] = FlowmachineClient(execute).ask(("ping", {}))
    assert (answer.succeeded, answer.message, asked) == (True, "pong", ["python3", "pipenv"])


def test_messages_to_flowmachine_are_arguments_in_order():
    def execute(argv):
        messages = [json.loads(text) for text in argv[argv.index(str(flowmachine.WITHIN)) + 1 :]]
        return Execution(
            0, "".join(reply("success", message["action"], **message["params"]) for message in messages), ""
        )

    answers = FlowmachineClient(execute).ask(("ping", {}), ("poll_query", {"query_id": "7"}))
    assert [(answer.message, answer.payload) for answer in answers] == [("ping", {}), ("poll_query", {"query_id": "7"})]


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        (Execution(flowmachine.SILENT, "", ""), "does not answer"),
        (Execution(127, "", "pipenv: not found"), "not found"),
        (Execution(0, "no json\n", ""), "no form that is known"),
    ],
)
def test_a_flowmachine_that_cannot_be_asked_is_an_error(execution, expected):
    with pytest.raises(ServiceError, match=expected):
        FlowmachineClient(lambda _: execution).ask(("ping", {}))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def idle(connection):
    connection.recv(1)


def test_a_handshake_tells_which_certificate_was_presented(authority):
    context, pem = fakes.tls(authority, "flowkit.api", "localhost")
    with fakes.listening(idle, context) as port:
        shaken = tls.handshake(HOST, port, "flowkit.api", tls.trusting(pem))
    assert shaken.fingerprint == tls.fingerprint(pem)
    assert shaken.version == "TLSv1.3"


def test_a_certificate_of_another_authority_or_name_is_refused(authority):
    context, pem = fakes.tls(authority, "flowkit.api")
    _, foreign = fakes.tls(trustme.CA(), "flowkit.api")
    with fakes.listening(idle, context) as port:
        with pytest.raises(Refused, match="not trusted"):
            tls.handshake(HOST, port, "flowkit.api", tls.trusting(foreign))
        with pytest.raises(Refused, match="not trusted"):
            tls.handshake(HOST, port, "localhost", tls.trusting(pem))


def test_old_tls_is_spoken_with_a_server_that_allows_it_and_with_no_other(authority):
    context, pem = fakes.tls(authority, "localhost")
    with fakes.listening(idle, context) as port, pytest.raises(Refused):
        tls.handshake(HOST, port, "localhost", tls.old_fashioned(pem))
    context, pem = fakes.tls(authority, "localhost")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    with fakes.listening(idle, context) as port:
        shaken = tls.handshake(HOST, port, "localhost", tls.old_fashioned(pem))
    assert shaken.version == "TLSv1.1"


def test_flowapi_is_asked_by_its_certificates_name_with_the_token_as_a_bearer(authority):
    context, pem = fakes.tls(authority, "flowkit.api")
    with fakes.http_server(lambda *asked: (200, list(asked), {}), context) as port:
        reply = FlowapiClient(Place(HOST, port, "flowkit.api", pem), Sensitive("a.b.c")).get("/here")
    assert (reply.status, reply.json()) == (200, ["GET", "/here", "a.b.c", None])


def test_an_untrusted_flowapi_is_never_shown_the_token(authority):
    context, _ = fakes.tls(trustme.CA(), "flowkit.api")
    _, pem = fakes.tls(authority, "flowkit.api")
    seen = []

    def answer(*asked):
        seen.append(asked)
        return 200, {}, {}

    with fakes.http_server(answer, context) as port:
        client = FlowapiClient(Place(HOST, port, "flowkit.api", pem), Sensitive("a.b.c"))
        with pytest.raises(Refused, match="not trusted") as error:
            client.get("/")
    assert not seen
    assert "a.b.c" not in told(error)


def test_a_flowapi_that_is_not_there_is_no_refusal():
    with pytest.raises(ServiceError) as error:
        FlowapiClient(Place(HOST, fakes.free_port())).get("/")
    assert not isinstance(error.value, Refused)
