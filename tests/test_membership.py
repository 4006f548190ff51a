"""Labels of this node, when others set theirs at the same time."""

from typing import Any, cast

import pytest
from docker.errors import APIError

from secrets_quickstart.errors import QuickstartError
from secrets_quickstart.swarm import membership
from secrets_quickstart.swarm.engine import Engine

RACED = "rpc error: code = Unknown desc = update out of sequence"


class Node:
    """A node that somebody else labels just before each of the first writes, as Swarm's API would have it."""

    def __init__(self, races: int) -> None:
        self.races, self.index, self.labels = races, 1, {"zone": "a"}
        self.api, self.node_id = self, "n1"

    def membership(self) -> "Node":
        return self

    def inspect_node(self, node: str) -> dict[str, Any]:
        return {"ID": node, "Version": {"Index": self.index}, "Spec": {"Role": "manager", "Labels": {**self.labels}}}

    def update_node(self, node: str, version: int, spec: dict[str, Any]) -> None:
        assert node == self.node_id
        if self.races:
            self.races -= 1
            self.index += 1
            self.labels[f"other{self.index}"] = "true"
        if version != self.index:
            raise APIError(RACED)
        self.labels = spec["Labels"]


def test_a_label_that_somebody_else_sets_meanwhile_stays():
    node = Node(races=2)

    membership.label_this_node(cast("Engine", node), "flowkit.data", "true")

    assert node.labels == {"zone": "a", "other2": "true", "other3": "true", "flowkit.data": "true"}


def test_taking_a_label_away_takes_no_other():
    node = Node(races=1)
    node.labels["flowkit.data"] = "true"

    membership.label_this_node(cast("Engine", node), "flowkit.data", None)

    assert node.labels == {"zone": "a", "other2": "true"}


def test_a_node_that_never_rests_is_an_error_and_not_a_loop():
    with pytest.raises(QuickstartError):
        membership.label_this_node(cast("Engine", Node(races=99)), "flowkit.data", "true")
