"""The local FlowAPI image on a real engine, with the local FlowDB image and a FlowMachine stand-in.

Takes the newest local images flowkit/flowapi and flowkit/flowdb, unless the variables
FLOWAPI_IMAGE and FLOWDB_IMAGE name others.
"""

import json
import os
import ssl
import time
import uuid
import warnings
from datetime import timedelta
from pathlib import Path

import docker
import flowclient
import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flowkit_jwt_generator.jwt import generate_token

from tests.swarm.eventually import eventually

pytestmark = pytest.mark.swarm

HERE = Path(__file__).parent
SCHEMAS = HERE.parent / "data" / "flowmachine_query_schemas_1.34.json"
PASSWORD = "p@s:s/w#r%d?& \\"
IDENTIFIER = "image_test"
QUERY = [
    "admin3:spatial_aggregate:spatial_aggregate",
    "admin3:spatial_aggregate:daily_location",
]
ALL = {"all": ["run", "get_result", "get_available_dates", "admin3:geography:geography", *QUERY]}
SPEC = {
    "query_kind": "spatial_aggregate",
    "locations": {
        "query_kind": "daily_location",
        "date": "2016-01-01",
        "method": "last",
        "aggregation_unit": "admin3",
    },
}
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def newest_image(engine, name):
    if named := os.environ.get(f"{name.upper()}_IMAGE"):
        return named
    tagged = [
        (image.attrs["Created"], tag)
        for image in engine.images.list()
        for tag in image.tags
        if tag.startswith(f"flowkit/{name}:")
    ]
    if not tagged:
        pytest.fail(f"no local image of {name}: build it first, or name one in {name.upper()}_IMAGE")
    return max(tagged)[1]


def token(roles=ALL, **changes):
    arguments = {
        "flowapi_identifier": IDENTIFIER,
        "username": "ada",
        "private_key": PRIVATE,
        "lifetime": timedelta(hours=1),
        "roles": roles,
    }
    return generate_token(**(arguments | changes))


class Deployment:
    """FlowAPI, a FlowMachine stand-in and FlowDB on a network of their own."""

    def __init__(self, folder):
        self.engine = docker.from_env()
        self.image = newest_image(self.engine, "flowapi")
        self.flowdb_image = newest_image(self.engine, "flowdb")
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.network = self.engine.networks.create(f"flowapi-test-{uuid.uuid4().hex[:8]}")
        self.containers = []

    def start(self, name, image, command=None, **more):
        container = self.engine.containers.create(image, command, network=None, **more)
        self.containers.append(container)
        self.network.connect(container, aliases=[name])
        container.start()
        return container

    def start_flowapi(self):
        authority = trustme.CA()
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(self.ca)
        secrets = self.folder / "secrets"
        secrets.mkdir()
        leaf.private_key_pem.write_to_path(secrets / "key-flowkit.pem")
        for pem in leaf.cert_chain_pems:
            pem.write_to_path(secrets / "cert-flowkit.pem", append=True)
        public = PRIVATE.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (secrets / "PUBLIC_JWT_SIGNING_KEY").write_bytes(public)
        (secrets / "FLOWAPI_FLOWDB_PASSWORD").write_text(f"{PASSWORD}\n")
        (secrets / "FLOWAPI_IDENTIFIER").write_text(IDENTIFIER)
        for folder in (self.folder, *self.folder.parents):  # for a uid that is not ours
            if folder.stat().st_uid == os.getuid():
                folder.chmod(folder.stat().st_mode | 0o011)
        secrets.chmod(0o755)
        for file in secrets.iterdir():
            file.chmod(0o444)
        self.flowapi = self.start(
            "flowapi",
            self.image,
            environment={
                "FLOWMACHINE_HOST": "flowmachine",
                "FLOWMACHINE_PORT": "5555",
                "FLOWDB_HOST": "flowdb",
                "FLOWDB_PORT": "5432",
                "FLOWAPI_FLOWDB_USER": "flowapi",
                "FLOWAPI_LOG_LEVEL": "debug",
                "FLOWAPI_FLOWMACHINE_TIMEOUT": "3",
            },
            volumes=[f"{secrets}:/run/secrets:ro"],
            ports={"9090/tcp": ("127.0.0.1", None)},
            user="54321:54321",
            read_only=True,
            cap_drop=["ALL"],
        )
        self.flowapi.reload()
        port = self.flowapi.ports["9090/tcp"][0]["HostPort"]
        self.url = f"https://127.0.0.1:{port}"
        self.client = httpx.Client(
            base_url=self.url,
            verify=self.client_context(),
            headers={"Authorization": f"Bearer {token()}"},
            timeout=60,
        )
        eventually(lambda: self.client.get("/").status_code == 200)

    def client_context(self):
        return ssl.create_default_context(cafile=self.ca)

    def start_flowmachine(self):
        self.flowmachine = self.start(
            "flowmachine",
            self.image,
            ["python", "/stand_in.py", "/schemas.json"],
            volumes=[
                f"{HERE / 'flowmachine_stand_in.py'}:/stand_in.py:ro",
                f"{SCHEMAS}:/schemas.json:ro",
            ],
            init=True,
        )
        eventually(lambda: self.client.get("/api/0/available_dates").status_code == 200)

    def start_flowdb(self):
        passwords = ("FLOWDB_POSTGRES_PASSWORD", "FLOWMACHINE_FLOWDB_PASSWORD")
        self.flowdb = self.start(
            "flowdb",
            self.flowdb_image,
            environment={
                **dict.fromkeys(passwords, "x" * 16),
                "FLOWAPI_FLOWDB_PASSWORD": PASSWORD,
                "SHARED_BUFFERS_SIZE": "128MB",
                "EFFECTIVE_CACHE_SIZE": "128MB",
                "MAX_LOCKS_PER_TRANSACTION": "64",
            },
        )

    def remove(self):
        for container in self.containers:
            container.remove(force=True, v=True)
        self.network.remove()
        self.client.close()
        self.engine.close()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("flowapi"))
    try:
        made.start_flowapi()
        made.start_flowmachine()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def running(deployment):
    """The whole of it, FlowDB last: FlowAPI has to wait for it."""
    assert deployment.client.get("/api/0/get/rows").status_code == 503
    assert deployment.client.get("/").status_code == 200
    deployment.start_flowdb()
    eventually(lambda: deployment.client.get("/api/0/get/rows").status_code == 200)
    return deployment


