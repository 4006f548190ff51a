"""What an upgrade would change, what stands in its way, and what a database may not lose."""

import pytest

from secrets_quickstart.checks.check import Status
from secrets_quickstart.operations import (
    upgrade,
    upgrade_data,
    upgrade_plan,
)
from secrets_quickstart.operations.upgrade_plan import Facts, findings
from secrets_quickstart.swarm import images


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "CONTAINER_TAG=1.35.0\n"),
        ("A=1\nexport CONTAINER_TAG = 1.34.0\n# CONTAINER_TAG\n", "A=1\nCONTAINER_TAG=1.35.0\n# CONTAINER_TAG\n"),
        ("A=1", "A=1\nCONTAINER_TAG=1.35.0\n"),
    ],
)
def test_the_release_goes_into_the_settings(tmp_path, content, expected):
    path = tmp_path / ".env"
    if content is not None:
        path.write_text(content)

    upgrade.keep_tag(path, "1.35.0")

    assert path.read_text() == expected


OFFICIAL = {"flowdb": "flowminder/flowdb:1.34.0@sha256:1", "flowetl_init": "flowminder/flowetl:1.16.0@sha256:1"}


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        (Facts(OFFICIAL, OFFICIAL), None),
        (Facts(OFFICIAL, {"flowdb": "flowminder/flowdb:1.35.0@sha256:2"}), None),
        (Facts(OFFICIAL, {"flowdb": "flowminder/flowdb:1.33.0@sha256:2"}), "release"),
        (Facts(OFFICIAL, {"flowdb": "flowminder/flowdb:latest@sha256:2"}), None),
        (Facts(OFFICIAL, {"flowdb": "flowkit/flowdb:local-1"}), "source of FlowDB"),
        (Facts({"flowdb": "flowkit/flowdb:local-1"}, {"flowdb": "flowkit/flowdb:local-2"}), None),
        (Facts(OFFICIAL, {"flowetl_init": "a:5/x/flowetl:1.34.0"}, frozenset({"flowetl"})), "flowetl 1.17.0"),
        (Facts(OFFICIAL, {"flowetl_init": "x/flowetl:1.16.1"}, frozenset({"flowetl"})), None),
        (Facts(OFFICIAL, {"flowetl_init": "x/flowetl:latest"}, frozenset({"flowetl"})), "flowetl 1.17.0"),
        (Facts(OFFICIAL, {"flowetl_init": "x/flowetl:1.34.0"}, *[frozenset({"flowetl"})] * 2), None),
        (
            Facts({"flowauth": "x/flowauth:1.18.0"}, {"flowauth": "x/flowauth:1.18.1"}, frozenset({"flowauth"})),
            "flowauth 1.18.1",
        ),
    ],
)
def test_what_is_known_of_upgrades_stands_in_the_way_of_those_it_is_about(found, refused):
    obstacles = [item for item in findings(found) if item.status is Status.OBSTACLE]

    assert [item.check for item in obstacles] == ([] if refused is None else [refused])
    assert all(item.detail and item.fix for item in obstacles)


def test_who_migrated_is_told_to_check_it():
    found = Facts({"flowauth": "x/flowauth:1.18.0"}, {"flowauth": "x/flowauth:1.34.0"}, *[frozenset({"flowauth"})] * 2)

    assert ["flowauth.migrate" in text for text in upgrade_plan.afterwards(found)] == [True]


BEFORE = {"rows": {"events.calls": 5, "etl.x": 9}, "columns": {"events.calls": "a", "etl.x": "b"}, "revision": []}


@pytest.mark.parametrize(
    ("change", "lost", "altered"),
    [
        ({}, 0, 0),
        ({"rows": {"events.calls": 6}}, 0, 0),
        ({"rows": {"events.calls": 4, "etl.x": 9}}, 1, 1),
        ({"rows": {}}, 0, 0),
        ({"rows": {}, "columns": {"etl.x": "b"}}, 1, 2),
        ({"columns": {"events.calls": "other", "etl.x": "b"}}, 0, 1),
        ({"columns": {"events.calls": "a", "new": "n"}}, 0, 0),
        ({"revision": ["2"]}, 0, 1),
    ],
)
def test_what_a_database_has_lost_is_told_from_what_comes_and_goes(change, lost, altered):
    now = {**BEFORE, **change}

    assert len(upgrade_data.lost("flowdb", BEFORE, now)) == lost
    assert len(upgrade_data.altered("flowdb", BEFORE, now)) == altered


def test_an_images_release_is_read_from_its_name():
    assert upgrade_plan.release("host:5000/flowminder/flowdb:1.34.0@sha256:abc") == (1, 34, 0)
    assert upgrade_plan.release("flowminder/flowdb:latest") is None
    assert upgrade_plan.release(f"{images.PREFIX}/flowdb:local-abc") is not None
