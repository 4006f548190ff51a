"""Any request to FlowAuth and to FlowAPI, right or wrong by their own descriptions: none is answered with a 5xx.

What is sent is made up anew from the descriptions, the same each time.
"""

import time
from collections import Counter
from http.cookiejar import DefaultCookiePolicy

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from secrets_quickstart.clients.flowapi import FlowapiClient
from secrets_quickstart.clients.flowapi import Place as FlowapiPlace
from secrets_quickstart.clients.flowauth import CSRF_COOKIE, CSRF_HEADER
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.https import Place
from secrets_quickstart.sensitive import Sensitive
from tests.swarm.machine import ports
from tests.swarm.neighbour import neighbour

pytestmark = pytest.mark.swarm

STACK = "selftest-any"
PORTS = ports(30500)
HTTPS, OF_API = (int(PORTS[name]) for name in ("FLOWAUTH_HOST_PORT", "FLOWAPI_HOST_PORT"))
PASSWORD = Sensitive("sixteen violet umbrellas dancing")
EXAMPLES = 12
"""Of each operation, right ones and wrong ones each."""
LONGEST = 60
"""Seconds for each service; after them, no more is sent."""


MADE_UP = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with neighbour(tmp_path_factory.mktemp("any") / "here", STACK, 30500, FLOWDB_SAMPLE_DATA="true") as made:
        for target in ("flowapi", "flowauth"):  # all of FlowKit would start an Airflow, too
            made.invoke("deploy", "--target", target)
        made.invoke("flowauth.link")
        yield made


def answered(document, url, trust, prepare, **options):
    """How often each status was the answer; fails at the first that is a server error."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    end, seen = time.monotonic() + LONGEST, Counter[tuple[str, int]]()
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # signing out is asked for as well

    def send(case):
        if time.monotonic() > end:
            return
        prepare(case)
        answer = case.call(session=session, verify=trust, timeout=60, **options)
        seen[case.operation.label, answer.status_code] += 1
        assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.text}"

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                MADE_UP(given(case=operation.as_strategy(generation_mode=mode))(send))()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, operation.label  # nothing can be wrong with it
    return seen


def statuses(seen, label):
    return {status for (operation, status) in seen if operation == label}


def test_no_request_is_answered_by_flowauth_with_a_server_error(machine, tmp_path):
    place = Place("127.0.0.1", HTTPS, "localhost", machine.value("cert-flowauth.pem"))
    (tmp_path / "trust.pem").write_text(machine.value("ca-flowkit.pem"))
    with FlowauthAdmin(place) as admin:
        admin.sign_in("admin", Sensitive(machine.value("FLOWAUTH_ADMIN_PASSWORD")))
        admin.add_user("ada", PASSWORD)
        [server] = admin.servers()
        admin.add_role(server.name, "dates", ["get_available_dates"], server.limits)
        mine, number = admin._users()["admin"], admin.server_number(server.name)
        known = {
            "user_id": admin._users()["ada"],
            "server_id": number,
            "role_id": admin._role(number, server.name, "dates").number,
        }
        document = admin._get("/spec/openapi.json", "describe itself", dict)
        cookies = dict(admin._client.cookies) if admin._client is not None else {}

    def prepare(case):
        """Mostly about what there is, which is not removed; and never about who asks, who could ask no more."""
        for name, value in case.path_parameters.items():
            if case.method == "DELETE":
                case.path_parameters[name] = 0 if value in {mine, *known.values()} else value
            elif isinstance(value, int) and (value == mine or value % 4):
                case.path_parameters[name] = known[name]

    seen = answered(
        document,
        f"https://localhost:{HTTPS}",
        str(tmp_path / "trust.pem"),
        prepare,
        cookies=cookies,
        headers={CSRF_HEADER: cookies[CSRF_COOKIE], "Referer": place.origin},
    )
    assert sum(seen.values()) > 300
    assert len({label for label, _ in seen}) == sum(len(methods) for methods in document["paths"].values())
    for label in ("GET /admin/users", "POST /admin/users", "PATCH /roles/{role_id}", "GET /signout"):
        assert 200 in statuses(seen, label), seen


def test_no_request_is_answered_by_flowapi_with_a_server_error(machine, tmp_path):
    place = FlowapiPlace("127.0.0.1", OF_API, "localhost", machine.value("cert-flowkit.pem"))
    (tmp_path / "trust.pem").write_text(machine.value("ca-flowkit.pem"))
    document = FlowapiClient(place).get("/api/0/spec/openapi.json").json()
    token = machine.invoke("flowapi.token").stdout.strip()

    seen = answered(
        document,
        f"https://localhost:{OF_API}",
        str(tmp_path / "trust.pem"),
        lambda _: None,
        headers={"Authorization": f"Bearer {token}"},
    )
    assert sum(seen.values()) > 200
    assert statuses(seen, "POST /api/0/run") >= {202, 400}
