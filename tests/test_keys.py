from __future__ import annotations

import base64

import pytest
import trustme
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import keys
from secrets_quickstart.sensitive import Sensitive

PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def signing():
    return keys.signing_key(2048)


def private(key, form=serialization.PrivateFormat.PKCS8, locked=None, encoding=PEM) -> Sensitive:
    lock = serialization.NoEncryption() if locked is None else serialization.BestAvailableEncryption(locked)
    return Sensitive(key.private_bytes(encoding, form, lock))


def refusal(check, value: Sensitive) -> MaterialError:
    with pytest.raises(MaterialError) as caught:
        check(value)
    assert caught.value.why
    assert caught.value.fix
    assert caught.value.__cause__ is None  # the library's texts may quote the input
    return caught.value


def test_a_signing_key_is_an_rsa_key_of_the_size_that_was_asked_for(signing):
    key = serialization.load_pem_private_key(signing.reveal(), None)

    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    assert key.public_key().public_numbers().e == 65537
    assert signing.reveal().startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_the_verification_key_verifies_what_the_signing_key_signed(signing):
    key = serialization.load_pem_private_key(signing.reveal(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(b"claims", padding.PKCS1v15(), hashes.SHA256())

    public = serialization.load_pem_public_key(keys.verification_key(signing).reveal())

    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(signature, b"claims", padding.PKCS1v15(), hashes.SHA256())
    assert keys.verification_key(signing).reveal().startswith(b"-----BEGIN PUBLIC KEY-----\n")


def test_an_elliptic_key_is_on_the_curve_that_every_client_knows():
    key = serialization.load_pem_private_key(keys.elliptic_key().reveal(), None)

    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"


def wrapped(value: Sensitive, how: str) -> Sensitive:
    match how:
        case "base64":
            return Sensitive(base64.b64encode(value.reveal()) + b"\n")
        case "base64 in lines":
            return Sensitive(base64.encodebytes(value.reveal()))
        case "padded":
            return Sensitive(b"\r\n\n" + value.reveal() + b"\n\n")
    return value


@pytest.mark.parametrize("how", ["as it is", "base64", "base64 in lines", "padded"])
def test_an_operators_verification_key_is_taken_as_pem_or_base64_of_it(signing, how):
    public = keys.verification_key(signing)

    assert keys.check_verification_key(wrapped(public, how)) == public


@pytest.mark.parametrize("how", ["as it is", "base64", "base64 in lines", "padded"])
def test_an_operators_signing_key_is_taken_as_pem_or_base64_of_it(signing, how):
    assert keys.check_signing_key(wrapped(signing, how)) == signing


def test_an_older_form_of_the_same_keys_is_brought_into_ours(signing):
    key = serialization.load_pem_private_key(signing.reveal(), None)
    older = private(key, serialization.PrivateFormat.TraditionalOpenSSL)
    public = key.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    older_public = Sensitive(public.public_bytes(PEM, serialization.PublicFormat.PKCS1))

    assert keys.check_signing_key(older) == signing
    assert keys.check_verification_key(older_public) == keys.verification_key(signing)


def test_a_certificate_is_taken_for_the_key_that_it_is_about():
    leaf = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("flowauth.example", key_type=trustme.KeyType.RSA)

    found = keys.check_verification_key(Sensitive(leaf.cert_chain_pems[0].bytes()))

    assert found == keys.verification_key(Sensitive(leaf.private_key_pem.bytes()))


@pytest.mark.parametrize("how", ["as it is", "base64"])
def test_a_private_key_is_no_verification_key(signing, how):
    error = refusal(keys.check_verification_key, wrapped(signing, how))

    assert "private key" in error.why
    assert "-pubout" in error.fix


def test_a_public_key_is_no_signing_key(signing):
    assert "public half" in refusal(keys.check_signing_key, keys.verification_key(signing)).why


def test_keys_that_are_too_short_are_refused():
    short = rsa.generate_private_key(65537, 1024)
    public = Sensitive(short.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    assert "1024 bits" in refusal(keys.check_signing_key, private(short)).why
    assert "1024 bits" in refusal(keys.check_verification_key, public).why
    assert "1024 bits" in refusal(keys.check_tls_key, private(short)).why


def test_keys_of_another_kind_cannot_sign_for_flowkit():
    key = ec.generate_private_key(ec.SECP256R1())
    public = Sensitive(key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    assert "not RSA" in refusal(keys.check_signing_key, private(key)).why
    assert "not RSA" in refusal(keys.check_verification_key, public).why


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("check", [keys.check_signing_key, keys.check_tls_key])
def test_an_encrypted_key_is_refused_with_the_command_that_decrypts_it(signing, form, check):
    key = serialization.load_pem_private_key(signing.reveal(), None)

    error = refusal(check, private(key, form, locked=b"passphrase"))

    assert "encrypted" in error.why
    assert "openssl pkey" in error.fix


def test_a_binary_key_is_recognised(signing):
    key = serialization.load_pem_private_key(signing.reveal(), None)

    assert "DER" in refusal(keys.check_signing_key, private(key, encoding=serialization.Encoding.DER)).why


def test_tls_takes_the_keys_that_every_client_knows(signing):
    for key in (keys.elliptic_key(), private(ec.generate_private_key(ec.SECP384R1())), signing):
        assert keys.check_tls_key(key) == key
    for odd in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256K1())):
        assert "not every TLS client" in refusal(keys.check_tls_key, private(odd)).why


def test_a_damaged_key_is_refused(signing):
    lines = signing.reveal().splitlines(keepends=True)
    short = Sensitive(b"".join(lines[:5] + lines[-1:]))

    assert "damaged" in refusal(keys.check_signing_key, short).why
    assert "damaged" in refusal(keys.check_tls_key, short).why


def test_numbers_that_do_not_fit_together_are_found(signing):
    key = serialization.load_pem_private_key(signing.reveal(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        numbers.p, numbers.q, numbers.d + 2, numbers.dmp1, numbers.dmq1, numbers.iqmp, numbers.public_numbers
    ).private_key(unsafe_skip_rsa_key_validation=True)

    refusal(keys.check_signing_key, private(wrong))


@given(st.binary(max_size=200))
def test_whatever_is_given_as_a_key_ends_in_a_clear_error(content):
    for check in (keys.check_signing_key, keys.check_verification_key, keys.check_tls_key):
        for value in (content, b"-----BEGIN PRIVATE KEY-----\n" + content, b"-----BEGIN PUBLIC KEY-----\n" + content):
            refusal(check, Sensitive(value))
