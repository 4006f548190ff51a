"""What verification finds at FlowAuth's edge: the certificate that was promised, old TLS, plain HTTP."""

import ssl
import time
from dataclasses import replace

import pytest
import trustme

from secrets_quickstart.checks import verification_edge as edge
from secrets_quickstart.checks.check import Obstacle, Ok
from secrets_quickstart.checks.verification_world import Door, Unasked, World
from secrets_quickstart.clients import tls
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from tests import verification_fakes as fakes

NAME = "flowauth.test"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority):
    return fakes.tls(authority, NAME)


def nowhere(*_):
    raise AssertionError


def world(door, authority=None, pem=None):
    secrets = {"cert-flowauth.pem": pem} if pem else {}
    if authority is not None:
        secrets["ca-flowkit.pem"] = authority.cert_pem.bytes().decode()
    return World(
        secret=lambda name: Sensitive(secrets[name]) if name in secrets else None,
        address=nowhere,
        flowmachine=nowhere,
        published=nowhere,
        our_flowapi=nowhere,
        door=lambda: door,
    )


def door(port, pem, **more):
    return Door(Place("127.0.0.1", port, NAME, pem), 80, **more)


@pytest.fixture
def served(certificate):
    with fakes.http_server(lambda *_: (200, "", {}), certificate[0]) as port:
        yield port


def test_the_vaults_certificate_is_recognised_by_name_and_trusted_by_our_authority_alone(
    served, certificate, authority
):
    outcome = edge.presents_its_certificate(world(door(served, certificate[1]), authority, certificate[1]))
    assert isinstance(outcome, Ok)
    assert f"for {NAME}, until " in outcome.detail


def test_another_certificate_of_our_authority_is_not_the_vaults(served, authority):
    other = fakes.tls(authority, NAME)[1]
    assert "not the vault's" in edge.presents_its_certificate(world(door(served, other), authority, other)).detail


def test_an_edge_that_shows_another_authoritys_certificate_is_an_obstacle(served):
    another = trustme.CA()
    pem = fakes.tls(another, NAME)[1]
    outcome = edge.presents_its_certificate(world(door(served, pem), another, pem))
    assert isinstance(outcome, Obstacle)
    assert "not trusted" in outcome.detail


def test_a_certificate_for_another_name_is_an_obstacle(authority):
    context, pem = fakes.tls(authority, "elsewhere.test")
    with fakes.http_server(lambda *_: (200, "", {}), context) as port:
        outcome = edge.presents_its_certificate(world(door(port, pem), authority, pem))
    assert isinstance(outcome, Obstacle)
    assert "Hostname mismatch" in outcome.detail


def test_public_authorities_do_not_vouch_for_a_certificate_of_ours(served, certificate, authority, monkeypatch):
    """Clients are given our authority, and may have none besides."""
    monkeypatch.setattr(tls, "trusting", nowhere)
    outcome = edge.presents_its_certificate(world(door(served, certificate[1]), authority, certificate[1]))
    assert isinstance(outcome, Ok)


def test_an_operators_own_certificate_brings_its_chain(served, certificate):
    ours = trustme.CA()
    outcome = edge.presents_its_certificate(world(door(served, certificate[1]), ours, certificate[1]))
    assert isinstance(outcome, Ok)


def test_without_the_vaults_certificate_there_is_nothing_to_compare(served):
    with pytest.raises(Unasked, match=r"cert-flowauth\.pem"):
        edge.presents_its_certificate(world(door(served, None)))


def test_an_acquired_certificate_is_one_that_the_machine_or_the_operator_trusts(served, certificate, authority):
    place = door(served, certificate[1], from_acme=True)
    vaults = fakes.tls(trustme.CA(), NAME)[1]
    assert isinstance(edge.presents_its_certificate(world(place, authority, vaults)), Ok)
    public = replace(place, place=replace(place.place, trust=None))
    assert "not trusted" in edge.presents_its_certificate(world(public, authority, vaults)).detail


