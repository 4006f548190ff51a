"""FlowAPI's check of tokens, against the generator that FlowAuth's tokens are made with."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flowkit_jwt_generator.jwt import generate_token

from flowapi import tokens

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
VERIFIER = tokens.Verifier(PRIVATE.public_key(), "toy_api")
ROLES = {"analyst": ["run", "admin3:flows:flows"], "reader": ["get_result"]}


def flowauth_token(**changes):
    arguments = {
        "flowapi_identifier": "toy_api",
        "username": "ada",
        "private_key": PRIVATE,
        "lifetime": timedelta(hours=1),
        "roles": ROLES,
    }
    return generate_token(**(arguments | changes))


def signed(key=PRIVATE, algorithm="RS256", **changes):
    now = datetime.now(UTC)
    claims = {"sub": "ada", "aud": "toy_api", "exp": now + timedelta(hours=1), "user_claims": ROLES}
    claims |= changes
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm)


def refusal(header):
    with pytest.raises(tokens.TokenRefused) as caught:
        VERIFIER.user(header)
    return caught.value.status, caught.value.event, caught.value.reason


@pytest.mark.parametrize("compress", [True, False])
def test_a_token_of_flowauth_gives_its_user_and_roles(compress):
    user = VERIFIER.user(f"Bearer {flowauth_token(compress=compress)}")
    assert user.name == "ada"
    assert user.roles == {name: frozenset(scopes) for name, scopes in ROLES.items()}


def test_a_role_with_thousands_of_scopes_survives_the_packing_with_line_breaks():
    many = {"universal_role": [f"admin3:kind_{n}:kind_{n}" for n in range(5000)]}
    assert len(VERIFIER.user(f"Bearer {flowauth_token(roles=many)}").roles["universal_role"]) == 5000


@pytest.mark.parametrize("header", [None, ""])
def test_no_header_is_unauthorised(header):
    assert refusal(header) == (401, "UNAUTHORISED", "Missing Authorization Header")


def test_an_expired_token_is_told_apart():
    token = flowauth_token(lifetime=timedelta(minutes=-1))
    assert refusal(f"Bearer {token}") == (401, "EXPIRED_TOKEN", "Token has expired")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer a b", "bearer x", "x"])
def test_another_scheme_is_a_bad_header(header):
    status, event, reason = refusal(header)
    assert (status, event) == (422, "INVALID_TOKEN")
    assert "Bearer <JWT>" in reason


@pytest.mark.parametrize(
    "token",
    [
        "junk",
        "a.b.c",
        "é.é.é",
        signed(key=OTHER),
        signed(aud="another_api"),
        signed(aud=None),
        signed(exp=None),
        signed(sub=None),
        signed(nbf=datetime.now(UTC) + timedelta(minutes=5)),
        signed(algorithm="RS512"),
        signed(key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
        jwt.encode({"sub": "ada", "aud": "toy_api"}, "", "none"),
        signed()[:-8] + "AAAAAAAA",
    ],
)
def test_what_was_not_signed_for_us_is_refused_without_an_echo_of_it(token):
    status, event, reason = refusal(f"Bearer {token}")
    assert (status, event) == (422, "INVALID_TOKEN")
    assert reason
    assert token not in reason


def test_our_public_key_is_no_secret_to_sign_with():
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    _, payload, signature = signed().split(".")
    assert refusal(f"Bearer {header}.{payload}.{signature}")[0] == 422


def test_clocks_may_differ_by_a_few_seconds():
    soon = datetime.now(UTC) + timedelta(seconds=tokens.LEEWAY // 2)
    assert VERIFIER.user(f"Bearer {signed(nbf=soon, iat=soon)}").name == "ada"


def test_a_token_without_claims_has_no_roles():
    assert VERIFIER.user(f"Bearer {signed(user_claims=None)}").roles == {}


def packed(data):
    return base64.encodebytes(gzip.compress(data, mtime=0)).decode()


@pytest.mark.parametrize(
    "claims",
    [
        "not base64 of anything!",
        base64.b64encode(b"not gzip").decode(),
        packed(b"not json"),
        packed(b"[]"),
        packed(b"[" * 200_000),
        packed(json.dumps({"role": "run"}).encode()),
        packed(b'{"role": ["run"]}')[:20],
        base64.b64encode(gzip.compress(b'{"role": ["run"]}', mtime=0)[:-4]).decode(),  # no check sum
        packed(b" " * (tokens.LARGEST_CLAIMS + 1) + b"{}"),
        {"role": [1]},
        ["run"],
        7,
    ],
)
def test_odd_claims_are_refused_bombs_included(claims):
    status, event, reason = refusal(f"Bearer {signed(user_claims=claims)}")
    assert (status, event) == (422, "INVALID_TOKEN")
    assert "user_claims" in reason


@pytest.mark.parametrize("text", [PEM.decode(), base64.b64encode(PEM).decode()])
def test_the_key_may_be_pem_or_base64_of_it(text):
    assert tokens.public_key(text).public_numbers() == PRIVATE.public_key().public_numbers()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "junk",
        base64.b64encode(b"junk").decode(),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    ],
)
def test_what_is_no_rsa_public_key_is_refused(text):
    with pytest.raises(ValueError, match="key"):
        tokens.public_key(text)
