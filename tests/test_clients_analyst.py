"""The analyst: flowclient itself, against a FlowAPI of the test's own."""

from pathlib import Path

import pytest
import trustme

from secrets_quickstart.clients.analyst import Analyst, Question, ssl_certificate
from secrets_quickstart.clients.flowapi import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.material import keys, tokens
from secrets_quickstart.sensitive import Sensitive
from tests import verification_fakes as fakes

QUESTION = Question("2016-01-02", "admin3", ("calls", "sms"))
DATES = {"calls": ["2016-01-01", "2016-01-02"], "sms": ["2016-01-02"]}
SPECIFICATION = {
    "query_kind": "spatial_aggregate",
    "locations": {
        "query_kind": "daily_location",
        "date": "2016-01-02",
        "aggregation_unit": "admin3",
        "method": "last",
        "event_types": ["calls", "sms"],
        "subscriber_subset": None,
        "mapping_table": None,
        "geom_table": None,
        "geom_table_join_column": None,
        "hours": None,
    },
}
PROGRESS = {"eligible": 1, "queued": 0, "running": 1}


@pytest.fixture(scope="module")
def token():
    from datetime import timedelta

    return tokens.token("analyst", keys.signing_key(2048), "server", {"verify": ()}, timedelta(minutes=5))


class Api:
    """FlowAPI in FlowKit's words; the dates come late, the result at the second poll."""

    def __init__(self, outcome=(303, {"status": "completed"}, {"Location": "/api/0/get/7"})):
        self.seen = []
        self.late = [{"calls": ["2016-01-01"]}, {"sms": ["2016-01-02"], "calls": ["2016-01-02", "2016-01-01"]}]
        self.polls = [(202, {"status": "executing", "progress": PROGRESS}, {}), outcome]

    def __call__(self, method, path, token, document):
        self.seen.append((method, path, token, document))
        match method, path:
            case "GET", "/api/0/available_dates":
                return 200, {"available_dates": self.late.pop(0)}, {}
            case "POST", "/api/0/run":
                return 202, {"query_id": "7", "progress": PROGRESS}, {"Location": "/api/0/poll/7"}
            case "GET", "/api/0/poll/7":
                return self.polls.pop(0)
            case "GET", "/api/0/get/7":
                return (
                    200,
                    {"query_id": "7", "query_result": [{"pcod": "A", "value": 17}, {"pcod": "B", "value": 40}]},
                    {},
                )
            case _:
                return 404, {"msg": "nothing here"}, {}


def asked(api, token):
    """What an analyst is told by this FlowAPI, over TLS, under a name that only the certificate knows."""
    context, pem = fakes.tls(trustme.CA(), "flowapi.test")
    with fakes.http_server(api, context) as port:
        return Analyst(Place("127.0.0.1", port, "flowapi.test", pem), token).ask(QUESTION, DATES)


def test_flowclient_waits_for_the_dates_and_brings_the_querys_numbers(token):
    api = Api()
    found = asked(api, token)
    assert found.dates == DATES
    assert list(found.rows) == [{"pcod": "A", "value": 17}, {"pcod": "B", "value": 40}]
    assert {seen[2] for seen in api.seen} == {token.text()}
    [run] = [document for method, _, _, document in api.seen if method == "POST"]
    assert run == SPECIFICATION


def test_a_query_that_failed_once_is_said_to_stay_so(token, capfd):
    api = Api(outcome=(500, {"status": "errored", "msg": "The query is errored."}, {}))
    with pytest.raises(ServiceError, match="could not get the query's result") as error:
        asked(api, token)
    assert "empty redis" in error.value.fix
    assert capfd.readouterr() == ("", "")


def test_a_token_that_is_none_is_not_shown_in_the_error():
    with pytest.raises(ServiceError, match="could not connect") as error:
        asked(Api(), Sensitive("no-token-at-all"))
    assert "no-token-at-all" not in f"{error.value}{error.value.fix}{error.value.log}"


def test_flowclient_is_given_the_certificate_when_its_authority_is_in_it(tmp_path):
    _, pem = fakes.tls(trustme.CA(), "flowapi.test")
    given = ssl_certificate(pem, tmp_path)
    assert isinstance(given, str)
    assert Path(given).read_text() == pem


def test_flowclient_is_left_to_public_authorities_when_it_is_not(tmp_path):
    _, pem = fakes.tls(trustme.CA(), "flowapi.test")
    leaf = pem[: pem.index("-----END") + len("-----END CERTIFICATE-----\n")]
    assert ssl_certificate(leaf, tmp_path) is True
    assert ssl_certificate(None, tmp_path) is True
    assert not list(tmp_path.iterdir())
