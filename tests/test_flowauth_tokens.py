"""Tokens, held against FlowKit's own generator, flowclient's needs and the verifier of the local FlowAPI."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flowkit_jwt_generator.jwt import decompress_claims, generate_token

from flowapi.tokens import Verifier
from tests.flowauth_package import module

tokens = module("tokens")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ROLES = {"analyst": ["get_result", "run"], "übung": [f"admin{n}:kind_{n}:part_{n}" for n in range(300)]}


def made(**changes):
    now = datetime.now(UTC).replace(tzinfo=None)
    arguments = {"username": "ada", "audience": "api", "roles": ROLES, "key": KEY, "now": now}
    return tokens.signed(**{**arguments, "expiry": now + timedelta(hours=2), **changes})


def test_claims_are_those_of_flowkits_own_generator():
    theirs = generate_token(
        flowapi_identifier="api", username="ada", private_key=KEY, lifetime=timedelta(hours=2), roles=ROLES
    )
    ours, theirs = (
        jwt.decode(token, KEY.public_key(), algorithms=["RS256"], audience="api", leeway=5)
        for token in (made(), theirs)
    )
    assert ours.keys() == theirs.keys()
    assert decompress_claims(ours["user_claims"]) == decompress_claims(theirs["user_claims"]) == ROLES
    for name in ("iat", "nbf", "exp"):
        assert isinstance(ours[name], int)
        assert abs(ours[name] - theirs[name]) <= 2
    assert ours["exp"] - ours["iat"] == 7200
    assert (ours["sub"], ours["aud"]) == ("ada", "api")


def test_flowapi_finds_the_user_and_the_roles():
    user = Verifier(KEY.public_key(), "api").user(f"Bearer {made()}")
    assert user.name == "ada"
    assert user.roles == {role: frozenset(scopes) for role, scopes in ROLES.items()}


def test_no_two_tokens_have_the_same_id():
    ids = {jwt.decode(made(), options={"verify_signature": False})["jti"] for _ in range(2)}
    assert len(ids) == 2


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither"),
        ("-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----", "neither"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "less than 2048"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_without_being_quoted(text, reason):
    with pytest.raises(ValueError, match=reason) as problem:
        tokens.private_key(text)
    assert "hush" not in str(problem.value)
