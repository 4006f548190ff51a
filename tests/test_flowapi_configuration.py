"""FlowAPI's configuration: secrets over variables, and one sentence for what is wrong."""

import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from flowapi import configuration
from flowapi.configuration import Misconfigured

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
COMPLETE = {
    "PUBLIC_JWT_SIGNING_KEY": KEY.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode(),
    "FLOWMACHINE_HOST": "flowmachine",
    "FLOWMACHINE_PORT": "5555",
    "FLOWDB_HOST": "flowdb",
    "FLOWDB_PORT": "5432",
    "FLOWAPI_FLOWDB_USER": "flowapi",
    "FLOWAPI_FLOWDB_PASSWORD": "p@s:s/w#r%d?&",
    "FLOWAPI_IDENTIFIER": "toy_api",
}


def refusal(environment, secrets):
    with pytest.raises(Misconfigured) as caught:
        configuration.read(environment, secrets)
    return str(caught.value)


def test_variables_are_enough_and_the_rest_has_defaults(tmp_path):
    read = configuration.read(COMPLETE, tmp_path)
    assert (read.flowmachine_host, read.flowmachine_port) == ("flowmachine", 5555)
    assert (read.port, read.log_level, read.flowmachine_timeout) == (9090, "error", 30.0)
    assert read.flowdb_password == "p@s:s/w#r%d?&"
    assert read.tls is None


def test_a_secret_counts_before_a_variable_and_its_newline_does_not(tmp_path):
    (tmp_path / "FLOWAPI_IDENTIFIER").write_text(" other_api \n")
    assert configuration.read(COMPLETE, tmp_path).identifier == "other_api"


def test_everything_missing_is_named_at_once(tmp_path):
    message = refusal({}, tmp_path)
    assert all(name in message for name in COMPLETE)
    assert message.count("\n") == 0


@pytest.mark.parametrize("name", COMPLETE)
def test_only_what_is_missing_is_named(name, tmp_path):
    (tmp_path / name).write_text("\n")  # empty is missing
    message = refusal(COMPLETE, tmp_path)
    assert [other for other in COMPLETE if other in message] == [name]


def test_everything_wrong_is_named_at_once_and_no_secret_is_shown(tmp_path):
    wrong = {
        "PUBLIC_JWT_SIGNING_KEY": "private things",
        "FLOWMACHINE_PORT": "x",
        "FLOWDB_PORT": "70000",
        "FLOWAPI_PORT": "0",
        "FLOWAPI_FLOWMACHINE_TIMEOUT": "nan",
    }
    message = refusal(COMPLETE | wrong, tmp_path)
    assert all(name in message for name in wrong)
    assert "private things" not in message


def test_an_unknown_log_level_is_error_as_in_flowkit(tmp_path):
    assert configuration.read(COMPLETE | {"FLOWAPI_LOG_LEVEL": "loud"}, tmp_path).log_level == "error"
    assert configuration.read(COMPLETE | {"FLOWAPI_LOG_LEVEL": "INFO"}, tmp_path).log_level == "info"


def test_the_password_is_not_in_the_text_of_the_configuration(tmp_path):
    assert "p@s" not in repr(configuration.read(COMPLETE, tmp_path))


def give_certificate(secrets, leaf):
    leaf.cert_chain_pems[0].write_to_path(secrets / configuration.CERTIFICATE)
    leaf.private_key_pem.write_to_path(secrets / configuration.KEY)


def test_a_certificate_with_its_key_means_modern_tls(tmp_path):
    give_certificate(tmp_path, trustme.CA().issue_cert("flowkit.api"))
    tls = configuration.read(COMPLETE, tmp_path).tls
    assert tls is not None
    assert tls.minimum_version == ssl.TLSVersion.TLSv1_2
    assert all(cipher["aead"] for cipher in tls.get_ciphers())


@pytest.mark.parametrize("missing", [configuration.CERTIFICATE, configuration.KEY])
def test_one_of_the_two_alone_is_refused(missing, tmp_path):
    give_certificate(tmp_path, trustme.CA().issue_cert("flowkit.api"))
    (tmp_path / missing).unlink()
    message = refusal(COMPLETE, tmp_path)
    assert configuration.CERTIFICATE in message
    assert configuration.KEY in message


def test_a_key_of_another_certificate_is_refused(tmp_path):
    give_certificate(tmp_path, trustme.CA().issue_cert("flowkit.api"))
    other = trustme.CA().issue_cert("flowkit.api").private_key_pem
    other.write_to_path(tmp_path / configuration.KEY)
    assert "cannot use" in refusal(COMPLETE, tmp_path)


@pytest.mark.parametrize("name", [configuration.CERTIFICATE, configuration.KEY])
def test_a_certificate_or_key_that_is_none_is_refused(name, tmp_path):
    give_certificate(tmp_path, trustme.CA().issue_cert("flowkit.api"))
    (tmp_path / name).write_text("-----BEGIN NOTHING-----\n")
    assert "cannot use" in refusal(COMPLETE, tmp_path)


def test_a_secret_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "FLOWAPI_IDENTIFIER").write_bytes(b"\xff\xfe")
    assert "FLOWAPI_IDENTIFIER" in refusal(COMPLETE, tmp_path)
