from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from flowkit_jwt_generator.jwt import decompress_claims

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import keys
from secrets_quickstart.material.tokens import token

ROLES = {"reader": ("get_result", "run", "admin3:spatial_aggregate:daily_location")}


@pytest.fixture(scope="module")
def signing():
    return keys.signing_key(2048)


def claims(made, signing, audience="flowapi"):
    return jwt.decode(made.text(), keys.verification_key(signing).text(), algorithms=["RS256"], audience=audience)


def test_a_token_carries_its_user_its_audience_and_its_scopes(signing):
    found = claims(token("analyst", signing, "flowapi", ROLES, timedelta(hours=1)), signing)

    assert found["sub"] == "analyst"
    assert found["aud"] == "flowapi"
    assert decompress_claims(found["user_claims"]) == {"reader": list(ROLES["reader"])}


def test_a_token_lives_as_long_as_was_asked_for(signing):
    found = claims(token("analyst", signing, "flowapi", ROLES, timedelta(minutes=7)), signing)

    assert found["exp"] - found["iat"] == 7 * 60
    assert abs(found["iat"] - datetime.now(UTC).timestamp()) < 30


def test_a_negative_lifetime_makes_an_expired_token(signing):
    with pytest.raises(jwt.ExpiredSignatureError):
        claims(token("analyst", signing, "flowapi", ROLES, timedelta(minutes=-5)), signing)


def test_a_token_is_for_its_audience_only(signing):
    with pytest.raises(jwt.InvalidAudienceError):
        claims(token("analyst", signing, "another", ROLES, timedelta(hours=1)), signing)


def test_a_token_of_another_key_does_not_verify(signing):
    with pytest.raises(jwt.InvalidSignatureError):
        claims(token("analyst", keys.signing_key(2048), "flowapi", ROLES, timedelta(hours=1)), signing)


def test_a_token_needs_an_rsa_key():
    with pytest.raises(MaterialError, match="not RSA"):
        token("analyst", keys.elliptic_key(), "flowapi", ROLES, timedelta(hours=1))


def test_a_token_does_not_show(signing):
    made = token("analyst", signing, "flowapi", ROLES, timedelta(hours=1))

    assert made.text() not in repr(made)
