"""FlowAuth's client, held against answers that FlowAuth seldom gives."""

import http.server
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.clients.flowauth import CodeNeeded, FlowauthClient, TooManyAttempts, refusal
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.flowauth_records import moment, two_factor_code
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from tests import flowauth_running as real
from tests import verification_fakes as fakes


def test_codes_are_those_of_the_standard():
    """RFC 6238, appendix B: the last six digits of its eight."""
    secret = Sensitive("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        assert two_factor_code(secret, datetime.fromtimestamp(seconds, UTC)) == code


@pytest.mark.parametrize(
    "text", ["Thu, 31 Dec 2099 23:59:59 GMT", "2099-12-31T23:59:59.000000Z", "2099-12-31T23:59:59Z"]
)
def test_both_of_flowauths_ways_to_write_a_date_are_read(text):
    assert moment(text) == datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_a_date_without_a_zone_is_utc_and_one_with_a_zone_becomes_it():
    assert moment("2099-12-31T23:59:59") == datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert moment("Thu, 31 Dec 2099 23:59:59 -0000") == datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert str(moment("2100-01-01T00:59:59+01:00")) == "2099-12-31 23:59:59+00:00"


@pytest.mark.parametrize("text", [None, 7, "", "soon", "2099-13-01T00:00:00Z"])
def test_what_is_no_date_is_an_error(text):
    with pytest.raises(ServiceError, match="a date that is none"):
        moment(text)


class Answers:
    """A FlowAuth that gives these answers, one after the other."""

    def __init__(self, *answers):
        self.left = list(answers)
        self.seen = []

    def __call__(self, method, path, _token, document):
        self.seen.append((method, path, document))
        status, content, *headers = self.left.pop(0)
        return status, content, headers[0] if headers else {}


@contextmanager
def answering(answers, context=None):
    """The fakes' server, which knows PATCH as well."""
    with pytest.MonkeyPatch.context() as patched:
        handler = http.server.BaseHTTPRequestHandler
        patched.setattr(handler, "do_PATCH", lambda request: request.do_POST(), raising=False)
        with fakes.http_server(answers, context) as port:
            yield port


def asked(answers, name=real.NAME, trust=None, attempt=lambda client: client.version()):
    context, pem = fakes.tls(trustme.CA(), real.NAME)
    with (
        answering(answers, context) as port,
        FlowauthAdmin(Place("127.0.0.1", port, name, trust or pem)) as client,
    ):
        return attempt(client)


def test_a_strangers_certificate_is_refused():
    _, strange = fakes.tls(trustme.CA(), real.NAME)
    answers = Answers()
    with pytest.raises(Refused, match="not trusted"):
        asked(answers, trust=strange)
    assert answers.seen == []


def test_a_certificate_for_another_name_is_refused():
    with pytest.raises(Refused, match="not trusted"):
        asked(Answers(), name="flowauth.example")


def test_without_a_certificate_this_machine_trusts_whom_it_trusts():
    context, _ = fakes.tls(trustme.CA(), real.NAME)
    with fakes.http_server(Answers(), context) as port:
        client = FlowauthClient(Place("127.0.0.1", port, real.NAME))
        with client, pytest.raises(Refused, match="not trusted"):
            client.version()


def test_nothing_is_said_in_the_clear():
    answers = Answers((200, {"version": "1"}))
    with fakes.http_server(answers) as port:
        client = FlowauthClient(Place("127.0.0.1", port, real.NAME))
        with client, pytest.raises(ServiceError, match="no TLS"):
            client.sign_in("ada", real.USER_PASSWORD)
    assert answers.seen == []


def test_nobody_there_is_an_error_with_a_way_on():
    client = FlowauthClient(Place("127.0.0.1", fakes.free_port(), real.NAME))
    with client, pytest.raises(ServiceError, match="does not answer") as error:
        client.version()
    assert "invoke status" in error.value.fix


@pytest.mark.parametrize("content", ["<h1>Bad gateway</h1>", ""])
def test_the_edges_own_answer_is_told_from_flowauths(content):
    with pytest.raises(ServiceError, match="the edge answers in its place"):
        asked(Answers((502, content)))


@pytest.mark.parametrize("content", [{}, [], "a page", {"release": 7}, [{"capability": "x"}]])
def test_an_answer_of_another_form_is_no_traceback(content):
    with pytest.raises(ServiceError):
        asked(Answers((200, content)))
    with pytest.raises(ServiceError):
        asked(Answers((200, content)), attempt=lambda client: client.sign_in("ada", real.USER_PASSWORD))
    if content != []:
        with pytest.raises(ServiceError):
            asked(Answers((200, content)), attempt=lambda client: client.roles())


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (400, {"message": "Username already exists.", "bad_field": "username"}, ServiceError),
        (400, {"need_two_factor": True, "message": "Must supply a code."}, CodeNeeded),
        (401, {"message": "Set it up first.", "require_two_factor_setup": True}, Forbidden),
        (401, None, Refused),
        (403, None, Forbidden),
        (404, {"message": "There is no such role."}, ServiceError),
        (409, {"message": "Somebody else has just changed this."}, ServiceError),
        (429, {"message": "Too many attempts."}, TooManyAttempts),
        (500, None, ServiceError),
        (503, {"message": "The database cannot be reached."}, ServiceError),
    ],
)
def test_every_refusal_says_what_why_and_what_to_do(status, content, kind):
    error = refusal("make the user ada", status, content, "", "")
    assert type(error) is kind
    assert str(error).startswith("FlowAuth did not make the user ada: ")
    assert error.fix
    if content:
        assert content["message"] in str(error)


def test_a_csrf_refusal_is_in_flowauths_words():
    assert "CSRF error" in str(refusal("do it", 401, None, "CSRF error", ""))
    assert "<html>" not in str(refusal("do it", 500, None, "<html>a page</html>", ""))


def test_a_role_gets_its_scopes_back_from_a_flowauth_that_empties_it():
    """As the official one may, which makes every scope of the server anew."""
    servers, users = [{"id": 1, "name": "toy"}], [{"id": 5, "name": "ada"}]
    role = {"id": 3, "name": "analyst", "server": 1, "users": [5], "longest_token_life_minutes": 9}
    role["latest_token_expiry"] = "2099-12-31T23:59:59.000000Z"
    scopes = {"old": [{"id": 1, "name": "run"}, {"id": 2, "name": "fly"}]}
    scopes["new"] = [{"id": 11, "name": "run"}, {"id": 12, "name": "dive"}]
    state: dict[str, Any] = {"now": "old", "held": [1, 2]}

    def answer(method, path, _token, document):
        match method, path:
            case _, "/admin/servers":
                found = servers
            case _, "/admin/users":
                found = users
            case "POST", "/admin/servers/1/scopes":
                assert document == {"run": True, "dive": True}
                state.update(now="new", held=[])
                found = scopes["new"]
            case _, "/admin/servers/1/scopes":
                found = scopes[state["now"]]
            case "PATCH", "/roles/3":
                state["held"] = document["scopes"]
                found = []
            case _, "/roles/":
                found = [{**role, "scopes": state["held"]}]
        return 200, found, {}

    asked(answer, attempt=lambda client: client.set_scopes("toy", {"run": True, "dive": True}))
    assert state["held"] == [11]
