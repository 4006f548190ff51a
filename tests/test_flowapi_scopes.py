"""FlowAPI's scopes, held to FlowMachine 1.34's own query schemas."""

import json
from pathlib import Path

import pytest

from flowapi import scopes

SCHEMAS = json.loads((Path(__file__).parent / "data" / "flowmachine_query_schemas_1.34.json").read_text())[
    "query_schemas"
]
SPATIAL_AGGREGATE = {
    "query_kind": "spatial_aggregate",
    "locations": {
        "query_kind": "daily_location",
        "date": "2016-01-01",
        "method": "last",
        "aggregation_unit": "admin3",
    },
}


def test_flowmachines_schemas_give_624_triplets_over_27_queries():
    triplets = scopes.triplets_of_schemas(SCHEMAS)
    assert len(triplets) == 624
    assert len({triplet.split(":")[1] for triplet in triplets}) == 27


def test_a_spatial_aggregate_may_nest_these_kinds_and_no_others():
    nested = {
        triplet.split(":")[2]
        for triplet in scopes.triplets_of_schemas(SCHEMAS)
        if triplet.startswith("admin3:spatial_aggregate:")
    }
    assert nested == {
        "spatial_aggregate",
        "coalesced_location",
        "daily_location",
        "location_visits",
        "majority_location",
        "modal_location",
        "most_frequent_location",
        "visited_most_days",
    }


def test_the_units_are_those_of_flowmachine_and_nonspatial():
    units = {triplet.split(":")[0] for triplet in scopes.triplets_of_schemas(SCHEMAS)}
    assert units == {"admin0", "admin1", "admin2", "admin3", "lon-lat", "nonspatial"}


def test_all_scopes_are_sorted_and_hold_the_three_actions():
    everything = scopes.of_schemas(SCHEMAS)
    assert everything == sorted(everything)
    assert len(everything) == 627
    assert {"run", "get_result", "get_available_dates"} <= set(everything)


def test_a_schema_that_refers_to_itself_ends():
    loop = {"$ref": "#/components/schemas/Loop"}
    kind = {"enum": ["loop"]}
    schemas: scopes.Schemas = {
        "FlowmachineQuerySchema": {"oneOf": [loop]},
        "Loop": {"properties": {"query_kind": kind, "again": loop}},
    }
    assert scopes.triplets_of_schemas(schemas) == {"nonspatial:loop:loop"}


def test_a_query_needs_a_triplet_for_each_kind_in_it_its_own_included():
    assert scopes.of_query(SPATIAL_AGGREGATE, "admin3") == {
        "admin3:spatial_aggregate:spatial_aggregate",
        "admin3:spatial_aggregate:daily_location",
    }


def test_kinds_inside_lists_count_too():
    modal = {"query_kind": "modal_location", "locations": [SPATIAL_AGGREGATE["locations"]]}
    spec = {"query_kind": "spatial_aggregate", "locations": modal}
    assert "admin1:spatial_aggregate:daily_location" in scopes.of_query(spec, "admin1")


def test_a_query_without_a_unit_is_nonspatial():
    spec = {"query_kind": "calendar_activity"}
    assert scopes.of_query(spec, None) == {"nonspatial:calendar_activity:calendar_activity"}


def test_every_query_that_has_a_scope_in_the_schemas_can_be_granted():
    needed = scopes.of_query(SPATIAL_AGGREGATE, "lon-lat") | scopes.of_geography("lon-lat")
    assert needed <= scopes.triplets_of_schemas(SCHEMAS)


@pytest.mark.parametrize(
    ("roles", "granting"),
    [
        ({"one": {"run", "t"}}, ["one"]),
        ({"one": {"run", "t", "more"}, "two": {"run", "t"}}, ["one", "two"]),
        ({"one": {"run"}, "two": {"t"}}, []),  # together they would, and must not
        ({"one": {"t"}}, []),
        ({}, []),
    ],
)
def test_one_single_role_must_hold_all_that_is_needed(roles, granting):
    held = {name: frozenset(scopes) for name, scopes in roles.items()}
    assert scopes.granting_roles(held, ["run", "t"]) == granting
