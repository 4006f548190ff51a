"""The OpenAPI document: FlowMachine's query schemas, the scopes, the paths. Not its serving."""

from collections.abc import Mapping
from typing import Any

from flowapi import __version__, scopes
from flowapi.paths import PATHS, PROBLEM_SCHEMAS

DESCRIPTION = """\
Runs aggregate queries over call detail records and gives their results.

A query is run, polled until it is completed, and its result fetched.
Every request but those for this document needs a token as a bearer.
A token lists roles, and one single role must hold every scope that a request needs:
an action (`run`, `get_result` or `get_available_dates`) and, for a query, one scope
`aggregation unit:query kind:nested query kind` for each query kind in it, its own included.
"""


def document(schemas: Mapping[str, Mapping[str, Any]], audience: str) -> dict[str, Any]:
    """The whole document, for FlowMachine's query schemas by name and this server's identifier."""
    return {
        "openapi": "3.0.1",
        "info": {"title": "FlowAPI", "version": __version__, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": PATHS,
        "components": {
            "schemas": {
                **{name: with_query_kind_required(schema) for name, schema in schemas.items()},
                **PROBLEM_SCHEMAS,
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "x-security-scopes": scopes.of_schemas(schemas),
                    "x-audience": audience,
                }
            },
        },
    }


def with_query_kind_required(schema: Mapping[str, Any]) -> dict[str, Any]:
    required = list(schema.get("required", []))
    if "query_kind" in schema.get("properties", {}) and "query_kind" not in required:
        return {**schema, "required": [*required, "query_kind"]}
    return dict(schema)
