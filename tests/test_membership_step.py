"""Seeing to a swarm, and to the node that holds the data."""

from dataclasses import replace

import pytest

from secrets_quickstart.catalog.labels import MADE_BY
from secrets_quickstart.errors import EngineError
from secrets_quickstart.steps.membership import Facts, MembershipStep
from secrets_quickstart.swarm.engine import SwarmMembership
from secrets_quickstart.swarm.services import Node
from tests.fakes import FakeEngine

ACTIVE = SwarmMembership("active", manager=True, error="", node_id="n1", address="10.0.0.1")
NODE = Node("n1", "one", ready=True, active=True, labels={})


def step(engine=None):
    return MembershipStep(engine or FakeEngine(), "flowkit.data", None)


def test_an_engine_in_no_swarm_gets_one_that_is_known_as_ours():
    engine = FakeEngine(state="inactive")
    made = step(engine)

    made.act(made.plan(made.look()).actions)

    assert engine.writes == ["swarm init", "label node"]
    assert MADE_BY in engine.swarm_labels
    assert made.plan(made.look()).actions == ()


def test_the_only_node_of_a_swarm_is_labelled():
    engine = FakeEngine()
    made = step(engine)

    made.act(made.plan(made.look()).actions)

    assert engine.labels == {"flowkit.data": "true"}
    assert made.plan(made.look()).actions == ()


def test_labels_of_others_are_kept():
    engine = FakeEngine()
    engine.labels = {"zone": "a"}
    made = step(engine)

    made.act(made.plan(made.look()).actions)

    assert engine.labels == {"zone": "a", "flowkit.data": "true"}


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (SwarmMembership("locked", manager=False, error="", node_id="", address=""), "docker swarm unlock"),
        (SwarmMembership("active", manager=False, error="", node_id="n", address=""), "promote"),
        (SwarmMembership("active", manager=True, error="no leader", node_id="n", address=""), "majority"),
        (SwarmMembership("pending", manager=False, error="", node_id="n", address=""), "wait"),
    ],
    ids=["locked", "worker", "no leader", "joining"],
)
def test_a_swarm_that_cannot_be_used_is_refused_with_its_fix(found, word):
    with pytest.raises(EngineError) as caught:
        step().plan(Facts(found, ()))

    assert word in caught.value.fix


def test_among_several_nodes_the_operator_says_where_the_data_is():
    other = replace(NODE, id="n2", name="two")
    with pytest.raises(EngineError, match="none of 2 nodes") as caught:
        step().plan(Facts(ACTIVE, (NODE, other)))
    assert "docker node update --label-add flowkit.data=true" in caught.value.fix

    marked = replace(other, labels={"flowkit.data": "true"})
    assert step().plan(Facts(ACTIVE, (NODE, marked))).actions == ()


def test_two_nodes_that_both_claim_the_data_are_refused():
    marked = replace(NODE, labels={"flowkit.data": "true"})
    with pytest.raises(EngineError, match="more than one"):
        step().plan(Facts(ACTIVE, (marked, replace(marked, id="n2", name="two"))))
