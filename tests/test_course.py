"""Carrying out steps: in order, side by side, with errors and Ctrl-C in the midst."""

import threading
from dataclasses import dataclass

import pytest

from secrets_quickstart.errors import HostError, ImageError
from secrets_quickstart.operations import course
from secrets_quickstart.steps.step import Plan, Unchanged


@dataclass(frozen=True, slots=True)
class Put:
    """Put a word into the world."""

    word: str

    def __str__(self):
        return f"put {self.word}"


class Putting:
    """The step that has some words in the world."""

    def __init__(self, world, *words, name="words", before=lambda: None):
        self.name = name
        self.world = world
        self.words = words
        self.before = before

    def look(self):
        return tuple(self.world)

    def plan(self, facts):
        missing = tuple(Put(word) for word in self.words if word not in facts)
        return Plan(missing, tuple(Unchanged(word, "there") for word in self.words if word in facts))

    def act(self, actions):
        self.before()
        self.world.extend(action.word for action in actions)


def raising(problem):
    def fail():
        raise problem

    return fail


def test_a_plan_changes_nothing():
    world: list[str] = []

    planned = course.plan([Putting(world, "a"), Putting(world, "b")])

    assert course.changes(planned) == 2
    assert world == []


def test_every_step_looks_when_its_turn_comes():
    world: list[str] = []

    done = course.carry_out([[Putting(world, "a", "b"), Putting(world, "b", "c")]])

    assert [str(action) for item in done for action in item.plan.actions] == ["put a", "put b", "put c"]


def test_what_is_right_already_is_not_acted_upon():
    world = ["a"]

    done = course.carry_out([[Putting(world, "a", before=raising(AssertionError))]])

    assert course.changes(done) == 0
    assert done[0].document() == {
        "step": "words",
        "actions": [],
        "unchanged": [{"subject": "a", "reason": "there"}],
    }


def test_actions_are_told_before_they_are_carried_out(capsys):
    with pytest.raises(HostError):
        course.carry_out([[Putting([], "a", before=raising(HostError("no")))]])

    assert capsys.readouterr().err == "words: put a\n"


def test_lanes_run_side_by_side_and_are_reported_in_their_order():
    world: list[str] = []
    second_has_begun = threading.Event()
    slow = Putting(world, "slow", name="first", before=lambda: second_has_begun.wait(10))
    fast = Putting(world, "fast", name="second", before=second_has_begun.set)

    done = course.carry_out([[slow], [fast]])

    assert world == ["fast", "slow"]
    assert [item.step for item in done] == ["first", "second"]


def test_an_error_ends_its_lane_and_lets_the_other_come_to_its_end():
    world: list[str] = []
    failed = threading.Event()

    def fail():
        failed.set()
        raise HostError("no")

    failing = Putting(world, "never", before=fail)
    building = Putting(world, "built", before=lambda: failed.wait(10))

    with pytest.raises(HostError, match="no"):
        course.carry_out([[failing, Putting(world, "after")], [building, Putting(world, "last")]])

    assert world == ["built", "last"]


def test_of_two_errors_that_of_the_first_lane_is_raised():
    lanes = [[Putting([], "a", before=raising(problem))] for problem in (ImageError("first"), HostError("second"))]

    with pytest.raises(ImageError, match="first"):
        course.carry_out(lanes)


def test_ctrl_c_ends_every_lane_after_the_step_that_it_is_at():
    """The main thread, where Ctrl-C arrives, waits for the first lane; the second is in the middle of a step."""
    world: list[str] = []
    at_work = threading.Event()
    told = threading.Event()

    def interrupt():
        at_work.wait(10)
        raise KeyboardInterrupt

    def work():
        at_work.set()
        told.wait(0.3)  # as long as it takes the main thread to hear of it

    with pytest.raises(KeyboardInterrupt):
        course.carry_out(
            [
                [Putting(world, "never", before=interrupt)],
                [Putting(world, "ended", before=work), Putting(world, "not begun")],
            ]
        )

    assert world == ["ended"]


def test_after_an_interruption_a_second_run_does_the_rest():
    world: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        course.carry_out([[Putting(world, "a"), Putting(world, "b", before=raising(KeyboardInterrupt()))]])

    done = course.carry_out([[Putting(world, "a"), Putting(world, "b")]])

    assert world == ["a", "b"]
    assert course.changes(done) == 1
