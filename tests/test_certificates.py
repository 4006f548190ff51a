from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secrets_quickstart.catalog.hosts import HOST_NAMES, LOOPBACK
from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import certificates, keys, names
from secrets_quickstart.sensitive import Sensitive

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = names.complete((*HOST_NAMES, *LOOPBACK), ["flowkit.example.org", "192.0.2.7"])


@pytest.fixture(scope="module")
def authority_key():
    return keys.elliptic_key()


@pytest.fixture(scope="module")
def authority(authority_key):
    return certificates.authority(authority_key, NOW)


@pytest.fixture(scope="module")
def leaf_key():
    return keys.elliptic_key()


@pytest.fixture(scope="module")
def leaf(leaf_key, authority, authority_key):
    return certificates.leaf(leaf_key, authority, authority_key, HOSTS, NOW)


def extension(certificate, kind):
    found = certificate.extensions.get_extension_for_class(kind)
    return found.value, found.critical


def usages(certificate) -> set[str]:
    value, critical = extension(certificate, x509.KeyUsage)
    assert critical
    simple = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return {name for name in (*simple, "key_cert_sign", "crl_sign") if getattr(value, name)}


def test_the_authority_may_sign_leaves_and_nothing_else(authority):
    certificate = x509.load_pem_x509_certificate(authority.reveal())

    assert extension(certificate, x509.BasicConstraints) == (x509.BasicConstraints(True, 0), True)
    assert usages(certificate) == {"key_cert_sign", "crl_sign"}
    certificate.verify_directly_issued_by(certificate)


def test_the_authority_lasts_ten_years(authority):
    certificate = x509.load_pem_x509_certificate(authority.reveal())

    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=3650)


def test_the_leaf_is_for_a_tls_server_and_nothing_else(leaf):
    certificate = x509.load_pem_x509_certificate(leaf.reveal())

    assert extension(certificate, x509.BasicConstraints) == (x509.BasicConstraints(False, None), True)
    assert usages(certificate) == {"digital_signature"}
    assert list(extension(certificate, x509.ExtendedKeyUsage)[0]) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_leaf_speaks_for_every_name_and_address(leaf):
    certificate = x509.load_pem_x509_certificate(leaf.reveal())
    alternatives, _ = extension(certificate, x509.SubjectAlternativeName)

    assert alternatives.get_values_for_type(x509.DNSName) == [
        *("flowkit.api", "flow.api", "localhost", "flowkit.example.org"),
    ]
    assert alternatives.get_values_for_type(x509.IPAddress) == [
        ip_address(text) for text in ("127.0.0.1", "::1", "192.0.2.7")
    ]
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "flowkit.api"


def test_the_leaf_lives_no_longer_than_clients_allow_and_is_valid_already(leaf):
    certificate = x509.load_pem_x509_certificate(leaf.reveal())
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc

    assert timedelta(days=397) <= lifetime <= timedelta(days=825)
    assert certificate.not_valid_before_utc < NOW - timedelta(hours=12)


def test_the_leaf_does_not_outlive_its_authority(leaf_key, authority_key):
    old = certificates.authority(authority_key, NOW - timedelta(days=3500))

    made = certificates.leaf(leaf_key, old, authority_key, HOSTS, NOW)

    assert certificates.describe(made).not_after == certificates.describe(old).not_after


def test_the_file_holds_the_leaf_and_then_its_authority(leaf, authority):
    chain = x509.load_pem_x509_certificates(leaf.reveal())

    assert len(chain) == 2
    chain[0].verify_directly_issued_by(chain[1])
    assert leaf.reveal().endswith(authority.reveal())


def test_an_rsa_key_of_the_operator_can_be_certified_too(authority, authority_key):
    key = keys.signing_key(2048)

    made = certificates.leaf(key, authority, authority_key, HOSTS, NOW)

    assert certificates.belongs_to(made, key)
    assert usages(x509.load_pem_x509_certificate(made.reveal())) == {"digital_signature", "key_encipherment"}


def test_authorities_of_two_deployments_have_different_names_and_the_same_key_keeps_its(authority, authority_key):
    subjects = {
        x509.load_pem_x509_certificate(pem.reveal()).subject
        for pem in (
            authority,
            certificates.authority(authority_key, NOW + timedelta(days=1)),
            certificates.authority(keys.elliptic_key(), NOW),
        )
    }

    assert len(subjects) == 2


def test_no_two_certificates_have_the_same_serial_number(leaf_key, authority, authority_key):
    made = [certificates.leaf(leaf_key, authority, authority_key, HOSTS, NOW) for _ in range(5)]

    assert len({certificates.describe(pem).serial for pem in made}) == 5


