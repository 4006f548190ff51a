"""Waiting for a stack while its engine comes and goes."""

import threading
import time

import pytest

from secrets_quickstart.errors import EngineError, NotConverged
from secrets_quickstart.swarm import watching
from secrets_quickstart.swarm.convergence import Expectation
from secrets_quickstart.swarm.watching import looks, remove_and_wait, wait_until_up
from tests.fakes import START, FakeEngine


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(watching, "LONGEST_LOOKAWAY", 0.01)
    monkeypatch.setattr(watching, "SHORTEST_LOOKAWAY", 0.0)


class Answers:
    """What is seen look by look; an error is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def seen(answers, seconds=10.0, count=99):
    found = []
    for item in looks(answers, threading.Event(), time.monotonic() + seconds):
        found.append(item)
        if len(found) == count:
            break
    return found


def test_an_engine_that_is_away_for_a_moment_is_asked_again():
    away = EngineError("away")

    assert seen(Answers(1, away, away, 2), count=2) == [1, 2]


def test_an_engine_that_stays_away_is_given_up(monkeypatch):
    monkeypatch.setattr(watching, "LEADERLESS", 0.05)

    with pytest.raises(EngineError, match="away"):
        seen(Answers(1, EngineError("away")))


def test_an_engine_that_never_answered_until_the_deadline_is_the_error():
    with pytest.raises(EngineError, match="away"):
        seen(Answers(EngineError("away")), seconds=0.05)


def test_there_is_one_look_even_when_no_time_is_left():
    assert seen(Answers("state"), seconds=0) == ["state"]


def test_what_is_late_is_named_with_how_far_it_has_come(monkeypatch):
    engine = FakeEngine()

    with pytest.raises(NotConverged) as raised:
        wait_until_up(engine, "s", {"db": Expectation()}, since=START, deadline=0.05, tell=lambda _: None)

    assert "db (not created yet)" in raised.value.why
    assert "FLOWKIT_DEADLINE" in raised.value.fix


def test_a_removal_ends_when_nothing_is_left_and_says_how_far_it_is():
    engine = FakeEngine()
    engine.add_service("s", "db")
    engine.networks = ["s_net"]
    told: list[dict[str, str]] = []

    remove_and_wait(engine, "s", deadline=5, tell=lambda states: told.append(dict(states)))

    assert engine.writes == ["remove service s_db", "remove network s_net"]
    assert told[-1] == {"services": "0 left", "containers": "0 left", "networks": "0 left"}


def test_a_service_goes_when_the_last_container_of_those_that_need_it_has_stopped():
    engine = FakeEngine()
    for name in ("db", "web"):
        engine.add_service("s", name)
    engine.networks = ["s_net"]
    stopping = {"Id": "c1", "State": "running", "Labels": {"com.docker.swarm.service.name": "s_web"}}
    engine.containers = [stopping]
    needs = {"web": ("db", "of another stack"), "db": ()}

    with pytest.raises(NotConverged, match="1 services left, 1 containers left"):
        remove_and_wait(engine, "s", deadline=0.05, tell=lambda _: None, needs=needs)
    assert engine.writes == ["remove service s_web"]
    engine.containers = [{**stopping, "State": "exited"}]
    with pytest.raises(NotConverged, match=": 1 containers left, 1 networks left"):
        remove_and_wait(engine, "s", deadline=0.05, tell=lambda _: None, needs=needs)
    assert engine.writes == ["remove service s_web", "remove service s_db"]
    engine.containers = []
    remove_and_wait(engine, "s", deadline=5, tell=lambda _: None, needs=needs)

    assert engine.writes == ["remove service s_web", "remove service s_db", "remove network s_net"]


def test_a_network_is_left_alone_while_a_container_hangs_on_it():
    engine = FakeEngine()
    engine.networks = ["s_net"]
    engine.containers = [{"Id": "c1"}]

    with pytest.raises(NotConverged, match="1 containers left, 1 networks left"):
        remove_and_wait(engine, "s", deadline=0.05, tell=lambda _: None)

    assert engine.networks == ["s_net"]
