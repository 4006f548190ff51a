"""The file of roles: what is read out of it, and what is said of its mistakes."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.errors import SettingsError, UsageError
from secrets_quickstart.steps import roles_file
from secrets_quickstart.steps.roles_file import LimitsRule, RoleRule
from tests.flowauth_running import SCOPES

EXAMPLE = Path(__file__).parents[1] / "docs" / "roles.yml"
TODAY = date(2027, 1, 1)
KNOWN = (
    "run", "get_result", "get_available_dates",
    "admin2:flows:flows", "admin2:flows:daily_location", "admin3:flows:flows", "admin3:geography:geography",
    "nonspatial:dfs:dfs", "lon-lat:spatial_aggregate:spatial_aggregate",
)  # fmt: skip


def parsed(text):
    return roles_file.parse(text.encode(), "roles.yml", TODAY)


def mistakes(text, known=None):
    with pytest.raises(SettingsError) as refused:
        parsed(text) if known is None else parsed(text).resolve(known)
    assert refused.value.fix
    return refused.value.why.strip().split("\n  ")


def resolved(text, known=KNOWN):
    return parsed(text).resolve(known)


FULL = """
longest_token_life: 4w
latest_token_expiry: 2030-12-31
roles:
  analyst:
    actions: [run, get_result]
    units: admin3
    queries: [flows]
    scopes: ["nonspatial:*"]
    members: [ada, no, 007]
    longest_token_life: 12h
    latest_token_expiry: 2028-06-30
  no:
    actions: run
"""


def test_everything_is_read_as_the_text_that_is_written():
    found = parsed(FULL)
    assert found.limits == LimitsRule(timedelta(weeks=4), datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC))
    analyst, other = found.roles
    assert analyst == RoleRule(
        "analyst",
        actions=("run", "get_result"),
        units=("admin3",),
        queries=("flows",),
        scopes=("nonspatial:*",),
        members=("ada", "no", "007"),
        limits=LimitsRule(timedelta(hours=12), datetime(2028, 6, 30, 23, 59, 59, tzinfo=UTC)),
    )
    assert other == RoleRule("no", actions=("run",))


def test_a_role_has_its_actions_its_units_queries_and_single_scopes():
    assert resolved(FULL)["analyst"] == {"run", "get_result", "admin3:flows:flows", "nonspatial:dfs:dfs"}


def test_all_is_every_unit_and_every_query():
    [scopes] = resolved("roles: {everything: {actions: ['*'], units: all, queries: [all]}}").values()
    assert scopes == set(KNOWN)


def test_without_queries_all_of_them_are_meant_and_without_units_none():
    assert resolved("roles: {a: {actions: run, units: [admin2]}}")["a"] == {
        "run", "admin2:flows:flows", "admin2:flows:daily_location",
    }  # fmt: skip
    assert resolved("roles: {a: {actions: run}}")["a"] == {"run"}


def test_units_and_queries_may_be_patterns():
    text = "roles: {a: {actions: run, units: ['admin?'], queries: ['geo*', flows]}}"
    assert {scope for scope in resolved(text)["a"] if ":" in scope} == {each for each in KNOWN if "admin" in each}


def test_the_example_is_right_and_leaves_out_the_units_it_says_it_does():
    found = roles_file.read(EXAMPLE, TODAY)
    assert found.limits == LimitsRule(timedelta(days=30))
    [scopes] = found.resolve(SCOPES).values()
    assert [role.name for role in found.roles] == ["analyst"]
    assert {"run", "get_result", "get_available_dates", "admin3:spatial_aggregate:daily_location"} < scopes
    assert {scope.split(":")[0] for scope in scopes if ":" in scope} == {"admin1", "admin2", "admin3"}
    assert len(scopes) == 3 + sum(scope.startswith(("admin1:", "admin2:", "admin3:")) for scope in SCOPES)


def test_the_examples_commented_lines_are_right_too():
    lines = EXAMPLE.read_text().splitlines()
    keys = ("latest_token_expiry:", "scopes:", "members:", "longest_token_life:")
    bare = [line.replace("# ", "", 1) if line.strip("# ").startswith(keys) else line for line in lines]
    assert len([line for line, before in zip(bare, lines, strict=True) if line != before]) == 5
    found = parsed("\n".join(bare))
    found.resolve(SCOPES)
    assert found.roles[0].members == ("ada", "grace")
    assert found.roles[0].limits.latest_expiry
    assert found.limits.latest_expiry


def test_the_queries_that_the_example_names_are_there():
    [line] = [line for line in EXAMPLE.read_text().splitlines() if "Some of them:" in line]
    named = line.partition("them: ")[2].replace(" (the shapes).", "").split(", ")
    assert len(named) == 5
    assert set(named) <= {scope.split(":")[1] for scope in SCOPES if ":" in scope}


def test_all_mistakes_are_told_at_once_with_their_lines():
    text = """
longest_token_live: 3d
latest_token_expiry: 2026-12-31
roles:
  analyst:
    action: [run]
    units: [[admin3]]
    longest_token_life: 3 days
  analyst:
    actions: run
  empty: {}
