"""FlowAuth's TLS edge before two real FlowAuths: each test goes on from the one before it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import trustme
from cryptography import x509

from tests.swarm.acme_authority import AUTHORITY, INTERNET, THE_AUTHORITY, THE_INTERNET, authoritys, beside
from tests.swarm.edge_visitors import HTTP, HTTPS, NAME, STACK, Visitor, client, docker, log, running, served, trust
from tests.swarm.eventually import eventually
from tests.swarm.machine import containers, engine, execute
from tests.swarm.neighbour import mistake, neighbour

pytestmark = pytest.mark.swarm

OUTSIDER = "203.0.113.9"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("edge")


@pytest.fixture(scope="module")
def machine(place):
    chosen = {
        "FLOWAUTH_HOST_PORT": str(HTTPS),
        "EDGE_HTTP_PORT": str(HTTP),
        "DOMAIN_NAME": NAME,
        "FLOWAUTH_REPLICAS": "2",
        "FLOWAUTH_LOG_LEVEL": "info",
    }
    with neighbour(place / "one", STACK, 22200, **chosen) as made:
        made.invoke("deploy", "--target", "flowauth")
        yield made


@pytest.fixture(scope="module")
def ours(machine, place):
    """A client's trust in our authority and nobody else."""
    machine.invoke("secrets.export-public", str(place / "public"))
    return trust((place / "public" / "ca-flowkit.pem").read_text())


@pytest.fixture(scope="module")
def password(machine):
    return machine.value("FLOWAUTH_ADMIN_PASSWORD")


