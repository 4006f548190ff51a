"""FlowAuth alone, with two replicas, and a FlowAPI elsewhere that takes its tokens: two stacks, one after the other.

Each test goes on from the one before it.
"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import docker
import pytest

from secrets_quickstart.clients.analyst import Analyst, Question
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flowapi import FlowapiClient
from secrets_quickstart.clients.flowapi import Place as FlowapiPlace
from secrets_quickstart.clients.flowauth import CSRF_COOKIE, FlowauthClient
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from tests.swarm.eventually import eventually
from tests.swarm.machine import containers, engine, objects
from tests.swarm.neighbour import is_untouched, neighbour

pytestmark = pytest.mark.swarm

AUTH, API = "selftest-auth", "selftest-api"
HTTPS, OF_API = 22443, 22494
PASSWORD = Sensitive("sixteen violet umbrellas dancing")


def ports(last):
    return {
        "FLOWDB_HOST_PORT": f"2243{last}",
        "REDIS_HOST_PORT": f"2247{last}",
        "FLOWAPI_HOST_PORT": f"2249{last}",
        "FLOWAUTH_HOST_PORT": f"2244{last}",
        "EDGE_HTTP_PORT": f"2248{last}",
    }


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    return tmp_path_factory.mktemp("apart")


@pytest.fixture(scope="module")
def auth(where):
    """FlowAuth alone: its replicas say in their logs whom they answered."""
    with neighbour(where / "auth", AUTH, **ports(3), FLOWAUTH_REPLICAS="2", FLOWAUTH_LOG_LEVEL="info") as made:
        made.invoke("deploy", "--target", "flowauth")
        made.invoke("secrets.export-public", str(where / "of-auth"))
        yield made


@pytest.fixture(scope="module")
def api(where, verification_key):
    """A FlowAPI that has no more of that FlowAuth than its verification key."""
    with neighbour(where / "api", API, **ports(4), FLOWDB_SAMPLE_DATA="true") as made:
        made.invoke("secrets.import", "PUBLIC_JWT_SIGNING_KEY", "-", stdin=verification_key.encode())
        made.invoke("deploy", "--target", "flowapi")
        made.invoke("secrets.export-public", str(where / "of-api"))
        yield made


@pytest.fixture(scope="module")
def place(auth):
    return Place("127.0.0.1", HTTPS, "localhost", auth.value("cert-flowauth.pem"))


@pytest.fixture(scope="module")
def verification_key(auth, place):
    """As FlowAuth shows it to its admin."""
    with FlowauthAdmin(place) as client:
        client.sign_in("admin", Sensitive(auth.value("FLOWAUTH_ADMIN_PASSWORD")))
        return client.public_key()


@pytest.fixture
def flowapi(api):
    return FlowapiPlace("127.0.0.1", OF_API, "flowkit.api", api.value("cert-flowkit.pem"))


@pytest.fixture
def admin(auth, place):
    with FlowauthAdmin(place) as client:
        client.sign_in("admin", Sensitive(auth.value("FLOWAUTH_ADMIN_PASSWORD")))
        yield client


@pytest.fixture
def ada(place):
    with FlowauthClient(place) as client:
        client.sign_in("ada", PASSWORD)
        yield client


def replicas():
    found = [item["Id"] for item in containers(AUTH) if service(item) == f"{AUTH}_flowauth"]
    assert len(found) == 2
    return found


def service(item):
    return item["Config"]["Labels"]["com.docker.swarm.service.name"]


def tasks(name):
    wanted = {"service": f"{AUTH}_{name}", "desired-state": "running"}
    return sorted(task["ID"] for task in engine().tasks(filters=wanted))


def link(auth, spec, *more):
    done = auth.invoke("flowauth.link", "--spec", str(spec), *more, "--json")
    return json.loads(done.stdout)


def test_flowauth_alone_serves_only_its_edge_and_verifies_without_a_flowapi(auth):
    document = auth.json("verify", "--target", "flowauth")
    findings = {row["check"]: (row["status"], row["detail"]) for row in document["findings"]}
    assert findings["FlowAuth's token"] == ("skipped", "no FlowAPI runs in this stack")
    assert findings["FlowAuth, no role"] == ("skipped", "no FlowAPI runs in this stack")
    assert {status for status, _ in findings.values()} == {"ok", "skipped"}
    assert findings["FlowAuth's database and redis"][1] == "not from edge, flowauth_postgres, flowauth_redis"
    published = {service(item): [*filter(None, item["NetworkSettings"]["Ports"].values())] for item in containers(AUTH)}
    assert {name for name, bound in published.items() if bound} == {f"{AUTH}_edge"}


def test_the_verification_key_can_be_exported_where_flowauth_is(where, verification_key):
    assert (where / "of-auth" / "PUBLIC_JWT_SIGNING_KEY.pem").read_text() == verification_key


def test_a_flowapi_elsewhere_is_linked_by_its_address(auth, api, where):
    authority = str(where / "of-api" / "ca-flowkit.pem")
    spec = f"https://localhost:{OF_API}"

    assert link(auth, spec, "--ca", authority)["changes"] == 2
    assert link(auth, spec, "--ca", authority)["changes"] == 0
    refused = auth.invoke("flowauth.link", "--spec", spec, expect=None)
    assert refused.status == 1
    assert "not trusted" in refused.stderr


def test_the_unmodified_flowclient_gets_a_result_with_a_token_from_elsewhere(auth, place, flowapi):
    auth.invoke("flowauth.add-user", "ada", "--role", "analyst", "--password-stdin", stdin=PASSWORD.reveal() + b"\n")
    with FlowauthClient(place) as ada:
        ada.sign_in("ada", PASSWORD)
        token = ada.make_token("flowapi_server", "mine", ["analyst"])

    dates = FlowapiClient(flowapi, token).get("/api/0/available_dates").json()["available_dates"]
    found = Analyst(flowapi, token).ask(Question(dates["calls"][-1], "admin3", ("calls",)), dates)

    assert found.rows
    assert {"pcod", "value"} <= set(found.rows[0])
    assert all(row["value"] > 15 for row in found.rows)


def test_the_flowapi_takes_no_token_of_its_own_vaults_making(api, flowapi):
    refused = api.invoke("flowapi.token", expect=None)
    assert refused.status == 1
    assert "Traceback" not in refused.stderr


def test_one_flowauth_serves_several_flowapis(auth, api, where, place, flowapi, ada):
    document = FlowapiClient(flowapi).get("/api/0/spec/openapi.json").json()
    document["components"]["securitySchemes"]["token"]["x-audience"] = "other_server"
    file = where / "other.json"
    file.write_text(json.dumps(document))

    assert link(auth, file)["server"] == "other_server"
    assert link(auth, file)["changes"] == 0
    assert ada.own_servers() == ("flowapi_server",)
    with pytest.raises(Refused):
        ada.make_token("other_server", "x", ["analyst"])
    auth.invoke("flowauth.enable-user", "ada", "--role", "analyst", "--server", "other_server", "--password-stdin",
                stdin=PASSWORD.reveal() + b"\n")  # fmt: skip

    with FlowauthClient(place) as again:
        again.sign_in("ada", PASSWORD)
        assert again.own_servers() == ("flowapi_server", "other_server")
        theirs = again.make_token("other_server", "theirs", ["analyst"])
        ours = again.make_token("flowapi_server", "ours", ["analyst"])
    assert FlowapiClient(flowapi, theirs).get("/api/0/available_dates").status in {401, 422}
    assert FlowapiClient(flowapi, ours).get("/api/0/available_dates").status == 200


def test_who_is_not_given_the_role_gets_403_though_the_token_is_right(auth, place, flowapi, admin):
    [server] = [server for server in admin.servers() if server.name == "flowapi_server"]
    admin.add_role("flowapi_server", "dates", ["get_available_dates"], server.limits)
    admin.add_user("bob", PASSWORD)
    admin.put_into_role("flowapi_server", "dates", "bob")
    with FlowauthClient(place) as bob:
        bob.sign_in("bob", PASSWORD)
        token = bob.make_token("flowapi_server", "dates", ["dates"])
        with pytest.raises(Refused):
            bob.make_token("flowapi_server", "more", ["analyst"])

    client = FlowapiClient(flowapi, token)
    locations = {"query_kind": "daily_location", "date": "2016-01-01", "method": "last", "aggregation_unit": "admin3"}
    assert client.get("/api/0/available_dates").status == 200
    assert client.post("/api/0/run", {"query_kind": "spatial_aggregate", "locations": locations}).status == 403


ASK = """
import json, sys, urllib.error, urllib.request
method, path, body, cookies, token = sys.argv[1:]
headers = {"Content-Type": "application/json", "Cookie": cookies, "X-CSRF-Token": token}
request = urllib.request.Request("http://127.0.0.1:80" + path, body.encode() or None, headers, method=method)
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def ask(container, method, path, body="", client=None):
    """The status that one replica gives, asked from within; its session is that of `client`."""
    cookies = {} if client is None else dict(client._client.cookies)
    jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
    api = engine()
    argv = ["python3", "-c", ASK, method, path, body, jar, cookies.get(CSRF_COOKIE, "")]
    started = api.exec_create(container, argv)
    return int(api.exec_start(started["Id"]).decode())


