"""What verification finds in a FlowAPI that keeps its rules, and in one that keeps none."""

import base64
import json
from functools import partial
from typing import Any

import jwt
import pytest
import trustme
import yaml
from flowkit_jwt_generator.jwt import decompress_claims

from secrets_quickstart.checks import verification_flowapi, verification_numbers
from secrets_quickstart.checks.check import Obstacle, Ok, Warn
from secrets_quickstart.checks.verification_world import Address, Unasked, World
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.material import keys
from secrets_quickstart.sensitive import Sensitive
from tests import verification_fakes as fakes

AUDIENCE = "flowapi_server"
SPECIFICATION: dict[str, Any] = {
    "openapi": "3.0.1",
    "components": {
        "schemas": {"FlowmachineQuerySchema": {"oneOf": [{}, {}]}},
        "securitySchemes": {
            "token": {"x-audience": AUDIENCE, "x-security-scopes": ["get_available_dates", "get_result", "run"]}
        },
    },
}
PAGE = '<html><script src="assets/redoc.js"></script><redoc spec-url="openapi.json"></redoc></html>'
REFUSALS = (
    verification_flowapi.refuses_no_token,
    verification_flowapi.refuses_another_key,
    verification_flowapi.refuses_an_unsigned_token,
    verification_flowapi.refuses_another_audience,
    verification_flowapi.refuses_an_expired_token,
    verification_flowapi.refuses_a_token_without_the_scope,
)


@pytest.fixture(scope="module")
def signing():
    return keys.signing_key(2048)


@pytest.fixture(scope="module")
def certificate():
    return fakes.tls(trustme.CA(), "flowkit.api", "localhost")


def pages(path, page=PAGE, specification=SPECIFICATION, other=None):
    html = {"Content-Type": "text/html"}
    known = {
        "/": (200, "", {}),
        "/api/0/spec/openapi.json": (200, specification, {}),
        "/api/0/spec/openapi.yaml": (200, yaml.safe_dump(other or specification), {"Content-Type": "text/yaml"}),
        "/api/0/spec/redoc": (200, page, html),
        "/api/0/spec/assets/redoc.js": (200, "void 0", {"Content-Type": "text/javascript"}),
    }
    return known.get(path, (404, {"msg": "nothing here"}, {}))


def strict(signing, method, path, token, document):
    """FlowAPI's rules, by another hand than ours: PyJWT, and a role that must hold each scope."""
    if "/spec/" in path or path == "/":
        return pages(path)
    if not token:
        return 401, {"msg": "Missing Authorization Header"}, {}
    try:
        public = keys.verification_key(signing).text()
        claims = jwt.decode(token, public, algorithms=["RS256"], audience=AUDIENCE, leeway=10)
    except jwt.ExpiredSignatureError:
        return 401, {"msg": "Token has expired"}, {}
    except jwt.InvalidTokenError as error:
        return 422, {"msg": type(error).__name__}, {}
    query = {"run", "admin3:spatial_aggregate:spatial_aggregate", "admin3:spatial_aggregate:daily_location"}
    needed = query if method == "POST" else {"get_available_dates"}
    if not any(needed <= set(scopes) for scopes in decompress_claims(claims["user_claims"]).values()):
        return 403, {"msg": "User claims verification failed"}, {}
    return 200, {"available_dates": {}}, {}


def gullible(method, path, token, document):
    """Everything to everybody."""
    return pages(path) if "/spec/" in path else (200, {"available_dates": {}}, {})


def world(port, certificate, **secrets):
    values = {"FLOWAPI_IDENTIFIER": Sensitive(AUDIENCE), **secrets}
    if certificate is not None:
        values["cert-flowkit.pem"] = Sensitive(certificate[1])

    def nowhere(*_):
        raise AssertionError

    return World(
        secret=values.get,
        address=lambda _: Address("127.0.0.1", port),
        flowmachine=nowhere,
        published=nowhere,
        our_flowapi=lambda: True,
    )


