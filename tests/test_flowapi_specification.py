"""FlowAPI's OpenAPI document: what FlowAuth and the token generator read of it."""

import json
import re
from pathlib import Path

import pytest

from flowapi import scopes, specification
from flowapi.paths import PATHS

SCHEMAS = json.loads((Path(__file__).parent / "data" / "flowmachine_query_schemas_1.34.json").read_text())[
    "query_schemas"
]
DOCUMENT = specification.document(SCHEMAS, "toy_api")


def test_the_security_scheme_names_this_server_and_every_scope():
    token = DOCUMENT["components"]["securitySchemes"]["token"]
    assert token == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "x-audience": "toy_api",
        "x-security-scopes": scopes.of_schemas(SCHEMAS),
    }


def test_it_is_of_the_version_that_flowauth_reads_and_can_be_written_as_json():
    assert DOCUMENT["openapi"] == "3.0.1"
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_every_schema_of_flowmachine_is_there():
    assert SCHEMAS.keys() <= DOCUMENT["components"]["schemas"].keys()


def test_query_kind_is_required_wherever_there_is_one():
    given = {"properties": {"query_kind": {"enum": ["x"]}, "a": {}}, "required": ["a"]}
    assert specification.with_query_kind_required(given)["required"] == ["a", "query_kind"]
    assert given["required"] == ["a"]
    assert specification.with_query_kind_required({"properties": {"query_kind": {}}})["required"] == ["query_kind"]
    assert "required" not in specification.with_query_kind_required({"properties": {"a": {}}})


def references(node):
    match node:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for child in node.values():
                yield from references(child)
        case list():
            for child in node:
                yield from references(child)


def test_every_reference_leads_somewhere():
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) <= known


@pytest.mark.parametrize("path", PATHS)
def test_every_part_of_a_path_is_described(path):
    for operation in PATHS[path].values():
        described = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", path))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_needs_a_token_but_those_of_the_document_itself(path):
    for operation in PATHS[path].values():
        assert ("security" in operation) == (not path.startswith("/api/0/spec/"))
        assert ("401" in operation["responses"]) == ("security" in operation)