@pytest.fixture(scope="module")
def connection(running):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # httpx's, about flowclient's arguments
        connection = flowclient.connect(url=running.url, token=token(), ssl_certificate=str(running.ca))
    yield connection
    connection.session.close()


def test_it_came_up_before_flowdb_and_went_on_once_there_was_one(running):
    running.flowapi.reload()
    assert running.flowapi.attrs["RestartCount"] == 0
    assert running.flowapi.status == "running"


def test_the_health_check_in_the_image_passes(running):
    assert running.flowapi.exec_run(["python", "-m", "flowapi.ready"]).exit_code == 0


def test_the_document_lists_every_scope_and_is_the_same_as_yaml(running):
    document = running.client.get("/api/0/spec/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["token"]
    assert len(scheme["x-security-scopes"]) == 627
    assert scheme["x-audience"] == IDENTIFIER
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(running.client.get("/api/0/spec/openapi.yaml").text) == document


def test_the_page_needs_nothing_from_elsewhere(running):
    page = running.client.get("/api/0/spec/redoc")
    assert "//" not in page.text.replace('[src^="https:"]', "")
    script = running.client.get("/api/0/spec/redoc.standalone.js")
    assert script.status_code == 200
    assert len(script.content) > 500_000


def test_flowclient_runs_a_query_and_gets_its_rows(connection):
    query = connection.make_api_query(SPEC)
    query.run()
    frame = query.get_result(disable_progress=True)
    assert frame.pcod.tolist() == ['a,"b"']
    assert frame.value.tolist() == [50]


def test_flowclient_gets_geography_dates_and_checks(connection):
    regions = flowclient.get_geography(connection=connection, aggregation_unit="admin3")
    assert [feature["properties"]["pcod"] for feature in regions["features"]] == ["r1", "r2", "r3"]
    assert flowclient.get_available_dates(connection=connection) == {"calls": ["2016-01-01"]}
    checks = flowclient.get_available_qa_checks(connection=connection)
    assert checks == [{"cdr_type": "calls", "type_of_query_or_check": "count"}]
    outcome = flowclient.get_qa_check_outcome(
        connection=connection, event_type="calls", check_type="count", event_date="2016-01-01"
    )
    assert outcome == "600"


def test_values_keep_their_kinds_and_digits(running):
    reply = running.client.get("/api/0/get/rows.json")
    assert reply.headers["content-disposition"] == "attachment;filename=rows.json"
    (row,) = reply.json()["query_result"]
    assert row == {
        "pcod": 'a,"b"',
        "value": 50,
        "share": 1.25,
        "day": "2016-01-01",
        "extra": {"k": [1, 2]},
        "nothing": None,
        "odd": None,
    }
    table = running.client.get("/api/0/get/rows.csv").text.splitlines()
    assert table[0] == "pcod,value,share,day,extra,nothing,odd"
    assert table[1].startswith('"a,""b""",50,1.25,2016-01-01,')


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("poll/rows", 303),
        ("poll/running", 202),
        ("poll/nope", 404),
        ("get/running", 202),
        ("get/nope", 404),
        ("get/rows.xls", 400),
        ("get/forbidden", 500),
        ("geography/admin7", 403),
        ("qa/calls/count", 400),
        ("qa/calls/count/2016-13-01", 400),
        ("qa/calls/other/2016-01-01", 404),
        ("nope", 404),
    ],
)
def test_other_replies_have_their_status(path, status, running):
    reply = running.client.get(f"/api/0/{path}")
    assert reply.status_code == status
    if status >= 400:
        assert reply.json()["msg"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        (f"Bearer {token(lifetime=timedelta(minutes=-1))}", 401),
        ("Bearer junk", 422),
        (f"Bearer {token(flowapi_identifier='another')}", 422),
        (f"Bearer {token(roles={})}", 403),
        (f"Bearer {token(roles={'one': ['run'], 'two': QUERY})}", 403),
        (f"Bearer {token(roles={'one': ['run', *QUERY]})}", 202),
    ],
)
def test_a_token_has_to_be_valid_and_one_role_of_it_enough(header, status, running):
    headers = {"Authorization": header} if header else {}
    with httpx.Client(base_url=running.url, verify=running.client_context()) as stranger:
        reply = stranger.post("/api/0/run", json=SPEC, headers=headers)
    assert reply.status_code == status


