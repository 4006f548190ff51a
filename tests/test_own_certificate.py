from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import certificates, keys
from secrets_quickstart.material.own_certificate import check_pair
from secrets_quickstart.sensitive import Sensitive

NOW = datetime.now(UTC)
HOST = "flowkit.example.org"
AUTHORITY = trustme.CA()


def pair(leaf: trustme.LeafCert) -> tuple[Sensitive, Sensitive]:
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    return Sensitive(chain), Sensitive(leaf.private_key_pem.bytes())


def issued(*hosts: str, authority: trustme.CA = AUTHORITY, **options) -> tuple[Sensitive, Sensitive]:
    return pair(authority.issue_cert(*(hosts or (HOST,)), **options))


def made(usage=None, digest=None, **options) -> tuple[Sensitive, Sensitive]:
    """A self-signed certificate, as an operator may have made it with openssl."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    certificate = builder.sign(key, digest or hashes.SHA256())
    return Sensitive(certificate.public_bytes(serialization.Encoding.PEM)), keys.private_pem(key)


def refusal(certificate: Sensitive, key: Sensitive, *wanted: str) -> MaterialError:
    with pytest.raises(MaterialError) as caught:
        check_pair(certificate, key, wanted or (HOST,), NOW)
    assert caught.value.why
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("kind", list(trustme.KeyType))
def test_a_certificate_with_its_key_is_accepted(kind):
    facts = check_pair(*issued(key_type=kind), [HOST], NOW)

    assert facts.names == (HOST,)


def test_a_certificate_with_its_intermediates_is_accepted():
    middle = AUTHORITY.create_child_ca().create_child_ca()

    check_pair(*issued(authority=middle), [HOST], NOW)


def test_a_self_signed_certificate_is_accepted():
    check_pair(*made(), [HOST], NOW)
    check_pair(*made(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE), [HOST], NOW)


def test_wildcards_and_addresses_are_understood():
    pem, key = issued("*.example.org", "192.0.2.1", "2001:db8::1")

    check_pair(pem, key, ["flowkit.example.org", "192.0.2.1", "2001:DB8:0:0:0:0:0:1"], NOW)

    assert "b.a.example.org" in refusal(pem, key, "b.a.example.org").why


def test_missing_names_are_named():
    error = refusal(*issued(HOST, "a.example.org"), HOST, "flowkit.api", "192.0.2.9")

    assert "not for flowkit.api, 192.0.2.9" in error.why


def test_a_key_of_another_certificate_is_refused():
    assert "another key" in refusal(issued()[0], issued()[1]).why


@pytest.mark.parametrize(("offset", "word"), [(timedelta(days=-2), "only from"), (timedelta(days=11), "expired on")])
def test_a_certificate_is_refused_before_and_after_its_time(offset, word):
    pem, key = made()

    with pytest.raises(MaterialError, match=word):
        check_pair(pem, key, [HOST], NOW + offset)


def test_an_expired_certificate_further_up_the_chain_is_found():
    authority_key, key = keys.elliptic_key(), keys.elliptic_key()
    now, then = (certificates.authority(authority_key, when) for when in (NOW, NOW - timedelta(days=4000)))
    leaf = certificates.leaf(key, now, authority_key, (HOST,), NOW)
    alone = leaf.reveal().removesuffix(now.reveal())

    check_pair(leaf, key, [HOST], NOW)

    assert "FlowKit CA" in refusal(Sensitive(alone + then.reveal()), key).why


def test_a_chain_with_a_stranger_is_refused():
    pem, key = issued()

    assert "did not sign" in refusal(Sensitive(pem.reveal() + trustme.CA().cert_pem.bytes()), key).why


def test_a_chain_in_the_wrong_order_is_refused_with_the_right_one():
    pem, key = issued(authority=AUTHORITY.create_child_ca())
    first, second = x509.load_pem_x509_certificates(pem.reveal())[:2]
    form = serialization.Encoding.PEM

    error = refusal(Sensitive(second.public_bytes(form) + first.public_bytes(form)), key)

    assert "number 2" in error.why
    assert "first" in error.fix


def test_a_key_given_as_a_certificate_is_recognised():
    pem, key = issued()

    assert "is a private key" in refusal(key, pem).why


def test_a_certificate_given_as_a_key_is_refused():
    pem, _ = issued()

    refusal(pem, pem)


def test_an_encrypted_key_is_refused():
    pem, key = made()
    loaded = serialization.load_pem_private_key(key.reveal(), None)
    locked = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )

    assert "encrypted" in refusal(pem, Sensitive(locked)).why


def test_a_certificate_for_clients_only_is_refused():
    assert "servers" in refusal(*made(ExtendedKeyUsageOID.CLIENT_AUTH)).why


def test_a_short_rsa_key_is_refused():
    assert "1024 bits" in refusal(made()[0], keys.private_pem(rsa.generate_private_key(65537, 1024))).why


def test_no_error_quotes_the_key():
    pem, key = issued()
    middle = key.text().splitlines()[1]
    for error in (refusal(key, pem), refusal(pem, issued()[1]), refusal(pem, Sensitive(key.reveal()[:60]))):
        assert middle not in f"{error} {error.fix}"
