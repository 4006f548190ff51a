"""FlowAuth's users, as `invoke flowauth.users` and its like treat them, in FlowAuth itself."""

import io
import json
import sys
from datetime import UTC, datetime

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flowauth_records import Limits
from secrets_quickstart.operations import links
from secrets_quickstart.operations.links import LinkOrder
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.tasks import flowauth as tasks
from tests import flowauth_running as real
from tests.flowauth_stack import Stack


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with real.running(tmp_path_factory.mktemp("flowauth")) as made:
        yield made


@pytest.fixture
def stack(service, tmp_path, monkeypatch):
    """With the role analyst of toy_api."""
    real.emptied(service.app)
    made = Stack(service, tmp_path, monkeypatch)
    with made.served() as made.port:
        links.link(made.settings, LinkOrder())
    return made


@pytest.fixture
def ada(stack, capsys):
    """An analyst, and her password."""
    tasks.add_user(Context(), "ada", role=["analyst"])
    return Sensitive(capsys.readouterr().out.strip())


def can_sign_in(stack, name, password):
    try:
        real.signed_in(stack.place, name, password).close()
    except Refused:
        return False
    return True


def failure(attempt, capsys):
    with pytest.raises(Exit) as ended:
        attempt()
    return ended.value.code, capsys.readouterr().err