def test_a_body_larger_than_any_query_is_refused(running):
    assert running.client.post("/api/0/run", content=b" " * 2_000_000).status_code == 413


def test_a_large_result_takes_no_more_memory_than_a_small_one(running):
    def peak():
        status = running.flowapi.exec_run(["grep", "VmHWM", "/proc/1/status"]).output
        return int(status.split()[1])  # kB

    running.client.get("/api/0/get/rows")
    before = peak()
    size = 0
    with running.client.stream("GET", "/api/0/get/many") as reply:
        for chunk in reply.iter_bytes():
            size += len(chunk)
    assert size > 100_000_000
    assert peak() - before < 20_000


def test_a_result_that_fails_on_the_way_is_no_whole_result(running):
    with running.client.stream("GET", "/api/0/get/broken") as reply:
        assert reply.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            reply.read()
    assert b"division by zero" in running.flowapi.logs()


def test_without_flowmachine_it_says_so_within_the_timeout(running):
    running.flowmachine.pause()
    try:
        start = time.monotonic()
        reply = running.client.get("/api/0/available_dates")
        assert time.monotonic() - start < 6
        assert reply.status_code == 503
        assert "FlowMachine" in reply.json()["msg"]
    finally:
        running.flowmachine.unpause()
    eventually(lambda: running.client.get("/api/0/available_dates").status_code == 200)


def test_a_restart_of_flowdb_needs_none_of_flowapi(running):
    assert running.client.get("/api/0/get/rows").status_code == 200
    running.flowdb.stop()
    assert running.client.get("/api/0/get/rows").status_code == 503
    running.flowdb.start()
    eventually(lambda: running.client.get("/api/0/get/rows").status_code == 200)


def test_it_does_not_start_without_its_configuration_and_names_it(deployment):
    container = deployment.start("unconfigured", deployment.image, environment={"FLOWDB_HOST": "x"})
    assert container.wait(timeout=30)["StatusCode"] == 1
    message = container.logs().decode()
    assert message.count("\n") == 1
    assert "FLOWAPI_IDENTIFIER" in message
    assert "FLOWDB_PORT" in message
    assert "FLOWDB_HOST" not in message


def test_no_token_and_no_password_is_in_the_logs_and_every_access_line_is_json(running):
    text = running.flowapi.logs(stdout=True, stderr=True).decode()
    assert PASSWORD not in text
    assert json.dumps(PASSWORD)[1:-1] not in text
    assert token().split(".")[1][:40] not in text
    assert running.client.headers["Authorization"].split(".")[2] not in text
    lines = [json.loads(line) for line in running.flowapi.logs(stdout=True, stderr=False).decode().splitlines()]
    served = [line for line in lines if line["event"] == "REQUEST" and line["user"] == "ada"]
    assert served
    for line in served:
        assert {"request_id", "path", "src_ip", "status", "duration"} <= line.keys()
    assert {"UNAUTHORISED", "EXPIRED_TOKEN", "INVALID_TOKEN", "CLAIMS_VERIFICATION_FAILED"} <= {
        line["event"] for line in lines
    }


def test_it_ends_at_once_and_well_when_it_is_told_to(running):
    start = time.monotonic()
    running.flowapi.stop(timeout=20)
    assert time.monotonic() - start < 7  # idle clients have not ended TLS
    running.flowapi.reload()
    assert running.flowapi.attrs["State"]["ExitCode"] == 0
