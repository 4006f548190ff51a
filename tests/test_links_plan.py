"""What has to be done in FlowAuth, given what is there: pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.clients.flowauth_records import Limits, Role, Server
from secrets_quickstart.errors import SettingsError
from secrets_quickstart.steps.links_plan import (
    Facts,
    MakeRole,
    MakeUser,
    Present,
    PutIntoRole,
    RegisterServer,
    SetLimits,
    UpdateRole,
    UpdateScopes,
    Wanted,
    WantedRole,
    WantedServer,
    plan,
)
from secrets_quickstart.steps.roles_file import LimitsRule

NOW = datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
YEAR = datetime(2028, 3, 3, 23, 59, 59, tzinfo=UTC)
LIMITS = Limits(timedelta(days=7), YEAR)
SCOPES = ("get_result", "run", "x:y:z")


def wanted(*roles, scopes=SCOPES, limits=None, users=()):
    return Wanted((WantedServer("toy", scopes, limits or LimitsRule(), roles),), users)


def analyst(scopes=frozenset(SCOPES), limits=None, members=()):
    return WantedRole("analyst", scopes, limits or LimitsRule(), members)


def present(*roles, scopes=SCOPES, limits=LIMITS, users=("admin",)):
    server = Server("toy", limits, dict.fromkeys(scopes, True))
    return Present({"toy": server}, {(role.server, role.name): role for role in roles}, frozenset(users))


def role(name="analyst", scopes=SCOPES, limits=LIMITS, members=(), server="toy"):
    return Role(server, name, limits, frozenset(scopes), frozenset(members))


def planned(want, have):
    return plan(Facts(want, have, NOW))


def reasons(found):
    return {item.subject: item.reason for item in found.unchanged}


def test_an_empty_flowauth_gets_everything_in_the_order_it_needs_it():
    found = planned(wanted(analyst(members=("ada",)), users=("ada",)), Present())
    assert found.actions == (
        RegisterServer("toy", SCOPES, LIMITS),
        MakeRole("toy", "analyst", frozenset(SCOPES), LIMITS),
        MakeUser("ada"),
        PutIntoRole("toy", "analyst", "ada"),
    )
    assert found.unchanged == ()


def test_what_is_right_already_is_left_with_its_reason():
    have = present(role(members=("ada",)), users=("admin", "ada"))
    found = planned(wanted(analyst(members=("ada",)), users=("ada",)), have)
    assert found.actions == ()
    assert len(found.unchanged) == 4


def test_before_there_is_a_flowauth_the_plan_says_what_is_known():
    want = wanted(analyst(scopes=None, members=("ada",)), scopes=None, users=("ada",))
    lines = [str(action) for action in planned(want, None).actions]
    assert lines == [
        "register FlowAPI toy in FlowAuth: all its scopes; tokens live 7d at most, none beyond 2028-03-03 23:59 UTC",
        f"make the role analyst of toy: the scopes that the file says; {LIMITS}",
        "make the user ada",
        "put ada into the role analyst of toy",
    ]


def test_before_there_is_a_flowauth_nobody_is_a_stranger():
    assert planned(wanted(analyst(members=("grace",))), None).actions[-1] == PutIntoRole("toy", "analyst", "grace")


def test_a_year_is_chosen_once():
    later = plan(Facts(wanted(analyst()), present(role()), NOW + timedelta(days=100)))
    assert later.actions == ()


def test_scopes_that_came_and_went_are_shown():
    found = planned(wanted(scopes=("run", "new:a:b", "new:a:c")), present())
    [action] = found.actions
    assert action == UpdateScopes("toy", ("new:a:b", "new:a:c"), ("get_result", "x:y:z"))
    assert str(action) == (
        "update the scopes of toy: 2 scopes added (new:a:b, new:a:c), 2 scopes removed (get_result, x:y:z)"
    )
    assert action.lines() == ["+ new:a:b", "+ new:a:c", "- get_result", "- x:y:z"]


def test_many_scopes_are_counted_in_the_line_and_listed_beneath():
    many = tuple(f"u:{number:03}:k" for number in range(600))
    [action] = planned(wanted(scopes=(*SCOPES, *many)), present()).actions
    assert "600 scopes added (u:000:k, u:001:k, u:002:k, u:003:k and 596 more)" in str(action)
    assert len(str(action)) < 200
    assert len(action.lines()) == 600


def test_scopes_that_are_not_known_now_are_left_alone():
    found = planned(wanted(analyst(scopes=None), scopes=None), present(role(scopes=("run",))))
    assert found.actions == ()


def test_a_scope_that_an_admin_switched_off_is_no_difference():
    have = present()
    off = replace(have.servers["toy"], scopes={**have.servers["toy"].scopes, "run": False})
    assert planned(wanted(), replace(have, servers={"toy": off})).actions == ()


def test_limits_in_the_file_are_set_and_those_left_out_are_kept():
    day = LimitsRule(longest_life=timedelta(days=1))
    [action] = planned(wanted(limits=day), present()).actions
    assert action == SetLimits("toy", Limits(timedelta(days=1), YEAR))
    assert planned(wanted(limits=day), present(limits=Limits(timedelta(days=1), NOW + timedelta(days=9)))).actions == ()


def test_a_role_without_limits_of_its_own_follows_the_servers_in_the_file():
    rule = LimitsRule(timedelta(days=30), datetime(2029, 1, 1, tzinfo=UTC))
    found = planned(wanted(analyst(), limits=rule), present(role()))
    more = Limits(timedelta(days=30), datetime(2029, 1, 1, tzinfo=UTC))
    assert found.actions == (
        SetLimits("toy", more),
        UpdateRole("toy", "analyst", frozenset(SCOPES), (), (), more),
    )


def test_a_role_is_brought_down_with_its_server():
    rule = LimitsRule(latest_expiry=datetime(2027, 6, 1, tzinfo=UTC))
    actions = planned(wanted(analyst(), limits=rule), present(role())).actions
    assert actions[1].limits == Limits(timedelta(days=7), datetime(2027, 6, 1, tzinfo=UTC))


def test_a_role_beyond_what_flowauth_allows_its_server_is_refused():
    with pytest.raises(SettingsError, match="more than the server toy allows"):
        planned(wanted(analyst(limits=LimitsRule(longest_life=timedelta(days=8)))), present())


def test_a_role_that_gains_and_loses_scopes_is_updated():
    found = planned(wanted(analyst(scopes=frozenset({"run", "x:y:z"}))), present(role(scopes=("run", "get_result"))))
    [action] = found.actions
    assert action == UpdateRole("toy", "analyst", frozenset({"run", "x:y:z"}), ("x:y:z",), ("get_result",), None)
    assert str(action) == ("update the role analyst of toy: 1 scope added (x:y:z), 1 scope removed (get_result)")


def test_nothing_of_anybody_else_is_touched():
    others = (role("other", scopes=("run", "x:y:z"), members=("eve",)), role("analyst", server="elsewhere"))
    have = present(role(members=("eve",)), *others, users=("admin", "eve", "bob"))
    found = planned(wanted(analyst(scopes=frozenset({"run"})), scopes=("run",)), have)
    assert {type(action) for action in found.actions} == {UpdateScopes, UpdateRole}
    assert reasons(found) == {
        "role other of toy": "is not in the file and stays, but loses 1 scope that FlowAPI has no more"
    }


def test_a_member_whom_nobody_knows_is_refused_before_anything_is_done():
    with pytest.raises(SettingsError, match="grace") as refused:
        planned(wanted(analyst(members=("admin", "grace"))), present())
    assert "invoke flowauth.add-user grace" in refused.value.fix


def test_a_member_is_put_in_and_the_others_stay():
    found = planned(wanted(analyst(members=("ada",))), present(role(members=("eve",)), users=("ada", "eve")))
    assert found.actions == (PutIntoRole("toy", "analyst", "ada"),)


def test_a_day_that_has_passed_is_said():
    passed = Limits(timedelta(days=7), NOW - timedelta(seconds=1))
    found = planned(wanted(), present(limits=passed))
    assert found.actions == ()
    assert "gives no tokens since 2027-03-04" in reasons(found)["toy"]


def applied(actions, have):
    """What FlowAuth is like after these, if it does as it is told."""
    servers, roles, users = dict(have.servers), dict(have.roles), set(have.users)
    for action in actions:
        match action:
            case RegisterServer(server=name, scopes=scopes, limits=limits):
                servers[name] = Server(name, limits, dict.fromkeys(scopes or (), True))
            case UpdateScopes(server=name, added=added, removed=removed):
                kept = {scope: on for scope, on in servers[name].scopes.items() if scope not in removed}
                servers[name] = replace(servers[name], scopes={**dict.fromkeys(added, True), **kept})
                roles = {key: replace(each, scopes=each.scopes - set(removed)) for key, each in roles.items()}
            case SetLimits(server=name, limits=limits):
                servers[name] = replace(servers[name], limits=limits)
            case MakeRole(server=name, role=title, scopes=scopes, limits=limits):
                assert scopes is not None
                assert scopes <= servers[name].scopes.keys()
                roles[name, title] = Role(name, title, limits, scopes, frozenset())
            case UpdateRole(server=name, role=title, scopes=scopes, limits=limits):
                assert scopes <= servers[name].scopes.keys()
                old = roles[name, title]
                roles[name, title] = replace(old, scopes=scopes, limits=limits or old.limits)
            case MakeUser(user=user):
                users.add(user)
            case PutIntoRole(server=name, role=title, user=user):
                roles[name, title] = replace(roles[name, title], members=roles[name, title].members | {user})
    return Present(servers, roles, frozenset(users))


NAMES = st.sampled_from(["a", "b", "c"])
SOME = st.frozensets(st.sampled_from(["run", "get_result", "x:y:z", "x:y:w", "u:v:w"]), min_size=1)
LIVES = st.integers(1, 40).map(lambda days: timedelta(days=days))
DAYS = st.integers(1, 400).map(lambda days: NOW + timedelta(days=days))
RULES = st.builds(LimitsRule, st.none() | LIVES, st.none() | DAYS)


@st.composite
def situations(draw):
    """What is wanted and what is there, each possible by itself."""
    scopes = draw(SOME)
    titles = draw(st.lists(NAMES, unique=True))
    members = st.lists(st.sampled_from(["ada", "bob"]), unique=True).map(tuple)
    roles = [
        WantedRole(title, frozenset(draw(st.sets(st.sampled_from(sorted(scopes))))), draw(RULES), draw(members))
        for title in titles
    ]
    want = Wanted((WantedServer("toy", tuple(sorted(scopes)), draw(RULES), tuple(roles)),), ("ada",))
    users = frozenset({"admin", "bob"} | draw(st.sets(st.just("ada"))))
    if draw(st.booleans()):
        return want, Present(users=users)
    had = sorted(draw(SOME))
    limits = Limits(draw(LIVES), draw(DAYS))
    found = {
        ("toy", title): Role("toy", title, Limits(draw(LIVES), draw(DAYS)), frozenset(had[:2]), frozenset(["bob"]))
        for title in draw(st.lists(NAMES, unique=True))
    }
    return want, Present({"toy": Server("toy", limits, dict.fromkeys(had, True))}, found, users)


@given(situations())
def test_a_second_run_changes_nothing(situation):
    want, have = situation
    try:
        first = planned(want, have)
    except SettingsError:
        return
    after = applied(first.actions, have)
    assert planned(want, after).actions == ()
    assert after.roles.keys() >= have.roles.keys()
    assert after.users >= have.users
    for key, before in have.roles.items():
        assert after.roles[key].members >= before.members
    most = after.servers["toy"].limits
    for each in want.servers[0].roles:
        role = after.roles["toy", each.name]
        assert role.limits.within(most) == role.limits
        assert role.members >= set(each.members)


@given(situations(), st.integers(0, 10))
def test_a_run_that_was_cut_short_is_carried_on(situation, done):
    want, have = situation
    try:
        first = planned(want, have)
    except SettingsError:
        return
    cut = applied(first.actions[:done], have)
    after = applied(planned(want, cut).actions, cut)
    assert planned(want, after).actions == ()
    assert after == applied(first.actions, have)