def test_the_vaults_certificate_is_believed_by_who_trusts_our_authority_and_by_nobody_else(ours):
    for name in (NAME, "localhost", "127.0.0.1"):
        served(ours, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        served(ours, "other.example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        served(ssl.create_default_context())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.usefixtures("machine")
def test_old_tls_is_refused():
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match="TLSV1_ALERT_PROTOCOL_VERSION"):
        served(old)


def test_flowauths_own_headers_come_through_and_the_name_is_bound_to_https(ours):
    with client(ours) as visitor, client(ours, "localhost") as local:
        named, here = visitor.get("/"), local.get("/")

    assert named.status_code == 200
    assert named.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in here.headers, "it would be about every port of localhost"
    assert "default-src 'none'; script-src 'self'" in named.headers["content-security-policy"]
    for name, value in (("x-frame-options", "DENY"), ("x-content-type-options", "nosniff")):
        assert named.headers.get_list(name) == [value]
    assert {"server", "via"} & named.headers.keys() == set()


def test_plain_http_leads_to_https_and_its_port():
    answer = httpx.get(f"http://localhost:{HTTP}/signin?next=1")

    assert answer.status_code == 302
    assert answer.headers["location"] == f"https://localhost:{HTTPS}/signin?next=1"


def test_cookies_stay_on_https(ours):
    with client(ours) as visitor:
        cookies = visitor.get("/is_signed_in").headers.get_list("set-cookie")

    assert cookies
    assert all("Secure" in cookie for cookie in cookies)


def test_flowauth_learns_who_asks_and_believes_nobody_who_says_so_himself(ours):
    spoofed = {"X-Forwarded-For": OUTSIDER, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    with client(ours) as visitor:
        answer = visitor.get("/is_signed_in-spoofed", headers={**spoofed, "X-Real-Ip": OUTSIDER})

    [line] = eventually(lambda: [line for line in log("flowauth").splitlines() if "is_signed_in-spoofed" in line])
    address = json.loads(line)["src_ip"]
    assert answer.status_code == 404
    edges = execute(STACK, "edge", "cat", "/etc/hosts")
    assert address != OUTSIDER
    assert address not in edges, "everybody would share the edge's address"


def test_the_log_names_the_page_and_no_secret(ours):
    with client(ours) as visitor:
        headers = {"Cookie": "session=crumbs", "Authorization": "Bearer bears", "X-CSRF-Token": "crest"}
        visitor.get("/some-page?token=topsecret", headers=headers)
        visitor.post("/signin", json={"username": "somebody", "password": "passphrase"})

    eventually(lambda: "/some-page" in log("edge"))
    said = log("edge")
    for secret in ("crumbs", "bears", "crest", "topsecret", "passphrase", "Set-Cookie"):
        assert secret not in said, secret


LONG = ("/admin/servers", "/admin/servers/specification", "/roles/")
"""Where FlowAuth takes whole lists of scopes."""


def test_long_bodies_reach_flowauth_only_where_it_expects_them(ours, password):
    def answer(path, length):
        return visitor.post(path, content=b" " * length, headers={"Content-Type": "application/json"})

    with client(ours) as visitor:
        assert answer("/signin", 9_000).status_code == 400
        assert answer("/signin", 90_000).status_code == 413
        for path in LONG:
            assert answer(path, 200_000).status_code == 401
            # FlowAuth hangs up on whoever it does not know, maybe before its answer is read
            assert answer(path, 4_000_000).status_code in {401, 502}
            assert answer(path, 9_000_000).status_code == 413
        assert visitor.get("/", headers={"X-Long": "y" * 40_000}).status_code == 431
        visitor.post("/signin", json={"username": "admin", "password": password}).raise_for_status()
        visitor.headers["X-CSRF-Token"] = visitor.cookies["X-CSRF"]
        scopes = [f"run:scope_{number}:admin0" for number in range(20_000)]
        made = visitor.post("/admin/servers", json={"name": "long", "scopes": scopes})
        assert "x-request-id" in made.headers, made


@pytest.mark.parametrize("path", ["/signin", *LONG])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_clients_that_send_slowly_hold_none_of_flowauths_threads(ours, path, kind):
    """Two instances of two processes of eight threads."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 9999\r\n\r\n{{"
    slow = []
    for _ in range(48):
        plain = socket.create_connection(("127.0.0.1", HTTPS), timeout=10)
        slow.append(ours.wrap_socket(plain, server_hostname=NAME))
        slow[-1].sendall(head.encode())

    with client(ours) as visitor:
        start = time.monotonic()
        answers = [visitor.get("/").status_code for _ in range(20)]
        took = time.monotonic() - start
    for each in slow:
        each.close()

    assert answers == [200] * 20
    assert took < 10


def test_many_uploads_at_once_do_not_use_up_the_edges_memory(ours):
    """Of 256 MB: 100 that would be 480 MB if they were kept until they are whole."""
    [edge] = running("edge")
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    open_ones = []
    for number in range(100):
        plain = socket.create_connection(("127.0.0.1", HTTPS), timeout=10)
        open_ones.append(ours.wrap_socket(plain, server_hostname=NAME))
        with contextlib.suppress(OSError):  # it may hang up
            path, length = ((b"/signin", 9_999), (b"/admin/servers", 4_900_000))[number % 2]
            open_ones[-1].sendall(head % (path, length) + b" " * (length - 1))
    served(ours)
    for each in open_ones:
        each.close()

    assert running("edge") == [edge]


def test_strangers_who_hang_up_take_flowauth_from_nobody(ours, password):
    """What they began to send to it fails there, and that is no fault of FlowAuth's."""
    head = (
        b"POST /roles/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4900000\r\n\r\n"
    )

    def hang_up(_):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", HTTPS), timeout=10) as plain,
            ours.wrap_socket(plain, server_hostname=NAME) as stranger,
        ):
            stranger.sendall(head + b" " * 100_000)

    with Visitor(ours, password) as visitor, ThreadPoolExecutor(6) as strangers:
        list(strangers.map(hang_up, range(600)))

    assert set(visitor.seen) == {"200"}
    assert visitor.slowest < 1.5


def test_nothing_but_the_ports_is_open_and_the_container_may_do_little(machine):
    edge = engine().inspect_container(running("edge")[0])

    assert edge["HostConfig"]["ReadonlyRootfs"]
    assert edge["HostConfig"]["CapDrop"] == ["ALL"]
    assert edge["HostConfig"]["CapAdd"] == ["CAP_NET_BIND_SERVICE"]
    assert not edge["HostConfig"]["Privileged"]
    assert {item["Destination"] for item in edge["Mounts"]} == {"/data"}
    assert "refused" in execute(STACK, "edge", "wget", "-O-", "-T5", "http://127.0.0.1:2019/config/")
    assert "CapEff:\t0000000000000000" in execute(STACK, "edge", "cat", "/proc/1/status")
    address = execute(STACK, "edge", "hostname", "-i").split()[0]
    assert "refused" in execute(STACK, "edge", "wget", "-O-", "-T5", f"http://{address}:2020/")


def test_both_instances_are_asked(ours):
    with client(ours) as visitor:
        for _ in range(40):
            visitor.get("/asked-often")

    def shares():
        found = [
            subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
            for name in running("flowauth")
        ]
        counts = [(done.stdout + done.stderr).count("/asked-often") for done in found]
        return counts if sum(counts) == 40 else None

    assert min(eventually(shares)) > 0


def test_an_instance_that_dies_is_not_noticed(ours, password):
    one, other = running("flowauth")
    with Visitor(ours, password) as visitor:
        time.sleep(1)
        engine().kill(one)
        eventually(lambda: len(running("flowauth")) == 2 and one not in running("flowauth"))
        time.sleep(3)

    assert set(visitor.seen) == {"200"}
    assert visitor.seen["200"] > 100
    assert other in running("flowauth")


def test_flowauth_is_replaced_without_anybody_noticing(ours, password):
    before = set(running("flowauth"))
    with Visitor(ours, password) as visitor:
        subprocess.run(["docker", "service", "update", "--quiet", "--force", f"{STACK}_flowauth"], check=True)
        eventually(lambda: len(running("flowauth")) == 2 and not set(running("flowauth")) & before)

    assert set(visitor.seen) == {"200"}


def own_certificate(place, *names):
    """The operator's: of an authority of his own, as files."""
    authority = trustme.CA()
    issued = authority.issue_cert(*names)
    certificate, key = place / "own.pem", place / "own.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in (*issued.cert_chain_pems, authority.cert_pem)))
    key.write_bytes(issued.private_key_pem.bytes())
    return str(certificate), str(key), trust(authority.cert_pem.bytes().decode())


def test_a_certificate_of_ours_is_issued_anew_and_who_trusts_our_authority_notices_nothing(machine, ours):
    before, others = served(ours), running("flowauth")

    said = machine.invoke("certs.renew")

    assert said.stdout == "a new cert-flowauth.pem is served\n"
    after = served(ours)
    assert after.serial_number != before.serial_number
    assert after.public_key() == before.public_key()
    assert running("flowauth") == others
    assert machine.json("status")["certificates"][-1]["warning"] == ""


def test_the_operators_own_certificate_is_refused_when_it_is_for_another_name(machine, place, ours):
    ended = machine.invoke("certs.install", "--flowauth", *own_certificate(place, "other.example")[:2], expect=1)

    assert f"not for {NAME}" in mistake(ended)
    served(ours)


def test_the_operators_own_certificate_is_served_after_a_deploy_that_restarts_the_edge_alone(machine, place):
    before = {item["Id"] for item in containers(STACK)}
    certificate, key, context = own_certificate(place, NAME)
    machine.invoke("certs.install", "--flowauth", certificate, key)

    machine.invoke("deploy", "--target", "flowauth")

    served(context)
    [row] = [row for row in machine.json("certs.status") if row["name"] == "cert-flowauth.pem"]
    assert (row["names"], row["origin"]) == (NAME, "imported")
    [gone] = before - {item["Id"] for item in containers(STACK)}
    assert gone not in running("edge")
    assert len(running("edge")) == 1


@pytest.fixture(scope="module")
def acme(machine):
    """What a deployment is told of an ACME server, and a client's trust in it."""
    try:
        beside(AUTHORITY, "EDGE_IMAGE", "sh", "-c", THE_AUTHORITY)
        beside(INTERNET, "FLOWAUTH_IMAGE", "python3", "-c", THE_INTERNET, alias=NAME)
        root = eventually(lambda: docker("exec", authoritys(), "cat", "/data/caddy/pki/authorities/local/root.crt"))
        machine.invoke("secrets.import", "trusted-flowkit.pem", "-", stdin=root.encode())
        chosen = {
            "FLOWAUTH_CERTIFICATE": "acme",
            "ACME_DIRECTORY": f"https://{AUTHORITY}/acme/local/directory",
            "EMAIL_ADDRESS": "operator@example.org",
        }
        yield chosen, trust(root)
    finally:
        docker("service", "rm", AUTHORITY, INTERNET)


def test_an_acme_server_that_gives_no_certificate_is_named(machine, acme):
    chosen, context = acme
    wrong = {**chosen, "ACME_DIRECTORY": f"https://{AUTHORITY}/acme/elsewhere/directory"}
    ended = machine.invoke("deploy", "--target", "flowauth", expect=None, **wrong)

    with pytest.raises(OSError, match="alert"):
        served(context)
    assert ended.status in {0, 5}
    said = mistake(machine.invoke("certs.renew", expect=1, **wrong))
    assert "acme/elsewhere/directory" in said
    assert f"{NAME} leads to this machine" in said


def test_a_certificate_is_acquired_by_acme(machine, acme):
    chosen, context = acme
    machine.invoke("deploy", "--target", "flowauth", expect=None, **chosen)

    found = eventually(lambda: served(context))

    [names] = [
        extension.value for extension in found.extensions if isinstance(extension.value, x509.SubjectAlternativeName)
    ]
    assert names.get_values_for_type(x509.DNSName) == [NAME]
    with client(context) as visitor:
        assert visitor.get("/").status_code == 200
        assert visitor.get("/").headers["strict-transport-security"]
        assert visitor.get("/", headers={"Host": "other.example"}).status_code == 421
    for name in ("localhost", "other.example"):
        with pytest.raises(ssl.SSLError, match="ALERT"):
            served(context, name)
    assert httpx.get(f"http://localhost:{HTTP}/a").headers["location"] == f"https://{NAME}:{HTTPS}/a"


def test_a_renewal_is_forced_and_restarts_the_edge_alone(machine, acme):
    chosen, context = acme
    before, others = served(context), running("flowauth")

    machine.invoke("certs.renew", **chosen)

    after = served(context)
    assert after.serial_number != before.serial_number
    assert after.issuer == before.issuer
    assert running("flowauth") == others


def test_that_certificate_outlives_the_edge(acme):
    _, context = acme
    before, [edge] = served(context), running("edge")
    engine().kill(edge)
    eventually(lambda: running("edge") not in ([], [edge]))

    assert eventually(lambda: served(context)) == before
