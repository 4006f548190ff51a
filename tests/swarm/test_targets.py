"""One target after the other, with an operator's own certificate and key: each test goes on from the one before it."""

import socket
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.swarm.machine import containers, engine, execute, objects, ports
from tests.swarm.neighbour import neighbour

pytestmark = pytest.mark.swarm

STACK, BESIDE = "selftest-targets", "selftest-beside"
NAMES = ("flowkit.api", "flow.api", "localhost", "127.0.0.1", "::1")
PORTS = 23500
PORT = int(ports(PORTS)["FLOWAPI_HOST_PORT"])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("targets")


@pytest.fixture(scope="module")
def machine(place):
    with neighbour(place / "one", STACK, PORTS) as made:
        yield made


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def own_certificate(authority, place, name):
    """A certificate of an authority that is not ours, and its key, as files."""
    issued = authority.issue_cert(*NAMES)
    certificate, key = place / f"{name}.pem", place / f"{name}.key"
    chain = (*issued.cert_chain_pems, authority.cert_pem)  # no machine knows this authority: clients need it
    certificate.write_bytes(b"".join(blob.bytes() for blob in chain))
    key.write_bytes(issued.private_key_pem.bytes())
    return str(certificate), str(key)


def served(authority):
    """The certificate that FlowAPI shows to a client which trusts that authority and nobody else."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    with (
        socket.create_connection(("127.0.0.1", PORT), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="flowkit.api") as shown,
    ):
        return ssl.DER_cert_to_PEM_cert(shown.getpeercert(binary_form=True) or b"")


def containers_by_service():
    label = "com.docker.swarm.service.name"
    return {item["Config"]["Labels"][label].removeprefix(f"{STACK}_"): item["Id"] for item in containers(STACK)}


@pytest.fixture(scope="module")
def verification_key(machine):
    """The public half of a key that only a FlowAuth elsewhere has."""
    signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = signing.public_key().public_bytes(serialization.Encoding.PEM, form)
    machine.invoke("secrets.import", "PUBLIC_JWT_SIGNING_KEY", "-", stdin=public)
    return public.decode()


def test_the_library_has_no_server_and_all_that_users_of_the_library_need(machine, verification_key):
    ended = machine.invoke("deploy", "--target", "library")

    assert set(containers_by_service()) == {"flowdb", "redis", "cache_cleaner"}
    assert "redis: ok" in ended.stderr
    assert {row["service"]: row["state"] for row in machine.json("status")["services"]} == dict.fromkeys(
        ("flowdb", "redis", "cache_cleaner", "flowmachine"), "up"
    )
    assert machine.json("deploy", "--target", "library")["changes"] == 0


def test_an_operators_own_certificate_and_verification_key_are_what_flowapi_gets(
    machine, place, authority, verification_key
):
    kept = containers_by_service()
    machine.invoke("certs.install", *own_certificate(authority, place, "first"))

    machine.invoke("deploy", "--target", "flowapi")

    assert served(authority) in (place / "first.pem").read_text()
    mounted = execute(STACK, "flowapi", "cat", "/run/secrets/PUBLIC_JWT_SIGNING_KEY")
    assert mounted == machine.value("PUBLIC_JWT_SIGNING_KEY") == verification_key
    now = containers_by_service()
    assert {name: now[name] for name in kept} == kept, "only what is new was started"


def test_what_cannot_be_asked_without_a_signing_key_is_said_to_be_skipped(machine):
    findings = {item["check"]: item["status"] for item in machine.json("verify")["findings"]}

    assert findings["a query's numbers"] == "skipped"
    assert findings["certificate"] == "ok"
    assert findings["specification"] == "ok"
    assert "obstacle" not in findings.values()


def test_a_renewed_certificate_is_served_and_nothing_else_is_restarted(machine, place, authority):
    before = containers_by_service()
    machine.invoke("certs.install", *own_certificate(authority, place, "second"))

    ended = machine.invoke("deploy", "--target", "flowapi")

    assert f"secret cert-flowkit.pem: {STACK}_cert-flowkit.pem_g1 becomes {STACK}_cert-flowkit.pem_g2" in ended.stderr
    assert served(authority) in (place / "second.pem").read_text()
    after = containers_by_service()
    assert {name for name in after if after[name] != before[name]} == {"flowapi"}


def test_only_one_component_is_brought_back_when_it_alone_is_asked_for(machine):
    before = containers_by_service()
    engine().remove_service(f"{STACK}_flowapi")
    engine().remove_service(f"{STACK}_cache_cleaner")

    planned = machine.json("deploy", "--target", "flowapi", "--only")

    assert [line for step in planned["steps"] for line in step["actions"]] == ["create the service flowapi"]
    after = containers_by_service()
    assert {name for name in after if after[name] != before[name]} == {"flowapi"}
    assert "cache_cleaner" not in after


def test_another_stack_comes_and_goes_beside_it(machine, place):
    before = objects(STACK)
    with neighbour(place / "two", BESIDE, 23000) as other:
        other.invoke("deploy", "--target", "flowdb")

        assert other.value("FLOWDB_POSTGRES_PASSWORD") != machine.value("FLOWDB_POSTGRES_PASSWORD")
        assert objects(STACK) == before
        other.invoke("purge", "--stack", BESIDE)

    assert objects(STACK) == before
    assert machine.json("verify", "--target", "flowapi")["counts"]["obstacle"] == 0
