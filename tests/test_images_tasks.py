"""`invoke images.*`: what they say to people and to programs, with images as the fake engine has them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.catalog.images import BY_NAME
from secrets_quickstart.errors import EngineError
from secrets_quickstart.settings import load
from secrets_quickstart.steps.images import Build
from secrets_quickstart.steps.step import Plan, Unchanged
from secrets_quickstart.swarm import images
from secrets_quickstart.swarm.images import LocalImage
from secrets_quickstart.swarm.registry import Official
from secrets_quickstart.tasks import images as tasks
from tests.test_images_step import DIGEST

NEW, IDLE, USED, HELD = (f"flowkit/redis:local-{letter * 12}" for letter in "abcd")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "settings", lambda: load(tmp_path, {}))


@pytest.fixture
def removed(monkeypatch):
    """The references that were removed, of an engine with a current image, one in use and two idle ones of old."""
    gone = []

    def remove(_engine, reference):
        if reference == HELD:
            raise EngineError(f"{reference} cannot be removed", why="a container holds it")
        gone.append(reference)

    built = [LocalImage("redis", reference, 1, 0) for reference in (NEW, IDLE, USED, HELD)]
    monkeypatch.setattr(tasks, "_recipes", lambda _: [SimpleNamespace(reference=NEW)])
    monkeypatch.setattr(images, "built", lambda _: built)
    monkeypatch.setattr(images, "in_use", lambda _: frozenset({USED}))
    monkeypatch.setattr(images, "remove", remove)
    return gone


def test_what_was_pruned_and_what_stays_is_one_document(removed, capsys):
    tasks.prune(Context(), json=True)

    rows = {row["reference"]: (row["outcome"], row["reason"]) for row in json.loads(capsys.readouterr().out)}
    assert rows == {
        IDLE: ("removed", ""),
        USED: ("stays", "a service or a container was made from it"),
        HELD: ("stays", "a container holds it"),
    }
    assert removed == [IDLE]


def test_people_are_told_the_same_of_it_in_lines(removed, capsys):
    tasks.prune(Context())

    assert capsys.readouterr().out.splitlines() == [
        f"{IDLE}: removed",
        f"{USED}: stays, a service or a container was made from it",
        f"{HELD}: stays, a container holds it",
    ]


def test_a_dry_run_of_pruning_removes_nothing_and_says_by_its_status_that_there_is_something(removed, capsys):
    with pytest.raises(Exit) as ended:
        tasks.prune(Context(), dry_run=True, json=True)

    assert ended.value.code == 2
    assert {row["outcome"] for row in json.loads(capsys.readouterr().out)} == {"would be removed", "stays"}
    assert removed == []


class Step:
    """In the place of the step that builds."""

    name = "images"

    def __init__(self, *actions):
        self.planned = Plan(actions, (Unchanged("base", "built already"),))
        self.acted = False

    def look(self):
        return None

    def plan(self, _facts):
        return self.planned

    def act(self, _actions):
        self.acted = True


BUILD = Build("redis", NEW, "not built yet")


@pytest.mark.parametrize(
    ("actions", "dry_run", "status"), [((BUILD,), False, 0), ((BUILD,), True, 2), ((), False, 0), ((), True, 0)]
)
def test_what_was_built_or_would_be_is_one_document(actions, dry_run, status, monkeypatch, capsys):
    step = Step(*actions)
    monkeypatch.setattr(tasks, "_step", lambda *_: step)

    ended = 0
    try:
        tasks.build(Context(), dry_run=dry_run, json=True)
    except Exit as left:
        ended = left.code

    assert ended == status
    assert json.loads(capsys.readouterr().out) == {
        "changes": len(actions),
        "step": "images",
        "actions": [f"build {NEW}: not built yet"] * len(actions),
        "unchanged": [{"subject": "base", "reason": "built already"}],
    }
    assert step.acted is not dry_run


def test_what_was_pulled_is_one_document(monkeypatch, capsys):
    pulled = []
    source = SimpleNamespace(
        official=lambda row, tag: Official(row, "flowminder/flowdb", tag, DIGEST),
        pull=lambda reference, _tell: pulled.append(reference),
    )
    monkeypatch.setattr(tasks, "_registry", lambda _: source)

    tasks.pull(Context(), names="flowdb", json=True)

    assert json.loads(capsys.readouterr().out) == [{"name": "flowdb", "reference": pulled[0]}]
    assert pulled[0].startswith(f"{BY_NAME['flowdb'].official}:")
