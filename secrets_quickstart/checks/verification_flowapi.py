"""Does FlowAPI show the right certificate, publish its specification, and refuse the tokens that it should?"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from html.parser import HTMLParser

from secrets_quickstart.checks.check import Obstacle, Ok, Outcome, Warn
from secrets_quickstart.checks.verification_world import PREFERRED, Unasked, Verification, World
from secrets_quickstart.clients import tls
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flowapi import LOG_FIX, FlowapiClient, Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

USER = "flowkit-verify"
LIFETIME = timedelta(minutes=15)
"""Of the tokens made here; a query that takes longer is ended before."""

DATES = "/api/0/available_dates"
SPECIFICATION = "/api/0/spec/openapi"
PAGE = "/api/0/spec/redoc"

DEPLOY_FIX = tls.FIX


def _certified(world: World) -> tuple[Place, str]:
    """FlowAPI's place and the certificate that it should present."""
    place = world.flowapi_place()
    if place.trust is None:
        raise Unasked("the vault holds no certificate, so this FlowAPI has none")
    return place, place.trust


def presents_our_certificate(world: World) -> Outcome:
    from secrets_quickstart.material import certificates

    place, pem = _certified(world)
    own = certificates.describe(Sensitive(pem))
    names = [name for name in PREFERRED if name in own.names] or [place.name]
    for name in names:
        try:
            shaken = tls.handshake(place.host, place.port, name, tls.trusting(pem))
        except Refused as refusal:
            return Obstacle(str(refusal), DEPLOY_FIX)
        if shaken.fingerprint != tls.fingerprint(pem):
            return Obstacle(f"the certificate presented for {name} is not the vault's", DEPLOY_FIX)
    return Ok(f"{shaken.version}, for {' and '.join(names)}, until {own.not_after:%Y-%m-%d}")


def refuses_old_tls(world: World) -> Outcome:
    place, pem = _certified(world)
    tls.handshake(place.host, place.port, place.name, tls.trusting(pem))  # else there is nothing to refuse
    try:
        shaken = tls.handshake(place.host, place.port, place.name, tls.old_fashioned(pem))
    except Refused:
        return Ok("no handshake")
    return Obstacle(f"it speaks {shaken.version}", "let FlowAPI speak TLS 1.2 and later only")


def speaks_only_tls(world: World) -> Outcome:
    place = world.flowapi_place()
    plain = FlowapiClient(Place(place.host, place.port))
    try:
        reply = plain.get("/")
    except ServiceError:
        if place.trust is None:
            raise
        return Ok("plain HTTP gets no answer")
    if place.trust is None:
        return Warn("tokens and results travel in the clear", "make a certificate, and deploy again")
    if reply.status < 400:
        return Obstacle(f"plain HTTP gets status {reply.status}", DEPLOY_FIX)
    return Ok(f"plain HTTP gets status {reply.status}")


def publishes_its_specification(world: World) -> Outcome:
    import yaml

    client = world.flowapi()
    replies = {kind: client.get(f"{SPECIFICATION}.{kind}") for kind in ("json", "yaml")}
    fix = "see the logs: invoke logs flowapi, invoke logs flowmachine"
    for kind, reply in replies.items():
        if reply.status != 200:
            return Obstacle(f"openapi.{kind} gets status {reply.status}", fix)
    document = replies["json"].json()
    try:
        token = document["components"]["securitySchemes"]["token"]
        audience, scopes = token["x-audience"], token["x-security-scopes"]
        kinds = len(document["components"]["schemas"]["FlowmachineQuerySchema"]["oneOf"])
    except (KeyError, TypeError) as error:
        return Obstacle(f"openapi.json lacks {error}", fix)
    expected = world.needed("FLOWAPI_IDENTIFIER").text()
    if audience != expected:
        return Obstacle(f"its audience is {audience}, not {expected}", "deploy again: it started with another name")
    if lacking := {"run", "get_result", "get_available_dates"}.difference(scopes):
        return Obstacle(f"its scopes lack {', '.join(sorted(lacking))}", fix)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if yaml.load(replies["yaml"].body, loader) != document:  # noqa: S506  both of them are safe loaders
        return Obstacle("openapi.yaml says something else than openapi.json", fix)
    return Ok(f"{kinds} kinds of query, {len(scopes)} scopes")


