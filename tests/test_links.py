"""Linking FlowAPI to FlowAuth itself: the step, and `invoke flowauth.link`."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.errors import MaterialError, ServiceError, SettingsError, UsageError
from secrets_quickstart.operations import course, links
from secrets_quickstart.operations.links import LinkOrder
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.links_plan import UpdateScopes
from secrets_quickstart.tasks import flowauth as tasks
from tests import flowauth_running as real
from tests import verification_fakes as fakes
from tests.flowauth_stack import ANALYST_PASSWORD, ROLES, Stack


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with real.running(tmp_path_factory.mktemp("flowauth")) as made:
        yield made


@pytest.fixture
def stack(service, tmp_path, monkeypatch):
    real.emptied(service.app)
    service.seen.clear()
    made = Stack(service, tmp_path, monkeypatch)
    with made.served() as made.port:
        yield made


def linked(stack, **order):
    return links.link(stack.settings, LinkOrder(**order))


def rewrite(stack, text):
    (stack.folder / "roles.yml").write_text(text)


def without(stack, *removed, added=()):
    """FlowAPI, upgraded."""
    token = stack.document["components"]["securitySchemes"]["token"]
    token["x-security-scopes"] = sorted({*token["x-security-scopes"], *added} - set(removed))


LOST, KEPT, NEW = "admin3:flows:flows", "admin3:geography:geography", "admin3:flows:new_location"


def test_a_flowapi_is_registered_with_its_scopes_limits_and_roles(stack):
    done = linked(stack)
    assert [type(action).__name__ for action in done.plan.actions] == ["RegisterServer", "MakeRole"]
    known = stack.known()
    server = known.servers["toy_api"]
    assert set(server.scopes) == stack.scopes
    assert server.limits.longest_life == timedelta(days=30)
    assert timedelta(days=364) < server.limits.latest_expiry - datetime.now(UTC) < timedelta(days=366)
    role = known.roles["toy_api", "analyst"]
    assert {scope.split(":")[0] for scope in role.scopes if ":" in scope} == {"admin2", "admin3"}
    assert {"run", "get_result", "get_available_dates"} < role.scopes
    assert role.limits == server.limits


def test_a_second_run_changes_nothing_and_asks_for_no_change(stack):
    linked(stack)
    stack.changes()
    assert linked(stack).changes == 0
    assert stack.changes() == []


def test_changed_scopes_are_shown_before_they_are_applied(stack, capsys):
    linked(stack)
    without(stack, LOST, added=[NEW])
    capsys.readouterr()
    done = linked(stack)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [
        f"links: update the scopes of toy_api: 1 scope added ({NEW}), 1 scope removed ({LOST})",
        f"links:   + {NEW}",
        f"links:   - {LOST}",
    ]
    assert done.differences == [UpdateScopes("toy_api", (NEW,), (LOST,))]
    known = stack.known()
    assert known.servers["toy_api"].scopes.keys() == {*stack.scopes, NEW} - {LOST}
    assert NEW in known.roles["toy_api", "analyst"].scopes
    assert LOST not in known.roles["toy_api", "analyst"].scopes
    assert linked(stack).changes == 0


def test_what_an_admin_did_by_hand_stays(stack):
    linked(stack)
    with real.signed_in(stack.place) as client:
        scopes = dict(client.servers()[0].scopes)
        client.set_scopes("toy_api", {**scopes, KEPT: False})
        limits = client.servers()[0].limits
        client.add_role("toy_api", "other", (KEPT, LOST), limits)
        client.add_user("eve", real.USER_PASSWORD)
        client.put_into_role("toy_api", "other", "eve")
        client.put_into_role("toy_api", "analyst", "eve")
    without(stack, LOST)
    linked(stack)
    known = stack.known()
    assert known.servers["toy_api"].scopes[KEPT] is False
    assert known.roles["toy_api", "other"].scopes == {KEPT}
    assert known.roles["toy_api", "other"].members == {"eve"}
    assert known.roles["toy_api", "analyst"].members == {"eve"}
    assert linked(stack).changes == 0


def test_limits_and_members_of_the_file_are_brought_about(stack):
    linked(stack)
    with real.signed_in(stack.place) as client:
        client.add_user("ada", real.USER_PASSWORD)
    rewrite(stack, "latest_token_expiry: 2090-01-31\n" + ROLES + "    members: [ada]\n    longest_token_life: 12h\n")
    linked(stack)
    known = stack.known()
    end = datetime(2090, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert known.servers["toy_api"].limits.latest_expiry == end
    assert known.roles["toy_api", "analyst"].limits.longest_life == timedelta(hours=12)
    assert known.roles["toy_api", "analyst"].limits.latest_expiry == end
    assert known.roles["toy_api", "analyst"].members == {"ada"}
    assert linked(stack).changes == 0


def test_a_role_that_leaves_the_file_stays(stack):
    linked(stack)
    rewrite(stack, "roles: {other: {actions: run}}")
    done = linked(stack)
    assert stack.known().roles.keys() == {("toy_api", "analyst"), ("toy_api", "other")}
    assert any("is not in the file and stays" in item.reason for item in done.plan.unchanged)


def test_mistakes_in_the_file_change_nothing(stack):
    rewrite(stack, ROLES.replace("admin2", "admin9"))
    with pytest.raises(SettingsError, match="knows no unit admin9"):
        linked(stack)
    rewrite(stack, ROLES + "    members: [nobody]\n")
    with pytest.raises(SettingsError, match="nobody"):
        linked(stack)
    assert stack.changes() == []


def test_another_flowapi_is_linked_from_a_file_beside_the_first(stack):
    linked(stack)
    for name, write in (("second", json.dumps), ("third", yaml.safe_dump)):
        path = stack.folder / f"{name}.spec"
        path.write_text(write(real.document(name, stack.scopes)))
        linked(stack, specification=str(path), server=name)
    known = stack.known()
    assert known.servers.keys() == {"toy_api", "second", "third"}
    assert {server for server, _ in known.roles} == {"toy_api", "second", "third"}
    assert linked(stack).changes == 0


def test_another_flowapi_is_linked_from_its_address(stack, tmp_path):
    stack.running = {"edge"}
    stack.document = real.document("second", stack.scopes)
    url = f"https://localhost:{stack.port}"
    assert linked(stack, specification=url).server == "second"
    authority = tmp_path / "ca.pem"
    authority.write_text(stack.pem)
    assert linked(stack, specification=url, authority=authority).changes == 0
    authority.write_text(stack.place.trust)
    with pytest.raises(Refused, match="not trusted"):
        linked(stack, specification=url, authority=authority)
    authority.write_text("no certificate")
    with pytest.raises(MaterialError):
        linked(stack, specification=url, authority=authority)


def test_a_specification_of_another_server_is_refused(stack):
    with pytest.raises(UsageError, match="toy_api's"):
        linked(stack, server="other")
    assert stack.changes() == []


def test_without_a_flowapi_a_specification_is_asked_for(stack):
    stack.running = {"edge"}
    with pytest.raises(ServiceError, match="no FlowAPI of this stack runs") as error:
        linked(stack)
    assert "--spec" in error.value.fix


def test_without_a_flowauth_it_is_said(stack):
    stack.running = {"flowapi"}
    with pytest.raises(ServiceError, match="no service edge"):
        linked(stack)


def test_an_admin_with_two_factor_authentication_gives_a_code(stack, monkeypatch):
    with real.signed_in(stack.place) as client:
        offer = client.offer_two_factor()
        client.confirm_two_factor(offer, offer.code(datetime.now(UTC)))
    codes = [code.text() for code in offer.backup_codes]
    with pytest.raises(Refused) as refused:
        linked(stack)
    assert "--code" in refused.value.fix
    assert linked(stack, code=codes[0]).changes == 2
    monkeypatch.setattr(report, "ask", lambda _: codes[1])
    assert linked(stack).changes == 0


# the step, as a deployment has it


def steps(stack, **how):
    return links.step_of_stack(stack.settings, stack.engine(), stack.vault, **{"first_user": True, **how})


def test_before_a_deployment_the_step_asks_nobody_and_says_what_it_will_do(stack):
    stack.running = set()
    [planned] = course.plan([steps(stack)])
    assert [str(action).split(":")[0] for action in planned.plan.actions] == [
        f"register FlowAPI {stack.settings['FLOWAPI_IDENTIFIER']} in FlowAuth",
        f"make the role analyst of {stack.settings['FLOWAPI_IDENTIFIER']}",
        "make the user analyst",
        f"put analyst into the role analyst of {stack.settings['FLOWAPI_IDENTIFIER']}",
    ]
    assert stack.flowauth.seen == []


def test_without_a_swarm_nothing_is_there(stack):
    stack.usable = False
    assert steps(stack).look().present is None
    assert stack.flowauth.seen == []


def test_what_does_not_answer_is_an_error_but_beforehand(stack):
    stack.port = fakes.free_port()
    with pytest.raises(ServiceError, match="FlowAPI does not answer"):
        steps(stack).look()
    assert steps(stack, beforehand=True).look().wanted.servers[0].scopes is None
    stack.vault.put("FLOWAUTH_ADMIN_PASSWORD", Sensitive("wrong"), stack.vault.entry("ca-flowkit.pem").origin)
    assert steps(stack, beforehand=True).look().present is None


def test_a_mistake_in_the_file_is_told_beforehand_too(stack):
    stack.running = set()
    rewrite(stack, "roles: {analyst: {action: run}}")
    with pytest.raises(SettingsError):
        steps(stack, beforehand=True).look()


def test_the_step_ends_with_a_first_user_who_gets_a_token(stack):
    course.carry_out([[steps(stack)]])
    with real.signed_in(stack.place, "analyst", ANALYST_PASSWORD) as analyst:
        assert analyst.own_servers() == ("toy_api",)
        assert len(analyst.make_token("toy_api", "first", ["analyst"])) > 100
    stack.changes()
    assert course.changes(course.carry_out([[steps(stack)]])) == 0
    assert stack.changes() == []


def test_no_password_is_in_a_plan(stack):
    [planned] = course.plan([steps(stack)])
    for secret in (ANALYST_PASSWORD, real.ADMIN_PASSWORD):
        assert secret.text() not in repr(planned) + json.dumps(planned.document())


def test_a_step_cut_short_anywhere_is_carried_on(stack):
    whole = steps(stack).plan(steps(stack).look()).actions
    assert len(whole) == 4
    for done in range(len(whole) + 1):
        real.emptied(stack.flowauth.app)
        steps(stack).act(whole[:done])
        assert course.changes(course.carry_out([[steps(stack)]])) == len(whole) - done
        assert steps(stack).plan(steps(stack).look()).actions == ()


def test_an_action_done_twice_is_done_once(stack):
    whole = steps(stack).plan(steps(stack).look()).actions
    steps(stack).act(whole)
    before = stack.known()
    steps(stack).act(whole)
    assert stack.known() == before


def test_a_step_without_flowauth_has_nothing_to_act_on(stack):
    whole = steps(stack).plan(steps(stack).look()).actions
    stack.running = set()
    with pytest.raises(ServiceError, match="no FlowAuth to link"):
        steps(stack).act(whole)
    steps(stack).act([])


def test_scopes_that_were_never_known_are_not_registered_as_none(stack):
    stack.running = {"edge"}
    whole = steps(stack).plan(steps(stack).look()).actions
    with pytest.raises(ServiceError, match="are not known"):
        steps(stack).act(whole)
    assert stack.changes() == []


def test_only_the_vaults_user_has_the_vaults_password(stack):
    step = steps(stack)
    with pytest.raises(MaterialError):
        step._password("eve")
    assert step._password("analyst") == ANALYST_PASSWORD


# invoke flowauth.link


def test_a_dry_run_shows_the_difference_changes_nothing_and_ends_with_2(stack, capsys):
    with pytest.raises(Exit) as ended:
        tasks.link(Context(), dry_run=True)
    assert ended.value.code == 2
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(
        f"register FlowAPI toy_api in FlowAuth: {len(stack.scopes)} scopes; tokens live 30d at most"
    )
    assert out[-1] == "2 changes"
    assert stack.changes() == []
    linked(stack)
    without(stack, LOST)
    stack.changes()
    with pytest.raises(Exit):
        tasks.link(Context(), dry_run=True)
    assert f"  - {LOST}" in capsys.readouterr().out.splitlines()
    assert stack.changes() == []


def test_a_dry_run_without_changes_ends_with_0(stack, capsys):
    linked(stack)
    tasks.link(Context(), dry_run=True)
    assert capsys.readouterr().out.splitlines()[-1] == "nothing to do"


def test_json_is_one_document(stack, capsys):
    tasks.link(Context(), json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["server"], found["changes"]) == ("toy_api", 2)
    without(stack, LOST)
    with pytest.raises(Exit):
        tasks.link(Context(), json=True, dry_run=True)
    assert json.loads(capsys.readouterr().out)["scopes"] == {"added": [], "removed": [LOST]}


def test_a_wrong_admin_password_is_an_error_that_does_not_show_it(stack, capsys):
    stack.vault.put(
        "FLOWAUTH_ADMIN_PASSWORD", Sensitive("wrong-and-secret"), stack.vault.entry("ca-flowkit.pem").origin
    )
    with pytest.raises(Exit) as ended:
        tasks.link(Context())
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "Incorrect username or password" in said.err
    assert "wrong-and-secret" not in said.err + said.out


def test_an_admin_with_two_factor_authentication_stops_no_deployment(stack, monkeypatch):
    with real.signed_in(stack.place) as client:
        offer = client.offer_two_factor()
        client.confirm_two_factor(offer, offer.code(datetime.now(UTC)))
    monkeypatch.setattr(report, "ask", lambda _: pytest.fail("a deployment asks nobody"))

    [planned] = course.carry_out([[steps(stack)]])

    assert planned.plan.actions == ()
    assert "invoke flowauth.link" in planned.plan.unchanged[0].reason
