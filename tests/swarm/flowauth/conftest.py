"""A FlowAuth of two replicas for each module, and who comes to it."""

import pytest

from tests.swarm.flowauth.people import analyst_of, people, two_replicas


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with two_replicas(tmp_path_factory.mktemp("flowauth")) as made:
        yield made


@pytest.fixture
def person(place):
    """A maker of people at the first replica or another."""
    with people(place) as make:
        yield make


@pytest.fixture
def admin(person):
    somebody = person()
    assert somebody.sign_in().status_code == 200
    return somebody


@pytest.fixture
def analyst(admin, person):
    return analyst_of(admin, person)
