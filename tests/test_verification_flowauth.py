"""What verification finds in FlowAuth itself, and in one that keeps some rule no longer; and whom it leaves behind."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
import trustme
from flowkit_jwt_generator.jwt import decompress_claims

from secrets_quickstart.checks import verification, verification_guests
from secrets_quickstart.checks import verification_flowauth as checks
from secrets_quickstart.checks import verification_numbers as numbers
from secrets_quickstart.checks.check import Obstacle, Ok, Status
from secrets_quickstart.checks.verification_guests import PREFIX, Guest, is_left_over
from secrets_quickstart.checks.verification_world import Address, Door, Unasked, World
from secrets_quickstart.clients.analyst import Findings, Question
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flowapi import FlowapiClient, Place
from secrets_quickstart.clients.flowauth_records import Limits, moment
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.material import keys
from secrets_quickstart.sensitive import Sensitive
from tests import flowauth_running as real
from tests import verification_fakes as fakes
from tests.flowauth_package import module

SERVER = "toy_api"
DAY = "2016-01-02"
LIMITS = Limits(verification_guests.LIFETIME * 100, moment("2090-12-31T00:00:00Z"))
NEEDED = (*numbers.scopes("admin3"), *numbers.scopes("admin2"))
BY_PEOPLE = (*NEEDED, "admin3:flows:flows")


@pytest.fixture(scope="module")
def signing():
    return keys.signing_key(2048)


@pytest.fixture(scope="module")
def service(tmp_path_factory, signing):
    with real.running(tmp_path_factory.mktemp("flowauth"), signing) as made:
        yield made


class Flowapi:
    """FlowAPI's rules, by another hand than ours, and flowclient's part; `gullible` keeps no rule."""

    def __init__(self, signing):
        self.signing = signing
        self.gullible = False
        self.dates: dict[str, list[str]] = {"calls": [DAY]}
        self.questions: list[Any] = []
        self.roles: list[dict[str, list[str]]] = []

    def answer(self, method, path, token, document):
        claims = jwt.decode(token, keys.verification_key(self.signing).text(), algorithms=["RS256"], audience=SERVER)
        roles = decompress_claims(claims["user_claims"])
        self.roles.append(roles)
        needed = set(numbers.scopes("admin3")) if method == "POST" else {"get_available_dates"}
        if not self.gullible and not any(needed <= set(scopes) for scopes in roles.values()):
            return 403, {"msg": "User claims verification failed"}, {}
        return 200, {"available_dates": self.dates}, {}

    def ask(self, question, dates):
        self.questions.append((question, dates))
        return Findings(dates, [{"pcod": "A", "value": 16}])


class Deployed(World):
    """A stack whose FlowAPI has a `Flowapi` in its place, and whose FlowDB knows two units."""

    api: Flowapi

    def flowdb(self, user, password):
        return SimpleNamespace(query=lambda statement, units: [("admin2",), ("admin3",)])

    def analyst(self, token):
        return self.api


@pytest.fixture
def api(signing):
    return Flowapi(signing)


@pytest.fixture
def secrets(signing, service):
    return {
        "FLOWAUTH_ADMIN_USER": Sensitive(real.ADMIN),
        "FLOWAUTH_ADMIN_PASSWORD": real.ADMIN_PASSWORD,
        "FLOWAPI_IDENTIFIER": Sensitive(SERVER),
        "PRIVATE_JWT_SIGNING_KEY": signing,
        "FLOWMACHINE_FLOWDB_PASSWORD": Sensitive("any"),
    }


@pytest.fixture
def world(service, secrets, api, monkeypatch):
    """FlowAuth with a server and its analyst role, a FlowAPI that takes its tokens, and a verification under way."""
    real.emptied(service.app)
    service.seen.clear()
    monkeypatch.setattr(checks, "ENOUGH", 3)
    with real.signed_in(service.place) as admin:
        admin.add_server(SERVER, BY_PEOPLE, LIMITS)
        admin.add_role(SERVER, "analyst", BY_PEOPLE, LIMITS)
    context, pem = fakes.tls(trustme.CA(), "localhost")
    with fakes.http_server(lambda *asked: api.answer(*asked), context) as port:  # noqa: PLW0108  tests change it
        place = Place("127.0.0.1", port, "localhost", pem)
        monkeypatch.setattr(Deployed, "flowapi", lambda _, token=None: FlowapiClient(place, token))
        monkeypatch.setattr(Deployed, "api", api, raising=False)
        made = Deployed(
            secret=secrets.get,
            address=lambda _: Address("127.0.0.1", port),
            flowmachine=lambda: None,  # type: ignore[arg-type,return-value]  # nobody asks it
            published=lambda _: (),
            our_flowapi=lambda: True,
            door=lambda: Door(service.place, 80),
        )
        with made.guests:
            yield made


def known(service):
    with real.signed_in(service.place) as admin:
        return sorted(admin.user_names()), sorted(role.name for role in admin.roles())


@pytest.mark.parametrize("row", checks.CHECKS, ids=lambda row: row.name)
def test_flowauth_as_it_should_be_passes(row, world):
    outcome = verification.outcome(row, world)
    assert isinstance(outcome, Ok), outcome


def test_a_verification_leaves_flowauth_as_it_was(world, service):
    before = known(service)
    found = verification.run(world, ["flowauth"], checks.CHECKS)
    assert {item.status for item in found} == {Status.OK}, found
    assert known(service) == before == ([real.ADMIN], ["analyst"])


def test_who_is_there_beforehand_is_not_touched(world, service):
    with real.signed_in(service.place) as admin:
        admin.add_user("ada", real.USER_PASSWORD)
        admin.put_into_role(SERVER, "analyst", "ada")
        before = admin.users(), admin.roles(), admin.servers()
        kept = {f"/admin/users/{number}" for number in admin._users().values()}
        kept |= {f"/roles/{row.number}" for row in admin._rows()}
        kept |= {f"/admin/servers/{number}" for number in admin._servers().values()}
    service.seen.clear()
    verification.run(world, ["flowauth"], checks.CHECKS)
    changed = {path for method, path in service.seen if method != "GET"}
    with real.signed_in(service.place) as admin:
        assert (admin.users(), admin.roles(), admin.servers()) == before
    assert len(kept) == 4
    assert not [path for path in changed if any(path == own or path.startswith(f"{own}/") for own in kept)]


def test_a_check_that_breaks_off_leaves_nobody_behind(world, service, monkeypatch):
    monkeypatch.setattr(Guest, "ask_for_token", lambda *_: 1 / 0)
    found = verification.run(world, ["flowauth"], checks.CHECKS)
    assert "broke off (ZeroDivisionError)" in next(item.detail for item in found if item.check == "FlowAuth, no role")
    assert known(service) == ([real.ADMIN], ["analyst"])


def test_what_a_killed_verification_left_is_removed_by_the_next_and_nothing_else(world, service):
    old = f"{PREFIX}{int(time.time()) - 901:x}-00000001"
    young = f"{PREFIX}{int(time.time()) - 300:x}-00000002"
    person = f"{PREFIX}of-the-house"
    with real.signed_in(service.place) as admin:
        for name in (old, young, person):
            admin.add_user(name, real.USER_PASSWORD)
            admin.add_role(SERVER, name, BY_PEOPLE[:1], LIMITS)
    checks.admin_signs_in(world)
    assert known(service) == (sorted([real.ADMIN, young, person]), sorted(["analyst", young, person]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{PREFIX}{1000:08x}-00000001", True),
        (f"{PREFIX}{100_000:08x}-00000001", False),
        (f"{PREFIX}{1_000_000:08x}-00000001", True),
        (f"{PREFIX}{1000:08x}-0000000", False),
        (f"my-{PREFIX}{1000:08x}-00000001", False),
        ("flowkit-verify", False),
    ],
    ids=["long ago", "just now", "in the future", "too short", "another name", "no time"],
)
def test_left_overs_are_told_by_name_and_age(name, expected):
    assert is_left_over(name, 100_100) is expected


def test_the_admin_signs_in_once_however_many_checks_there_are(world, service, secrets):
    secrets["FLOWAUTH_ADMIN_PASSWORD"] = Sensitive("no longer right")
    service.seen.clear()
    found = verification.run(world, ["flowauth"], checks.CHECKS)
    assert [item.status for item in found] == [Status.OBSTACLE] + [Status.SKIPPED] * 4
    assert "Incorrect username or password" in found[0].detail
    assert "start again" in found[0].fix
    assert service.seen.count(("POST", "/signin")) == 1


def test_verifying_again_and_again_locks_nobody_out(world):
    for _ in range(12):
        assert isinstance(checks.refuses_a_wrong_password(world), Ok)
    assert isinstance(checks.admin_signs_in(world), Ok)


def test_an_admin_who_needs_a_code_is_no_obstacle_and_no_user_is_made(world, service, secrets):
    with real.signed_in(service.place) as admin:
        offer = admin.offer_two_factor()
        admin.confirm_two_factor(offer, offer.code(datetime.now(UTC)))
    service.seen.clear()
    found = {item.check: item for item in verification.run(world, ["flowauth"], checks.CHECKS)}
    assert found["FlowAuth's admin"].detail == "the password is right; admin needs a two-factor code besides"
    assert found["FlowAuth, wrong password"].detail == "that of a name that does not exist"
    for name in ("FlowAuth, a code twice", "FlowAuth, no role", "FlowAuth's token"):
        assert found[name].status is Status.SKIPPED
        assert "two-factor code" in found[name].detail
    assert ("POST", "/admin/users") not in service.seen


def test_an_admin_who_lost_the_right_is_an_obstacle(world, service):
    with real.signed_in(service.place) as admin:
        admin.add_user("boss", real.USER_PASSWORD, is_admin=True)
    with real.signed_in(service.place, "boss", real.USER_PASSWORD) as boss:
        boss.change_user(real.ADMIN, is_admin=False)
    with pytest.raises(ServiceError, match="no admin of FlowAuth"):
        checks.admin_signs_in(world)


def test_a_flowauth_that_takes_any_password_is_found_out(world, monkeypatch):
    monkeypatch.setattr(module("passwords"), "is_right", lambda *_: True)
    assert "a password made up a moment ago" in checks.refuses_a_wrong_password(world).detail


def test_a_flowauth_that_takes_any_name_is_found_out(world, monkeypatch):
    def closed(*_):
        raise verification_guests.Closed("admin needs a code")

    monkeypatch.setattr(verification_guests, "_signed_in", closed)
    monkeypatch.setattr(checks, "new_name", lambda: real.ADMIN)
    monkeypatch.setattr(checks, "new_password", lambda _: real.ADMIN_PASSWORD)
    assert "lets in a name" in checks.refuses_a_wrong_password(world).detail


def test_a_session_that_outlives_signing_out_is_found_out(world, monkeypatch):
    monkeypatch.setattr(module("sessions"), "end", lambda: None)
    assert "the session goes on" in checks.refuses_a_wrong_password(world).detail


def test_a_flowauth_that_forgets_used_codes_is_found_out(world, monkeypatch):
    monkeypatch.setattr(module("memory").FileMemory, "first", lambda *_: True)
    assert "twice with the same two-factor code" in checks.takes_no_code_twice(world).detail


def test_a_flowauth_that_counts_from_the_first_sign_in_passes(world, monkeypatch):
    """As the official one may."""
    monkeypatch.setattr(module("two_factor"), "require_code", lambda *_: None)
    assert isinstance(checks.takes_no_code_twice(world), Ok)


def test_a_flowauth_that_wants_no_code_is_found_out(world, monkeypatch):
    monkeypatch.setattr(module("models").User, "has_two_factor", property(lambda _: False))
    assert "without the two-factor code" in checks.takes_no_code_twice(world).detail


def test_clocks_that_differ_are_told_from_a_code_that_was_used(world, monkeypatch):
    monkeypatch.setattr(Guest, "offer_two_factor", _late(Guest.offer_two_factor))
    outcome = checks.takes_no_code_twice(world)
    assert isinstance(outcome, Obstacle)
    assert "clocks" in outcome.fix


def _late(offer_two_factor):
    def late(guest):
        offer = offer_two_factor(guest)
        return SimpleNamespace(
            code=lambda at: offer.code(at - timedelta(hours=1)),
            signed_secret=offer.signed_secret,
            signed_backup_codes=offer.signed_backup_codes,
        )

    return late


def test_the_token_is_that_of_the_widest_role_and_asks_for_the_newest_day(world, api, service):
    with real.signed_in(service.place) as admin:
        admin.add_role(SERVER, "narrow", numbers.scopes("admin3"), LIMITS)
    outcome = checks.a_token_gets_a_result(world)
    assert outcome == Ok(f"flowclient gets 1 regions of {DAY} at admin3 with it, by what analyst may")
    assert api.questions == [(Question(DAY, "admin3", ("calls",)), {"calls": [DAY]})]
    [scopes] = api.roles[-1].values()
    assert scopes == sorted({*BY_PEOPLE})


def test_a_coarser_unit_is_asked_for_where_roles_allow_no_finer_one(world, api, service):
    with real.signed_in(service.place) as admin:
        admin.change_role(SERVER, "analyst", scopes=numbers.scopes("admin2"))
    assert isinstance(checks.a_token_gets_a_result(world), Ok)
    assert api.questions[0][0].unit == "admin2"


def test_without_a_role_that_allows_it_a_role_of_its_own_does(world, service):
    with real.signed_in(service.place) as admin:
        admin.change_role(SERVER, "analyst", scopes=["run"])
    assert "a role of its own" in checks.a_token_gets_a_result(world).detail


def test_a_server_without_the_scopes_for_any_query_is_an_obstacle(world, service):
    with real.signed_in(service.place) as admin:
        admin.set_scopes(SERVER, {"run": True, "get_available_dates": True})
    outcome = checks.a_token_gets_a_result(world)
    assert isinstance(outcome, Obstacle)
    assert "flowauth.link" in outcome.fix


def test_without_records_the_token_is_still_tried(world, api):
    api.dates = {}
    assert "no records yet" in checks.a_token_gets_a_result(world).detail
    assert not api.questions


def test_a_flowapi_that_refuses_flowauths_token_is_an_obstacle(world, monkeypatch):
    monkeypatch.setattr(Flowapi, "answer", lambda *_: (401, {"msg": "no"}, {}))
    outcome = checks.a_token_gets_a_result(world)
    assert isinstance(outcome, Obstacle)
    assert "status 401: no" in outcome.detail


def test_a_query_that_fails_is_an_obstacle(world, api, monkeypatch):
    def fails(*_):
        raise ServiceError("flowclient could not run the query", why="errored")

    monkeypatch.setattr(Flowapi, "ask", fails)
    row = checks.CHECKS[-1]
    assert isinstance(verification.outcome(row, world), Obstacle)


def test_a_flowauth_that_gives_tokens_to_all_is_found_out(world, monkeypatch):
    held = module("own_tokens")._held
    everybodys = lambda server, _: _all_roles(held, server)  # noqa: E731
    monkeypatch.setattr(module("own_tokens"), "_held", everybodys)
    assert "a user who has no role" in checks.without_the_role_there_is_no_result(world).detail


def _all_roles(held, server):
    models = module("models")
    found: dict[str, Any] = {}
    for (user,) in models.database.session.execute(models.database.select(models.User.id)):
        audience, roles = held(server, user)
        found |= roles
    return audience, found


def test_a_flowapi_that_runs_any_query_is_found_out(world, api):
    api.gullible = True
    assert "does not allow it, not 403" in checks.without_the_role_there_is_no_result(world).detail


def test_who_has_no_role_is_refused_by_flowauth_rather_than_by_our_client(world, service):
    service.seen.clear()
    assert isinstance(checks.without_the_role_there_is_no_result(world), Ok)
    assert service.seen.count(("POST", "/tokens/tokens/1")) == 2


def raising(error):
    def ask(*_):
        raise error

    return ask


@pytest.mark.parametrize("check", [checks.a_token_gets_a_result, checks.without_the_role_there_is_no_result])
def test_tokens_are_tried_only_where_a_flowapi_of_this_stack_takes_them(check, world, service, secrets):
    alone = replace(world, address=raising(ServiceError("there is no service flowapi")))
    with alone.guests, pytest.raises(Unasked, match="no FlowAPI runs"):
        check(alone)
    elsewhere = replace(world, secret=lambda name: None if name.startswith("PRIVATE") else secrets.get(name))
    with pytest.raises(Unasked, match="another FlowAuth's tokens"):
        check(elsewhere)
    secrets["FLOWAPI_IDENTIFIER"] = Sensitive("unlinked")
    with pytest.raises(Unasked, match="knows no server unlinked"):
        check(world)


def test_a_flowauth_that_signs_with_another_key_is_an_obstacle(world, secrets):
    secrets["PRIVATE_JWT_SIGNING_KEY"] = keys.signing_key(2048)
    with pytest.raises(ServiceError, match="another key than the vault's"):
        checks.a_token_gets_a_result(world)


def test_an_untrusted_flowauth_is_not_given_the_password(world, service):
    _, other = fakes.tls(trustme.CA(), real.NAME)
    service.seen.clear()
    stranger = replace(world, door=lambda: Door(replace(service.place, trust=other), 80))
    with pytest.raises(Refused, match="not trusted") as refused:
        checks.admin_signs_in(stranger)
    assert "start again" not in refused.value.fix
    assert not service.seen


@pytest.mark.parametrize("partial_check", [partial(checks.admin_signs_in), partial(checks.takes_no_code_twice)])
def test_without_the_admins_password_there_is_nothing_to_ask(partial_check, world, secrets):
    del secrets["FLOWAUTH_ADMIN_PASSWORD"]
    with pytest.raises(Unasked, match="FLOWAUTH_ADMIN_PASSWORD"):
        partial_check(world)