def test_a_session_that_one_replica_began_goes_on_at_the_other(auth, ada):
    ada.own_servers()  # after which the client has the session's cookies
    for replica in replicas():
        assert ask(replica, "GET", "/is_signed_in", client=ada) == 200
        assert ask(replica, "GET", "/is_signed_in") == 401
        assert ask(replica, "POST", "/user/disable_two_factor", "{}", client=ada) == 200


def test_the_edge_asks_both(ada):
    client = ada._client
    seen = set()

    def served():
        seen.add(client.get("/is_signed_in").headers["X-Request-ID"])
        logs = [engine().logs(replica).decode() for replica in replicas()]
        return all(any(request in log for request in seen) for log in logs)

    eventually(served)


def test_a_code_that_one_replica_took_is_refused_by_both(auth, place, admin):
    admin.add_user("two", PASSWORD)
    with FlowauthClient(place) as two:
        two.sign_in("two", PASSWORD)
        offer = two.offer_two_factor()
        eventually(lambda: time.time() % 30 < 22)
        code = offer.code(datetime.now(UTC))
        two.confirm_two_factor(offer, code)

    body = json.dumps({"username": "two", "password": PASSWORD.text(), "two_factor_code": code})
    assert [ask(replica, "POST", "/signin", body) for replica in replicas() * 2] == [401] * 4
    backup = body.replace(code, offer.backup_codes[0].text())
    first, second = replicas()
    assert [ask(first, "POST", "/signin", backup), ask(second, "POST", "/signin", backup)] == [200, 401]