def typed(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_new_users_password_is_all_that_standard_output_gets(stack, capsys):
    tasks.add_user(Context(), "ada", role=["analyst"])
    out = capsys.readouterr().out
    password = Sensitive(out.removesuffix("\n"))
    assert out.count("\n") == 1
    assert len(password) >= 20
    with real.signed_in(stack.place, "ada", password) as client:
        assert client.make_token("toy_api", "mine", ["analyst"])


def test_a_password_from_standard_input_is_not_shown(stack, capsys, monkeypatch):
    typed(monkeypatch, real.USER_PASSWORD.reveal() + b"\r\n")
    tasks.add_user(Context(), "ada", admin=True, password_stdin=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert real.USER_PASSWORD.text() not in said.err
    assert can_sign_in(stack, "ada", real.USER_PASSWORD)
    assert stack.known().users["ada"].is_admin


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\n", b"one\ntwo\n", b"a\0b"])
def test_standard_input_without_a_password_makes_no_user(stack, capsys, monkeypatch, content):
    typed(monkeypatch, content)
    assert failure(lambda: tasks.add_user(Context(), "ada", password_stdin=True), capsys)[0] == 2
    assert stack.known().users.keys() == {"admin"}


def test_a_weak_password_makes_no_user(stack, capsys, monkeypatch):
    typed(monkeypatch, b"letmein\n")
    status, said = failure(lambda: tasks.add_user(Context(), "ada", password_stdin=True), capsys)
    assert status == 1
    assert "not complex enough" in said
    assert "letmein" not in said
    assert stack.known().users.keys() == {"admin"}


def test_a_role_that_is_not_there_makes_no_user(stack, capsys):
    status, said = failure(lambda: tasks.add_user(Context(), "ada", role=["analyst", "analist"]), capsys)
    assert status == 2
    assert "there is no role analist: FlowAuth has: analyst of toy_api" in said
    assert failure(lambda: tasks.add_user(Context(), "ada", role=["analyst"], server="other"), capsys)[0] == 2
    assert stack.known().users.keys() == {"admin"}


def test_a_role_on_two_servers_needs_the_servers_name(stack, capsys):
    with real.signed_in(stack.place) as client:
        limits = client.servers()[0].limits
        client.add_server("other", ["run"], limits)
        client.add_role("other", "analyst", ["run"], limits)
    status, said = failure(lambda: tasks.add_user(Context(), "ada", role=["analyst"]), capsys)
    assert status == 2
    assert "more than one server has a role analyst" in said
    tasks.add_user(Context(), "ada", role=["analyst"], server="other")
    assert {key for key, role in stack.known().roles.items() if role.members} == {("other", "analyst")}


def test_a_name_that_is_taken_is_refused_and_its_password_stays(stack, ada, capsys):
    assert failure(lambda: tasks.add_user(Context(), "ada"), capsys)[0] == 2
    assert can_sign_in(stack, "ada", ada)


def test_users_are_listed_with_their_roles(stack, ada, capsys):
    tasks.users(Context())
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [["admin", "yes", "off"], ["ada", "no", "off", "analyst", "of", "toy_api"]]
    tasks.users(Context(), json=True)
    assert json.loads(capsys.readouterr().out)[1] == {
        "name": "ada",
        "admin": False,
        "two_factor": "off",
        "roles": [{"server": "toy_api", "role": "analyst"}],
    }


def test_a_disabled_user_can_do_nothing_and_it_is_said_when_their_tokens_end(stack, ada, capsys):
    with real.signed_in(stack.place) as client:
        client.change_user("ada", is_admin=True)
    tasks.disable_user(Context(), "ada")
    out = capsys.readouterr().out
    limits = stack.known().roles["toy_api", "analyst"].limits
    assert f"the last on {limits.expiry(datetime.now(UTC)):%Y-%m-%d}" in out
    assert "to undo: invoke flowauth.enable-user ada --role analyst --server toy_api" in out
    assert "ada was an admin" in out
    assert not can_sign_in(stack, "ada", ada)
    known = stack.known()
    assert not known.users["ada"].is_admin
    assert known.roles["toy_api", "analyst"].members == frozenset()


def test_a_session_of_a_disabled_user_gets_no_token(stack, ada):
    with real.signed_in(stack.place, "ada", ada) as client:
        tasks.disable_user(Context(), "ada")
        with pytest.raises(Refused):
            client.make_token("toy_api", "mine", ["analyst"])


def test_disabling_twice_is_as_good_as_once(stack, ada, capsys):
    tasks.disable_user(Context(), "ada")
    capsys.readouterr()
    tasks.disable_user(Context(), "ada")
    assert capsys.readouterr().out == "ada cannot sign in any more, and may have no new tokens\n"


def test_an_enabled_user_is_back_with_another_password(stack, ada, capsys):
    tasks.disable_user(Context(), "ada")
    capsys.readouterr()
    tasks.enable_user(Context(), "ada", role=["analyst"], server="toy_api")
    new = Sensitive(capsys.readouterr().out.strip())
    assert new != ada
    assert can_sign_in(stack, "ada", new)
    assert stack.known().roles["toy_api", "analyst"].members == {"ada"}


def test_a_password_is_reset(stack, ada, capsys):
    tasks.reset_password(Context(), "ada")
    new = Sensitive(capsys.readouterr().out.strip())
    assert not can_sign_in(stack, "ada", ada)
    assert can_sign_in(stack, "ada", new)


def test_it_is_said_when_the_vaults_password_is_no_longer_the_users(stack, capsys):
    tasks.add_user(Context(), "analyst")
    capsys.readouterr()
    tasks.reset_password(Context(), "analyst")
    assert "the vault's FLOWAUTH_ANALYST_PASSWORD is theirs no more" in capsys.readouterr().err


def test_the_first_admin_is_left_to_flowauth_and_the_vault(stack, capsys):
    for attempt in (tasks.disable_user, tasks.reset_password, tasks.enable_user):
        status, said = failure(lambda attempt=attempt: attempt(Context(), "admin"), capsys)
        assert status == 2
        assert "at every start" in said
    assert can_sign_in(stack, "admin", real.ADMIN_PASSWORD)


def test_two_factor_authentication_is_reset_once(stack, ada, capsys):
    with real.signed_in(stack.place, "ada", ada) as client:
        offer = client.offer_two_factor()
        client.confirm_two_factor(offer, offer.code(datetime.now(UTC)))
    assert not can_sign_in(stack, "ada", ada)
    tasks.users(Context())
    assert "on" in capsys.readouterr().out.splitlines()[2].split()
    tasks.reset_two_factor(Context(), "ada")
    assert can_sign_in(stack, "ada", ada)
    tasks.reset_two_factor(Context(), "ada")
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("task", [tasks.disable_user, tasks.enable_user, tasks.reset_password, tasks.reset_two_factor])
def test_a_user_who_is_not_there_is_named_with_the_nearest(stack, ada, capsys, task):
    status, said = failure(lambda: task(Context(), "adda"), capsys)
    assert status == 2
    assert "there is no user adda: did you mean ada?" in said


def test_limits_of_role_and_server_both_end_a_disabled_users_tokens(stack, ada, capsys):
    with real.signed_in(stack.place) as client:
        before = client.servers()[0].limits
        client.set_limits("toy_api", Limits(before.longest_life, datetime(2026, 1, 2, tzinfo=UTC)))
    tasks.disable_user(Context(), "ada")
    assert "the last on 2026-01-02 00:00 UTC" in capsys.readouterr().out
