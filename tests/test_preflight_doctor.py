"""How `invoke doctor` shows what preflight found."""

from __future__ import annotations

import json

from secrets_quickstart import report
from secrets_quickstart.checks import preflight
from secrets_quickstart.tasks.doctor import as_document, show
from tests.preflight_facts import SOUND, but

SPOILT = but(machine__cpus=1, engine__rootless=True)


def test_what_is_wanting_is_shown_in_full_the_worst_first_and_the_rest_by_name(capsys):
    show(SPOILT, preflight.run(SPOILT), verbose=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("obstacle: engine-rootless: ")
    assert lines[1].startswith("  fix: ")
    assert lines[2].startswith("warning: cpus: ")
    assert any(line.startswith("ok (") and "engine-version" in line for line in lines)


def test_every_check_is_shown_when_that_is_asked_for(capsys):
    show(SOUND, preflight.run(SOUND), verbose=True)
    shown = capsys.readouterr().out
    assert all(f"\n{check.name} " in shown for check in preflight.CHECKS)


def test_flowdbs_share_of_the_machine_is_shown_with_reasons_where_flowdb_is_wanted(capsys):
    show(SOUND, preflight.run(SOUND), verbose=False)
    assert "SHARED_BUFFERS_SIZE" in capsys.readouterr().out
    without = but(wanted__components=("flowmachine",))
    show(without, preflight.run(without), verbose=False)
    assert "SHARED_BUFFERS_SIZE" not in capsys.readouterr().out


def test_the_document_holds_everything(capsys):
    report.document(as_document("flowkit", SPOILT, preflight.run(SPOILT)))
    document = json.loads(capsys.readouterr().out)
    assert document["target"] == "flowkit"
    assert document["counts"]["obstacle"] == 1
    assert sum(document["counts"].values()) == len(document["findings"]) == len(preflight.CHECKS)
    assert {row["variable"] for row in document["sizing"]} == set(SOUND.sizing.values)
    assert document["beside"] == SOUND.beside


def test_what_the_other_services_take_is_shown_with_its_sum(capsys):
    show(SOUND, preflight.run(SOUND), verbose=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["flowmachine", "256MB"] in lines
    assert ["all", "392MB"] in lines
    alone = but(beside={})
    show(alone, preflight.run(alone), verbose=False)
    assert "WHEN IDLE" not in capsys.readouterr().out
