"""Scopes: what a role may do, as text. Not who holds a role (tokens), nor where it is asked.

A query's scopes are triplets `unit:query kind:nested query kind`, the query's own kind among the
nested ones; an action is a plain word. Geography is a query kind like the others.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

RUN = "run"
GET_RESULT = "get_result"
GET_AVAILABLE_DATES = "get_available_dates"
ACTIONS = (RUN, GET_RESULT, GET_AVAILABLE_DATES)

NONSPATIAL = "nonspatial"  # the unit of a query that has none
ROOT = "FlowmachineQuerySchema"  # the schema whose alternatives are the queries one may run

Schemas = Mapping[str, Mapping[str, Any]]


def of_schemas(schemas: Schemas) -> list[str]:
    """All scopes there are, sorted, for FlowMachine's query schemas by name."""
    return sorted({*ACTIONS, *triplets_of_schemas(schemas)})


def triplets_of_schemas(schemas: Schemas) -> frozenset[str]:
    return frozenset(
        f"{unit}:{kind}:{nested}"
        for top in _references(schemas[ROOT])
        for kind in _kinds_of(schemas[top])
        for unit in _units_of(schemas[top])
        for nested in _reachable_kinds(top, schemas)
    )


def of_query(spec: Mapping[str, Any], unit: str | None) -> frozenset[str]:
    """The triplets one role must hold for this query specification; `unit` as FlowMachine says."""
    return frozenset(f"{unit or NONSPATIAL}:{spec['query_kind']}:{nested}" for nested in _nested_kinds(spec))


def of_geography(unit: str | None) -> frozenset[str]:
    return of_query({"query_kind": "geography"}, unit)


def granting_roles(roles: Mapping[str, frozenset[str]], needed: Iterable[str]) -> list[str]:
    """The roles, sorted, each of which holds by itself all that is needed."""
    wanted = frozenset(needed)
    return sorted(name for name, held in roles.items() if wanted <= held)


def _nested_kinds(node: object) -> Iterator[str]:
    match node:
        case Mapping():
            if isinstance(kind := node.get("query_kind"), str):
                yield kind
            for child in node.values():
                yield from _nested_kinds(child)
        case list():
            for child in node:
                yield from _nested_kinds(child)


def _reachable_kinds(start: str, schemas: Schemas) -> set[str]:
    kinds: set[str] = set()
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            kinds.update(_kinds_of(schemas[name]))
            waiting.extend(_references(schemas[name]))
    return kinds


def _kinds_of(schema: Mapping[str, Any]) -> list[str]:
    return list(schema.get("properties", {}).get("query_kind", {}).get("enum", []))


def _units_of(schema: Mapping[str, Any]) -> list[str]:
    units = schema.get("properties", {}).get("aggregation_unit", {}).get("enum", [])
    return list(units) or [NONSPATIAL]


def _references(node: object) -> Iterator[str]:
    """Names of the schemas this one refers to; a discriminator only repeats them."""
    match node:
        case Mapping():
            if isinstance(reference := node.get("$ref"), str):
                yield reference.rsplit("/", 1)[-1]
            for key, child in node.items():
                if key != "discriminator":
                    yield from _references(child)
        case list():
            for child in node:
                yield from _references(child)