@pytest.fixture
def honest(signing, certificate):
    with fakes.http_server(partial(strict, signing), certificate[0]) as port:
        yield world(port, certificate, PRIVATE_JWT_SIGNING_KEY=signing)


@pytest.fixture
def careless(signing, certificate):
    with fakes.http_server(gullible, certificate[0]) as port:
        yield world(port, certificate, PRIVATE_JWT_SIGNING_KEY=signing)


@pytest.mark.parametrize("check", REFUSALS, ids=lambda check: check.__name__)
def test_a_flowapi_that_refuses_rightly_passes(check, honest):
    assert isinstance(check(honest), Ok)


@pytest.mark.parametrize("check", REFUSALS, ids=lambda check: check.__name__)
def test_a_flowapi_that_refuses_nobody_fails_each_check(check, careless):
    assert isinstance(check(careless), Obstacle)


def test_half_of_a_querys_scopes_must_not_do(signing, certificate):
    def half(method, path, token, document):
        status = 202 if method == "POST" else 403
        return status, {"msg": ""}, {}

    with fakes.http_server(half, certificate[0]) as port:
        outcome = verification_flowapi.refuses_a_token_without_the_scope(
            world(port, certificate, PRIVATE_JWT_SIGNING_KEY=signing)
        )
    assert "half of its scopes" in outcome.detail


def test_a_refusal_with_the_wrong_status_is_an_obstacle(signing, certificate):
    with fakes.http_server(lambda *_: (503, {"msg": "later"}, {}), certificate[0]) as port:
        here = world(port, certificate, PRIVATE_JWT_SIGNING_KEY=signing)
        outcomes = [check(here) for check in REFUSALS]
    assert all(isinstance(outcome, Obstacle) and "status 503" in outcome.detail for outcome in outcomes)


def test_without_the_signing_key_only_tokens_of_strangers_can_be_tried(certificate, signing):
    with fakes.http_server(partial(strict, signing), certificate[0]) as port:
        here = world(port, certificate)
        for check in REFUSALS[:3]:
            assert isinstance(check(here), Ok)
        for check in REFUSALS[3:]:
            with pytest.raises(Unasked, match="no signing key"):
                check(here)


def test_the_unsigned_token_is_right_in_everything_else(careless):
    token = verification_flowapi._a_strangers_token(careless).text()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["aud"] == AUDIENCE
    assert decompress_claims(claims["user_claims"]) == {"verify": ["get_available_dates"]}


def test_our_certificate_is_recognised(honest):
    outcome = verification_flowapi.presents_our_certificate(honest)
    assert isinstance(outcome, Ok)
    assert "flowkit.api and localhost" in outcome.detail


def test_another_certificate_of_the_same_authority_is_not_ours():
    authority = trustme.CA()
    context, _ = fakes.tls(authority, "flowkit.api", "localhost")
    with fakes.http_server(gullible, context) as port:
        here = world(port, fakes.tls(authority, "flowkit.api", "localhost"))
        assert "not the vault's" in verification_flowapi.presents_our_certificate(here).detail


def test_a_certificate_of_another_authority_is_an_obstacle(certificate):
    context, _ = fakes.tls(trustme.CA(), "flowkit.api", "localhost")
    with fakes.http_server(gullible, context) as port:
        outcome = verification_flowapi.presents_our_certificate(world(port, certificate))
    assert isinstance(outcome, Obstacle)
    assert "not trusted" in outcome.detail


def test_old_tls_and_plain_http_are_refused(honest):
    assert isinstance(verification_flowapi.refuses_old_tls(honest), Ok)
    assert isinstance(verification_flowapi.speaks_only_tls(honest), Ok)


def test_a_flowapi_without_tls_is_an_obstacle_when_there_is_a_certificate(certificate):
    with fakes.http_server(gullible) as port:
        assert isinstance(verification_flowapi.speaks_only_tls(world(port, certificate)), Obstacle)