"""
    assert mistakes(text) == [
        "line 2: the file: there is no longest_token_live (did you mean longest_token_life?)",
        "line 3: the server: latest_token_expiry: 2026-12-31 has passed, and no token could be made",
        "line 9: roles: analyst is there twice",
        "line 6: role analyst: there is no action (did you mean actions?)",
        "line 7: analyst: units nests",
        "line 6: role analyst: units are of no use without actions",
        "line 8: role analyst: longest_token_life: '3 days' is no time such as 30m, 12h, 7d or 4w",
        "line 11: role empty allows nothing: it has no actions, units or scopes",
    ]


def test_all_that_a_flowapi_does_not_know_is_told_at_once():
    text = """
roles:
  a: {actions: [runn], units: [admin4, admin2], queries: [flow], scopes: ["nope:*"]}
  b: {actions: run, units: [nonspatial], queries: [flows]}
"""
    assert mistakes(text, KNOWN) == [
        "role a: this FlowAPI knows no action runn (did you mean run?)",
        "role a: this FlowAPI knows no unit admin4 (did you mean admin3?)",
        "role a: this FlowAPI knows no query flow (did you mean flows?)",
        "role a: this FlowAPI knows no scope nope:*",
        "role b: no query in queries has a unit in units",
    ]


@pytest.mark.parametrize("life", ["0m", "7", "d", "-1d", "1.5d", "99999999999d", "9999999999w", "7 d", "7D", ""])
def test_what_is_no_life_is_refused(life):
    assert len(mistakes(f"longest_token_life: '{life}'\nroles: {{a: {{actions: run}}}}")) == 1


@pytest.mark.parametrize("day", ["2030-13-01", "20301231", "31.12.2030", "2030-12-31T00:00:00Z", "soon", "2026-12-31"])
def test_what_is_no_day_to_come_is_refused(day):
    assert len(mistakes(f"latest_token_expiry: {day}\nroles: {{a: {{actions: run}}}}")) == 1


def test_today_is_a_day_to_come():
    assert parsed("latest_token_expiry: 2027-01-01\nroles: {a: {actions: run}}").limits.latest_expiry


def test_a_role_beyond_its_server_is_a_mistake():
    text = "longest_token_life: 1d\nlatest_token_expiry: 2028-01-01\nroles:\n  a:\n    actions: run\n    "
    assert "beyond the server's 1d" in mistakes(f"{text}longest_token_life: 25h")[0]
    assert "beyond the server's 2028-01-01" in mistakes(f"{text}latest_token_expiry: 2028-01-02")[0]
    parsed(f"{text}longest_token_life: 24h\n    latest_token_expiry: 2028-01-01")


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "roles", "roles:", "roles: []", "roles: {a: }", "roles: {a: [run]}", "roles: {'': {actions: run}}",
        "roles: {[a]: {actions: run}}", "roles: {a: {actions: {run: x}}}", "roles: {a: {actions: [run, '']}}",
        "roles: {a: {queries: [flows], actions: run}}", "roles: {a: {units: [admin3]}}", "{", "a: b: c", "\t- x",
        "roles: &x {a: *x}", "roles: {" + "x" * 76 + ": {actions: run}}", "roles: {a: {actions: run, members: [' ']}}",
        'roles: {"a\\nb": {actions: run}}', "roles: {a: {actions: run, <<: {units: all}}}", "- " * 5000,
    ],
)  # fmt: skip
def test_what_cannot_be_a_file_of_roles_is_refused(text):
    assert mistakes(text)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"roles: {{a: {text}}}".encode()))
def test_no_file_is_a_traceback(content):
    try:
        found = roles_file.parse(content, "roles.yml", TODAY)
    except SettingsError:
        return
    assert all(0 < len(role.name) <= 75 for role in found.roles)


@given(st.integers(1, 10**6), st.sampled_from("mhdw"))
def test_every_life_is_what_it_says(number, unit):
    minutes = number * {"m": 1, "h": 60, "d": 1440, "w": 10080}[unit]
    text = f"longest_token_life: {number}{unit}\nroles: {{a: {{actions: run}}}}"
    if minutes < 2**31:
        assert parsed(text).limits.longest_life == timedelta(minutes=minutes)
    else:
        assert mistakes(text)


WORDS = st.lists(st.sampled_from([*KNOWN, "admin*", "*", "nothing"]), max_size=3)


@given(WORDS, WORDS, WORDS, WORDS)
def test_a_role_never_has_a_scope_that_the_flowapi_does_not_know(actions, units, queries, scopes):
    rule = RoleRule("a", tuple(actions), tuple(units), tuple(queries), tuple(scopes))
    try:
        found = roles_file.RolesFile("roles.yml", roles=(rule,)).resolve(KNOWN)
    except SettingsError:
        return
    assert found["a"] <= set(KNOWN)
    assert found["a"] >= {scope for scope in scopes if "*" not in scope}


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        roles_file.read(tmp_path / "nothing.yml", TODAY)
    big = tmp_path / "big.yml"
    big.write_bytes(b"#" * (roles_file.LARGEST_FILE + 1))
    with pytest.raises(SettingsError, match="larger than a megabyte"):
        roles_file.read(big, TODAY)