class References(HTMLParser):
    """What a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "link": "href", "img": "src", "iframe": "src"}.get(tag)
        self.urls += [value for name, value in attrs if name == wanted and value]


def shows_its_documentation(world: World) -> Outcome:
    from urllib.parse import urljoin, urlsplit

    client = world.flowapi()
    reply = client.get(PAGE)
    fix = LOG_FIX
    if reply.status != 200 or "html" not in reply.media_type:
        return Obstacle(f"redoc gets status {reply.status}, {reply.media_type or 'no media type'}", fix)
    if "openapi.json" not in reply.text():
        return Obstacle("the page does not show openapi.json", fix)
    if not world.our_flowapi():
        return Ok("served; the official page loads ReDoc from the internet")
    paths = [urlsplit(urljoin(client.place.url + PAGE, url)) for url in References(reply.text()).urls]
    here = urlsplit(client.place.url).netloc
    if strangers := sorted({path.netloc for path in paths if path.netloc and path.netloc != here}):
        return Obstacle(f"the page loads from {', '.join(strangers)}", "serve what the page needs from FlowAPI")
    for path in paths:
        if path.netloc and (status := client.get(path.path).status) != 200:
            return Obstacle(f"the page needs {path.path}, which gets status {status}", fix)
    return Ok("served, with all that it loads")


def signed(
    world: World,
    roles: Mapping[str, Sequence[str]],
    *,
    audience: str | None = None,
    lifetime: timedelta = LIFETIME,
) -> Sensitive:
    """A token signed with the vault's key.  Raises Unasked when the vault holds only the key that verifies."""
    from secrets_quickstart.material import tokens

    key = world.secret("PRIVATE_JWT_SIGNING_KEY")
    if key is None:
        raise Unasked("the vault holds no signing key, so no such token can be made")
    return tokens.token(USER, key, audience or world.needed("FLOWAPI_IDENTIFIER").text(), roles, lifetime)


ALL_DATES = {"verify": ("get_available_dates",)}


def _a_strangers_token(world: World) -> Sensitive:
    """Right in everything but the key."""
    from secrets_quickstart.material import keys, tokens

    audience = world.needed("FLOWAPI_IDENTIFIER").text()
    return tokens.token(USER, keys.signing_key(2048), audience, ALL_DATES, LIFETIME)


def _expect(statuses: Sequence[int], world: World, token: Sensitive | None, otherwise: str) -> Outcome:
    status = world.flowapi(token).get(DATES).status
    if status in statuses:
        return Ok(f"status {status}")
    if status < 400:
        return Obstacle(otherwise, "stop FlowAPI: it gives out what it should not (invoke down), and see its image")
    return Obstacle(f"status {status} where {' or '.join(map(str, statuses))} is right", LOG_FIX)


def refuses_no_token(world: World) -> Outcome:
    return _expect((401,), world, None, "it answers without a token")


def refuses_another_key(world: World) -> Outcome:
    return _expect((401, 422), world, _a_strangers_token(world), "it accepts a token that a stranger signed")


def refuses_an_unsigned_token(world: World) -> Outcome:
    claims = _a_strangers_token(world).text().split(".")[1]
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    return _expect((401, 422), world, Sensitive(f"{header}.{claims}."), "it accepts a token that nobody signed")


def refuses_another_audience(world: World) -> Outcome:
    token = signed(world, ALL_DATES, audience=world.needed("FLOWAPI_IDENTIFIER").text() + ".other")
    return _expect((401, 422), world, token, "it accepts a token for another server")


def refuses_an_expired_token(world: World) -> Outcome:
    token = signed(world, ALL_DATES, lifetime=timedelta(hours=-1))
    return _expect((401,), world, token, "it accepts a token that expired an hour ago")


def refuses_a_token_without_the_scope(world: World) -> Outcome:
    """Neither another action's scope nor one for half of the query opens the door."""
    outcome = _expect((403,), world, signed(world, {"verify": ("run", "get_result")}), "it gives dates to any token")
    if not isinstance(outcome, Ok):
        return outcome
    token = signed(world, {"verify": ("run", "get_result", "admin3:spatial_aggregate:spatial_aggregate")})
    locations = {"query_kind": "daily_location", "date": "2016-01-01", "method": "last", "aggregation_unit": "admin3"}
    status = world.flowapi(token).post("/api/0/run", {"query_kind": "spatial_aggregate", "locations": locations}).status
    if status != 403:
        return Obstacle(f"a query with half of its scopes gets status {status} where 403 is right", LOG_FIX)
    return Ok("status 403, for dates and for a query")


def _row(name: str, question: str, ask: Callable[[World], Outcome]) -> Verification:
    return Verification(name, question, "flowapi", ask)


CHECKS = (
    _row("certificate", "Does FlowAPI present the vault's certificate?", presents_our_certificate),
    _row("old TLS", "Does FlowAPI refuse TLS 1.0 and 1.1?", refuses_old_tls),
    _row("plain HTTP", "Does FlowAPI speak nothing but TLS?", speaks_only_tls),
    _row("specification", "Does FlowAPI publish what can be asked?", publishes_its_specification),
    _row("documentation", "Does FlowAPI show its documentation, without the internet?", shows_its_documentation),
    _row("no token", "Is a request without a token refused?", refuses_no_token),
    _row("another key", "Is a token of another key refused?", refuses_another_key),
    _row("no signature", "Is an unsigned token refused?", refuses_an_unsigned_token),
    _row("another audience", "Is a token for another server refused?", refuses_another_audience),
    _row("expired", "Is an expired token refused?", refuses_an_expired_token),
    _row("no scope", "Is a token without the scope refused?", refuses_a_token_without_the_scope),
)
