"""Preflight: every check passes on a sound machine, and every check can fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from secrets_quickstart.checks import preflight
from secrets_quickstart.checks.check import Finding, Status
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.checks.preflight import CHECKS
from secrets_quickstart.errors import EngineError, PreflightFailed
from secrets_quickstart.settings import load
from secrets_quickstart.swarm.engine import Engine
from tests import preflight_cases_custody, preflight_cases_engine, preflight_cases_machine, preflight_cases_network
from tests.preflight_facts import SOUND, but

CASES = (
    *preflight_cases_engine.CASES,
    *preflight_cases_network.CASES,
    *preflight_cases_machine.CASES,
    *preflight_cases_custody.CASES,
)
BY_NAME = {check.name: check for check in CHECKS}
DOCUMENT = Path(__file__).parents[1] / "docs" / "preflight.md"


def found(facts, check: str) -> Finding:
    return next(item for item in preflight.run(facts) if item.check == check)


def test_a_sound_machine_has_neither_obstacles_nor_warnings():
    wanting = [item for item in preflight.run(SOUND) if item.status in {Status.OBSTACLE, Status.WARNING}]
    assert wanting == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_check_finds_what_its_case_says(case):
    finding = found(but(**case.changes), case.check)
    assert finding.status is case.status, finding.detail
    assert case.says in finding.detail


def test_every_check_was_seen_failing():
    failing = {case.check for case in CASES if case.status in {Status.OBSTACLE, Status.WARNING}}
    assert failing == set(BY_NAME)


def test_no_two_checks_have_the_same_name_or_question():
    assert len({check.name for check in CHECKS}) == len(CHECKS) == len({check.question for check in CHECKS})


def test_there_are_more_than_enough():
    assert len(CHECKS) >= 25


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_whatever_is_wanting_comes_with_a_fix_and_whatever_is_not_comes_without(case):
    finding = found(but(**case.changes), case.check)
    assert bool(finding.fix) == (finding.status in {Status.OBSTACLE, Status.WARNING})


def test_without_an_engine_one_check_says_so_and_those_that_need_one_are_skipped():
    facts = but(
        engine=preflight_cases_engine.NO_ENGINE,
        swarm=Unknown("no engine answers"),
        images=Unknown("no engine answers"),
        data=None,
    )
    assert [item.check for item in preflight.obstacles(preflight.run(facts))] == ["engine"]


def test_an_engine_elsewhere_is_not_judged_by_this_machine():
    facts = but(engine__local=False, machine__memory=1, machine__huge_pages="always", data_disk__kind="tmpfs")
    for check in ("memory", "huge-pages", "disk-data-kind", "kernel-overlay", "directories"):
        assert found(facts, check).status is Status.SKIPPED


def test_all_obstacles_are_told_at_once_each_with_its_fix():
    facts = but(engine__rootless=True, machine__memory=1, custody__key_beside=True)
    with pytest.raises(PreflightFailed) as failure:
        preflight.raise_on_obstacles(preflight.run(facts))
    assert failure.value.status == 3
    text = str(failure.value)
    assert "2 obstacles" in text
    assert "engine-rootless" in text
    assert "memory" in text
    assert text.count("fix:") == 2
    assert "vault-key" not in text


def test_warnings_do_not_stop_a_deployment():
    preflight.raise_on_obstacles(preflight.run(but(machine__cpus=1)))


def test_the_documentation_has_a_row_for_every_check_and_no_other():
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \| (.+?) \| (.+?) \|$", DOCUMENT.read_text())
    expected = [(check.name, check.question, worst(check.name)) for check in CHECKS]
    assert rows == expected, "write what tests.test_preflight.table() returns into docs/preflight.md"


def worst(name: str) -> str:
    """What a check can come to, from the cases that see it."""
    seen = {case.status for case in CASES if case.check == name}
    return " or ".join(status.value for status in (Status.OBSTACLE, Status.WARNING) if status in seen)


def table() -> str:
    """The table of docs/preflight.md."""
    lines: list[str] = []
    for title, checks in preflight.SECTIONS:
        lines += [f"## {title}", "", "| check | question | when not |", "|---|---|---|"]
        lines += [f"| `{check.name}` | {check.question} | {worst(check.name)} |" for check in checks]
        lines.append("")
    return "\n".join(lines)


class DeadEngine(Engine):
    """An engine that nobody answers for."""

    @property
    def client(self) -> Any:
        raise EngineError("the Docker Engine cannot be reached", why="no such file", fix="start it")


def test_looking_at_a_machine_without_an_engine_ends_well_and_leaves_no_trace(tmp_path):
    settings = load(tmp_path, {"HOME": str(tmp_path), "FLOWKIT_HOSTS_FILE": str(tmp_path / "none")})
    facts = preflight.gather(settings, ("flowdb", "flowmachine", "flowapi"), DeadEngine({}))
    findings = preflight.run(facts)
    assert len(findings) == len(CHECKS)
    assert {"engine", "hosts-entry"} <= {item.check for item in preflight.obstacles(findings)}
    assert facts.data == ()
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_a_vault_is_refused(tmp_path):
    data = tmp_path / "data"
    (data / "global").mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    (data / "global" / "pg_control").write_bytes(bytes(range(8)))
    settings = load(tmp_path, {"HOME": str(tmp_path), "FLOWDB_DATA_DIR": str(data)})
    facts = but(data=preflight.data_facts(settings, ("flowdb",), DeadEngine({}), None))
    assert found(facts, "data").status is Status.OBSTACLE
