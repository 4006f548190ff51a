"""FlowAuth's client, held against FlowAuth itself."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flowauth import CodeNeeded, FlowauthClient, TooManyAttempts
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.flowauth_records import Limits, Role, User
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.material import keys
from secrets_quickstart.sensitive import Sensitive
from tests import flowauth_running as real

LIMITS = Limits(timedelta(days=2), datetime(2090, 12, 31, 23, 59, 59, tzinfo=UTC))

SCOPES = ("get_result", "run", "admin3:spatial_aggregate:daily_location")


@pytest.fixture(scope="module")
def key():
    return keys.signing_key(2048)


@pytest.fixture(scope="module")
def service(tmp_path_factory, key):
    with real.running(tmp_path_factory.mktemp("flowauth"), key) as made:
        yield made


@pytest.fixture
def flowauth(service):
    real.emptied(service.app)
    service.seen.clear()
    return service


@pytest.fixture
def admin(flowauth):
    with real.signed_in(flowauth.place) as client:
        yield client


@pytest.fixture
def analyst(flowauth, admin):
    """Ada, who has one role."""
    admin.add_server("toy", SCOPES, LIMITS)
    admin.add_role("toy", "analyst", SCOPES[:2], LIMITS)
    admin.add_user("ada", real.USER_PASSWORD)
    admin.put_into_role("toy", "analyst", "ada")
    with real.signed_in(flowauth.place, "ada", real.USER_PASSWORD) as client:
        yield client


def test_anybody_is_told_the_release(flowauth):
    with FlowauthClient(flowauth.place) as client:
        assert client.version() == "1.34.0"
        assert not client.is_signed_in()


def test_an_admin_signs_in_and_out(flowauth):
    with FlowauthAdmin(flowauth.place) as client:
        state = client.sign_in(real.ADMIN, real.ADMIN_PASSWORD)
        assert (state.is_admin, state.must_set_up_two_factor) == (True, False)
        assert client.is_signed_in()
        client.sign_out()
        assert not client.is_signed_in()


def test_a_wrong_password_is_refused_and_never_shown(flowauth):
    with FlowauthClient(flowauth.place) as client, pytest.raises(Refused, match="let admin in") as refused:
        client.sign_in(real.ADMIN, Sensitive("wrong-and-secret"))
    assert "wrong-and-secret" not in f"{refused.value}{refused.value.fix}"
    assert not isinstance(refused.value, CodeNeeded)


def test_too_many_wrong_passwords_are_told_from_a_wrong_one(flowauth):
    with FlowauthClient(flowauth.place) as client:
        for _ in range(10):
            with pytest.raises(Refused):
                client.sign_in("nobody", Sensitive("x"))
        with pytest.raises(TooManyAttempts) as refused:
            client.sign_in("nobody", Sensitive("x"))
    assert "wait 300 seconds" in refused.value.fix


def test_the_public_key_is_that_of_the_signing_key(admin, key):
    assert admin.public_key() == keys.verification_key(key).text()


def test_a_server_is_what_it_was_registered_as(admin):
    admin.add_server("toy", real.SCOPES, LIMITS)
    [server] = admin.servers()
    assert (server.name, server.limits) == ("toy", LIMITS)
    assert server.scopes == dict.fromkeys(real.SCOPES, True)


def test_limits_are_set_to_the_second_and_back_again(admin):
    admin.add_server("toy", SCOPES, LIMITS)
    other = Limits(timedelta(minutes=31), datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC))
    admin.set_limits("toy", other)
    assert admin.servers()[0].limits == other
    admin.add_role("toy", "analyst", (), other)
    assert admin.roles()[0].limits == other


def test_a_role_keeps_the_scopes_that_its_server_keeps(admin):
    admin.add_server("toy", SCOPES, LIMITS)
    admin.add_role("toy", "analyst", SCOPES, LIMITS)
    admin.set_scopes("toy", {"run": True, "get_available_dates": True, SCOPES[2]: False})
    assert admin.servers()[0].scopes == {"run": True, "get_available_dates": True, SCOPES[2]: False}
    assert admin.roles()[0].scopes == {"run", SCOPES[2]}


def test_a_role_is_changed_in_part(admin, analyst):
    admin.change_role("toy", "analyst", scopes=["run"])
    expected = Role("toy", "analyst", LIMITS, frozenset({"run"}), frozenset({"ada"}))
    assert admin.roles() == (expected,)
    less = Limits(timedelta(hours=1), LIMITS.latest_expiry)
    admin.change_role("toy", "analyst", limits=less)
    assert admin.roles() == (Role("toy", "analyst", less, frozenset({"run"}), frozenset({"ada"})),)


def test_roles_of_one_name_on_two_servers_are_kept_apart(admin, analyst):
    admin.add_server("other", ("run",), LIMITS)
    admin.add_role("other", "analyst", ("run",), LIMITS)
    admin.put_into_role("other", "analyst", "admin")
    admin.take_out_of_role("toy", "analyst", "ada")
    found = {(role.server, role.name): role for role in admin.roles()}
    assert found["toy", "analyst"].members == frozenset()
    assert found["other", "analyst"].members == {"admin"}
    assert found["other", "analyst"].scopes == {"run"}


def test_members_are_put_in_and_taken_out_once(admin, analyst, flowauth):
    admin.put_into_role("toy", "analyst", "admin")
    assert admin.roles()[0].members == {"ada", "admin"}
    flowauth.seen.clear()
    admin.put_into_role("toy", "analyst", "admin")
    assert "PATCH" not in {method for method, _ in flowauth.seen}
    admin.take_out_of_role("toy", "analyst", "ada")
    admin.take_out_of_role("toy", "analyst", "ada")
    assert admin.roles()[0].members == {"admin"}


def test_a_role_beyond_its_server_is_refused_in_flowauths_words(admin):
    admin.add_server("toy", SCOPES, LIMITS)
    with pytest.raises(ServiceError, match="must not exceed"):
        admin.add_role("toy", "analyst", SCOPES, Limits(timedelta(days=3), LIMITS.latest_expiry))


def test_what_is_not_there_is_named(admin):
    with pytest.raises(ServiceError, match="knows no server toy"):
        admin.set_limits("toy", LIMITS)
    admin.add_server("toy", SCOPES, LIMITS)
    with pytest.raises(ServiceError, match="knows no role analyst of toy"):
        admin.change_role("toy", "analyst", limits=LIMITS)
    with pytest.raises(ServiceError, match="knows no scope fly"):
        admin.add_role("toy", "analyst", ("fly",), LIMITS)
    with pytest.raises(ServiceError, match="knows no user ada"):
        admin.change_user("ada", is_admin=True)


def test_users_are_made_changed_and_described(admin, flowauth):
    admin.add_user("ada", real.USER_PASSWORD, is_admin=True)
    assert admin.user("ada") == User("ada", is_admin=True, has_two_factor=False, must_have_two_factor=False)
    assert admin.user("grace") is None
    new = Sensitive("twelve purple elephants marching")
    admin.change_user("ada", password=new, is_admin=False)
    assert [(user.name, user.is_admin) for user in admin.users()] == [("admin", True), ("ada", False)]
    with pytest.raises(Refused):
        real.signed_in(flowauth.place, "ada", real.USER_PASSWORD)
    real.signed_in(flowauth.place, "ada", new).close()


def test_a_weak_password_is_refused_with_advice_and_not_shown(admin):
    with pytest.raises(ServiceError, match="not complex enough") as refused:
        admin.add_user("ada", Sensitive("qwertz7"))
    assert "qwertz7" not in f"{refused.value}{refused.value.fix}"
    assert admin.user_names() == ("admin",)


def test_only_an_admin_may_ask_as_one(analyst):
    with pytest.raises(Refused, match="Only an admin"):
        analyst.users()


def test_an_analyst_gets_a_token_with_the_roles_scopes(analyst, key):
    assert analyst.own_servers() == ("toy",)
    token = analyst.make_token("toy", "mine", ["analyst"])
    public = keys.verification_key(key).text()
    claims = jwt.decode(token.text(), public, algorithms=["RS256"], audience="toy", leeway=5)
    assert claims["sub"] == "ada"
    assert claims["exp"] - claims["iat"] == 2 * 86400
    assert token.text() not in repr(token)


def test_a_token_without_the_role_is_refused(analyst, admin):
    with pytest.raises(Refused, match="not permitted"):
        analyst.make_token("toy", "mine", ["admin"])
    admin.take_out_of_role("toy", "analyst", "ada")
    with pytest.raises(Refused, match="no role there"):
        analyst.make_token("toy", "mine", ["analyst"])


def test_ones_own_password_is_changed_with_the_old_one(analyst, flowauth):
    new = Sensitive("twelve purple elephants marching")
    with pytest.raises(ServiceError, match="Password incorrect"):
        analyst.change_password(Sensitive("wrong"), new)
    analyst.change_password(real.USER_PASSWORD, new)
    assert analyst.is_signed_in()
    real.signed_in(flowauth.place, "ada", new).close()


def test_a_two_factor_code_opens_once(analyst, admin, flowauth):
    offer = analyst.offer_two_factor()
    assert not analyst.has_two_factor()
    now = datetime.now(UTC)
    with pytest.raises(Refused):
        analyst.confirm_two_factor(offer, "000000" if offer.code(now) != "000000" else "111111")
    analyst.confirm_two_factor(offer, offer.code(now))
    assert analyst.has_two_factor()
    with pytest.raises(CodeNeeded):
        real.signed_in(flowauth.place, "ada", real.USER_PASSWORD)
    with FlowauthClient(flowauth.place) as client:
        with pytest.raises(Refused) as refused:  # it was used up by confirming
            client.sign_in("ada", real.USER_PASSWORD, offer.code(now))
        assert not isinstance(refused.value, CodeNeeded)
        backup = offer.backup_codes[0].text()
        client.sign_in("ada", real.USER_PASSWORD, backup)
        with pytest.raises(Refused):
            client.sign_in("ada", real.USER_PASSWORD, backup)
    admin.change_user("ada", has_two_factor=False)
    real.signed_in(flowauth.place, "ada", real.USER_PASSWORD).close()


def test_two_factor_authentication_is_switched_off_by_oneself(analyst):
    offer = analyst.offer_two_factor()
    analyst.confirm_two_factor(offer, offer.code(datetime.now(UTC)))
    analyst.disable_two_factor()
    assert not analyst.has_two_factor()


def test_the_official_flowauths_demands_on_a_request_are_met(flowauth, monkeypatch):
    """Over HTTPS it wants the CSRF token and a Referer of its own origin, which ours does not."""
    monkeypatch.setitem(flowauth.app.config, "WTF_CSRF_SSL_STRICT", True)
    with real.signed_in(flowauth.place) as client:
        client.add_user("ada", real.USER_PASSWORD)
        assert "ada" in client.user_names()


def test_requests_name_the_server_and_not_the_machine(flowauth, monkeypatch):
    """The edge tells its sites apart by that name."""
    hosts = []
    original = flowauth.app.wsgi_app

    def recording(environ, start):
        hosts.append(environ["HTTP_HOST"])
        return original(environ, start)

    monkeypatch.setattr(flowauth.app, "wsgi_app", recording)
    with FlowauthClient(flowauth.place) as client:
        client.version()
    assert hosts == [f"{real.NAME}:{flowauth.place.port}"]
    assert Place("::1", 443, "flowauth.example").origin == "https://flowauth.example"
    assert Place("::1", 8443, "localhost").url == "https://[::1]:8443"