def handshake(folder: Path, chain: Sensitive, key: Sensitive, trusted: Path, host: str, *, strict: bool = True) -> str:
    """Connect by TLS over the loopback and return what the server said; raises ssl.SSLError as the client does."""
    files = folder / "cert.pem", folder / "key.pem"
    for path, value in zip(files, (chain, key), strict=True):
        path.write_bytes(value.reveal())
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(*files)
    client_side = ssl.create_default_context(cafile=str(trusted))
    if strict:
        client_side.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server_side.wrap_socket(theirs, server_side=True) as connection:
                connection.sendall(b"hello")
        except OSError:  # the client refused
            theirs.close()

    server = threading.Thread(target=serve)
    server.start()
    try:
        with client_side.wrap_socket(ours, server_hostname=host) as connection:
            return connection.recv(10).decode()
    finally:
        ours.close()
        server.join()


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_that_trusts_the_authority_can_connect_by_every_name(tmp_path, leaf, leaf_key, authority, host):
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.reveal())

    assert handshake(tmp_path, leaf, leaf_key, trusted, host) == "hello"


def test_a_client_that_is_given_the_servers_own_file_can_connect(tmp_path, leaf, leaf_key):
    """What FlowKit's documentation tells analysts to do with flowclient's `ssl_certificate`."""
    trusted = tmp_path / "cert-flowkit.pem"
    trusted.write_bytes(leaf.reveal())

    assert handshake(tmp_path, leaf, leaf_key, trusted, "flowkit.api") == "hello"


def test_a_client_refuses_another_name(tmp_path, leaf, leaf_key, authority):
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.reveal())

    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(tmp_path, leaf, leaf_key, trusted, "flowkit.other")


def test_a_client_that_trusts_another_authority_refuses(tmp_path, leaf, leaf_key):
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(certificates.authority(keys.elliptic_key(), NOW).reveal())

    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        handshake(tmp_path, leaf, leaf_key, trusted, "flowkit.api")


def test_trust_in_an_authority_outlasts_its_renewal(tmp_path, leaf_key, authority, authority_key):
    """Clients that have the earlier certificate go on working, as long as that is valid."""
    renewed = certificates.authority(authority_key, NOW + timedelta(hours=1))
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.reveal())

    later = certificates.leaf(leaf_key, renewed, authority_key, HOSTS, NOW)

    assert handshake(tmp_path, later, leaf_key, trusted, "flowkit.api") == "hello"


def test_what_a_certificate_says_is_read(leaf, authority):
    facts = certificates.describe(leaf)
    certificate = x509.load_pem_x509_certificate(leaf.reveal())

    assert facts.names == ("flowkit.api", "flow.api", "localhost", "127.0.0.1", "::1", *HOSTS[5:])
    assert facts.not_after == certificate.not_valid_after_utc
    assert facts.not_before == certificate.not_valid_before_utc
    assert int(facts.serial, 16) == certificate.serial_number
    assert facts.issuer == x509.load_pem_x509_certificate(authority.reveal()).subject.rfc4514_string()
    assert len(facts.fingerprint.split(":")) == 32
    assert not facts.is_authority
    assert certificates.describe(authority).is_authority


def test_a_certificate_of_somebody_elses_making_is_read_too():
    leaf = trustme.CA().issue_cert("a.example.org", "192.0.2.1", "*.b.example.org", "me@example.org")

    facts = certificates.describe(Sensitive(leaf.cert_chain_pems[0].bytes()))

    assert set(facts.names) == {"a.example.org", "192.0.2.1", "*.b.example.org"}
    assert "trustme" in facts.issuer


def test_days_left_are_whole_days(leaf):
    facts = certificates.describe(leaf)

    assert certificates.days_left(facts, facts.not_after - timedelta(days=30, hours=1)) == 30
    assert certificates.days_left(facts, facts.not_after - timedelta(hours=1)) == 0
    assert certificates.days_left(facts, facts.not_after + timedelta(hours=1)) == -1


def test_whether_a_certificate_belongs_to_a_key_and_an_authority_is_told(leaf, leaf_key, authority, authority_key):
    other = certificates.authority(keys.elliptic_key(), NOW)
    renewed = certificates.authority(authority_key, NOW)

    assert certificates.belongs_to(leaf, leaf_key)
    assert not certificates.belongs_to(leaf, authority_key)
    assert certificates.is_issued_by(leaf, authority)
    assert not certificates.is_issued_by(leaf, other)
    assert not certificates.is_issued_by(leaf, renewed)  # its file holds the one before


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "damaged or not PEM"),
        (b"hello", "damaged or not PEM"),
        (b"\x30\x82\x01\x01", "DER"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB", "damaged"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "damaged"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "holds no certificate"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "a key and no certificate"),
    ],
)
def test_what_is_no_certificate_is_refused(content, why):
    with pytest.raises(MaterialError, match=why) as caught:
        certificates.describe(Sensitive(content))

    assert caught.value.fix