def test_a_flowapi_without_tls_is_warned_of_when_there_is_none():
    with fakes.http_server(gullible) as port:
        here = world(port, None)
        assert isinstance(verification_flowapi.speaks_only_tls(here), Warn)
        with pytest.raises(Unasked):
            verification_flowapi.presents_our_certificate(here)


def test_nobody_there_does_not_count_as_speaking_only_tls():
    with pytest.raises(ServiceError):
        verification_flowapi.speaks_only_tls(world(fakes.free_port(), None))


def test_the_specification_is_the_same_in_both_forms(honest):
    assert verification_flowapi.publishes_its_specification(honest) == Ok("2 kinds of query, 3 scopes")


def changed(**token):
    scheme = {**SPECIFICATION["components"]["securitySchemes"]["token"], **token}
    return {**SPECIFICATION, "components": {**SPECIFICATION["components"], "securitySchemes": {"token": scheme}}}


@pytest.mark.parametrize(
    ("pages_are", "detail"),
    [
        ({"specification": {"openapi": "3.0.1"}}, "lacks 'components'"),
        ({"specification": changed(**{"x-audience": "other"})}, "audience is other"),
        ({"specification": changed(**{"x-security-scopes": ["run", "get_result"]})}, "lack get_available_dates"),
        ({"other": {"openapi": "3.0.1"}}, "something else"),
    ],
)
def test_a_specification_that_would_mislead_flowauth_is_an_obstacle(certificate, pages_are, detail):
    with fakes.http_server(lambda _, path, *__: pages(path, **pages_are), certificate[0]) as port:
        outcome = verification_flowapi.publishes_its_specification(world(port, certificate))
    assert isinstance(outcome, Obstacle)
    assert detail in outcome.detail


def test_documentation_that_loads_only_from_flowapi_is_right(honest):
    assert isinstance(verification_flowapi.shows_its_documentation(honest), Ok)


@pytest.mark.parametrize(
    ("page", "detail"),
    [
        (PAGE.replace("assets/", "https://cdn.example.org/"), "loads from cdn.example.org"),
        (PAGE.replace("assets/", "//cdn.example.org/"), "loads from cdn.example.org"),
        (PAGE.replace("redoc.js", "lost.js"), "lost.js, which gets status 404"),
        (PAGE.replace("openapi.json", "other.json"), "does not show openapi.json"),
    ],
)
def test_documentation_that_needs_the_internet_or_lacks_a_part_is_an_obstacle(certificate, page, detail):
    with fakes.http_server(lambda _, path, *__: pages(path, page), certificate[0]) as port:
        outcome = verification_flowapi.shows_its_documentation(world(port, certificate))
    assert isinstance(outcome, Obstacle)
    assert detail in outcome.detail


def test_dates_are_asked_for_with_a_token_that_is_right(honest, monkeypatch):
    monkeypatch.setattr(verification_numbers, "available_dates", lambda _: {})
    given = World(
        secret=lambda name: Sensitive("x") if name == "FLOWMACHINE_FLOWDB_PASSWORD" else honest.secret(name),
        address=honest.address,
        flowmachine=honest.flowmachine,
        published=honest.published,
        our_flowapi=honest.our_flowapi,
    )
    assert verification_numbers.offers_flowdbs_dates(given) == Ok("none, as in FlowDB")


def test_a_flowapi_that_takes_a_tokens_word_for_needing_no_signature_is_found_out(certificate):
    def trusting(method, path, token, document):
        unsigned = jwt.get_unverified_header(token)["alg"] == "none" and token.endswith(".")
        return 200 if unsigned else 422, {"available_dates": {}}, {}

    with fakes.http_server(trusting, certificate[0]) as port:
        here = world(port, certificate)
        assert isinstance(verification_flowapi.refuses_another_key(here), Ok)
        assert isinstance(verification_flowapi.refuses_an_unsigned_token(here), Obstacle)