def test_the_vaults_certificate_is_none_that_was_acquired(served, certificate, authority):
    outcome = edge.presents_its_certificate(
        world(door(served, certificate[1], from_acme=True), authority, certificate[1])
    )
    assert "is the vault's, not one from ACME" in outcome.detail


@pytest.fixture
def bare():
    """An edge that has no certificate yet."""
    with fakes.http_server(lambda *_: (200, "", {}), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as port:
        yield port


def test_an_acme_directorys_refusal_is_told_and_not_waited_for(bare, certificate, monkeypatch):
    monkeypatch.setattr(time, "sleep", nowhere)
    place = door(bare, certificate[1], from_acme=True, complaint=lambda: "no such host")
    outcome = edge.presents_its_certificate(world(place))
    assert isinstance(outcome, Obstacle)
    assert "the edge says: no such host" in outcome.detail


def test_a_certificate_that_is_being_acquired_is_waited_for(certificate, monkeypatch):
    waits: list[float] = []
    leaf: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def acquire(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            context.load_cert_chain(*leaf)

    authority = trustme.CA()
    with (
        authority.issue_cert(NAME).private_key_and_cert_chain_pem.tempfile() as name,
        fakes.http_server(lambda *_: (200, "", {}), context) as port,
    ):
        leaf.append(name)
        monkeypatch.setattr(time, "sleep", acquire)
        trust = authority.cert_pem.bytes().decode()
        outcome = edge.presents_its_certificate(world(door(port, trust, from_acme=True)))
    assert isinstance(outcome, Ok)
    assert len(waits) == 2


def test_a_directory_is_waited_for_a_minute_and_no_longer(bare, certificate, monkeypatch):
    now = iter(range(0, 1000, 7))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    outcome = edge.presents_its_certificate(world(door(bare, certificate[1], from_acme=True)))
    assert isinstance(outcome, Obstacle)
    assert len(waits) == 8


def test_old_tls_is_refused(served, certificate):
    assert isinstance(edge.refuses_old_tls(world(door(served, certificate[1]))), Ok)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_edge_that_speaks_old_tls_is_found_out_whoever_signed_its_certificate(authority, certificate):
    old, _ = fakes.tls(trustme.CA(), NAME)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    with fakes.http_server(lambda *_: (200, "", {}), old) as port:
        outcome = edge.refuses_old_tls(world(door(port, certificate[1])))
    assert isinstance(outcome, Obstacle)
    assert "speaks TLSv1" in outcome.detail


def test_an_edge_that_is_not_there_refuses_nothing(certificate):
    with pytest.raises(ServiceError, match="nobody answers"):
        edge.refuses_old_tls(world(door(fakes.free_port(), certificate[1])))


def redirected(answer):
    with fakes.http_server(answer) as port:
        place = Place("127.0.0.1", 8443, NAME)
        return edge.leads_to_https(world(Door(place, port)))


def test_plain_http_leads_to_the_same_page_over_https():
    def answer(_, path, *__):
        return 302, "", {"Location": f"https://{NAME}:8443{path}"}

    assert redirected(answer) == Ok(f"it leads to https://{NAME}:8443")


@pytest.mark.parametrize(
    ("status", "location", "detail"),
    [
        (200, "", "gets status 200"),
        (302, f"http://{NAME}:8443/version?of=flowauth", "leads to http://"),
        (302, "https://elsewhere.test/version?of=flowauth", "leads to https://elsewhere.test"),
        (302, f"https://{NAME}:8443/", f"leads to https://{NAME}:8443/"),
        (302, "", "leads to nowhere"),
    ],
)
def test_plain_http_that_is_answered_or_leads_elsewhere_is_an_obstacle(status, location, detail):
    outcome = redirected(lambda *_: (status, "", {"Location": location} if location else {}))
    assert isinstance(outcome, Obstacle)
    assert detail in outcome.detail


def test_plain_http_that_nobody_answers_is_an_error():
    with pytest.raises(ServiceError, match="plain HTTP is not answered"):
        edge.leads_to_https(world(Door(Place("127.0.0.1", 443, NAME), fakes.free_port())))