@contextmanager
def meanwhile(work, people):
    """Do that again and again, several times at once, as long as the context lasts; raises what it raised."""
    over = threading.Event()

    def keep_working():
        while not over.is_set():
            work()

    with ThreadPoolExecutor(people) as pool:
        working = [pool.submit(keep_working) for _ in range(people)]
        try:
            yield
        finally:
            over.set()
        for each in working:
            each.result()


def running(name):
    for task in engine().tasks(filters={"service": f"{AUTH}_{name}", "desired-state": "running"}):
        if task["Status"]["State"] == "running":
            yield task["ID"]


def test_a_replica_that_is_killed_takes_no_request_with_it(ada):
    client, statuses = ada._client, []
    before = tasks("flowauth")
    with meanwhile(lambda: statuses.append(client.get("/is_signed_in").status_code), 4):
        eventually(lambda: len(statuses) > 20)
        engine().kill(replicas()[0])
        eventually(lambda: tasks("flowauth") != before and len([*running("flowauth")]) == 2)

    assert set(statuses) == {200}


def scale(name, replicas):
    with closing(docker.from_env(version="auto")) as client:
        client.services.get(f"{AUTH}_{name}").scale(replicas)


def test_a_database_that_restarts_in_the_middle_of_sign_ins_is_outlived(place):
    before, outcomes = tasks("flowauth"), []

    def sign_in():
        with FlowauthClient(place) as client:
            try:
                client.sign_in("ada", PASSWORD)
                outcomes.append("in")
            except ServiceError as error:
                outcomes.append(error.why)

    def let_in():
        return outcomes[-6:] == ["in"] * 6

    with meanwhile(sign_in, 3):
        eventually(let_in)
        scale("flowauth_postgres", 0)
        eventually(lambda: not let_in())
        scale("flowauth_postgres", 1)
        eventually(let_in)

    assert set(outcomes) == {"in", "The database cannot be reached just now. Try again in a moment."}
    assert tasks("flowauth") == before


def test_a_second_deploy_of_each_changes_nothing(auth, api):
    for machine, target in ((auth, "flowauth"), (api, "flowapi")):
        machine.invoke("deploy", "--target", target)  # the test before killed what it counts
        before = objects(machine.stack)
        assert machine.json("deploy", "--target", target)["changes"] == 0
        assert objects(machine.stack) == before


def test_users_roles_and_sessions_outlive_down_and_up(auth, place, admin, ada):
    before = admin.users(), admin.roles(), admin.servers()
    auth.invoke("down")
    assert objects(AUTH)["services"] == {}

    auth.invoke("deploy", "--target", "flowauth")

    assert (admin.users(), admin.roles(), admin.servers()) == before
    assert ada.is_signed_in()
    with FlowauthClient(place) as again:
        again.sign_in("ada", PASSWORD)


def test_a_purge_leaves_nothing_of_one_and_the_other_alone(auth, api, flowapi):
    others = objects(API)
    auth.invoke("purge", "--stack", AUTH)

    assert is_untouched(auth)
    assert not [*containers(AUTH)]
    assert objects(API) == others
    assert FlowapiClient(flowapi).get("/api/0/spec/openapi.json").status == 200
