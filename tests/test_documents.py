"""What every command prints with `--json`, against its schema; the schemas and docs/json.md against the table."""

import json
import sys
from contextlib import suppress
from pathlib import Path

import jsonschema_rs
import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.catalog.documents import BY_COMMAND, DOCUMENTS
from secrets_quickstart.catalog.documents.page import page
from secrets_quickstart.tasks.schema import schema
from tests.documented_cases import CASES, Case
from tests.documents import faults, require_documented

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "json.md"
MAKE = "write what secrets_quickstart.catalog.documents.page.page() returns to docs/json.md"
RUNS = [(command, run) for command, runs in CASES.items() for run in runs]
ON_EVERY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.command)


@pytest.fixture(scope="module")
def commands():
    """Every command by its name, as invoke itself lists them."""
    sys.path.insert(0, str(ROOT))
    from tasks import ns

    return {name: ns[name] for name in ns.task_names}


def test_every_command_that_prints_json_has_a_schema_and_a_run_here(commands):
    printing = {name for name, command in commands.items() if "json" in {a.name for a in command.get_arguments()}}

    assert printing == BY_COMMAND.keys() == CASES.keys()


@pytest.fixture
def printed(tmp_path, monkeypatch, capsys):
    """What a run of a command prints."""
    case = Case(tmp_path, monkeypatch, capsys.readouterr)

    def run(command):
        with suppress(Exit):
            command(case)
        said = capsys.readouterr()
        assert said.out.strip(), said.err
        return json.loads(said.out)

    return run


@pytest.mark.parametrize(("command", "run"), RUNS, ids=[run.__name__.strip("_") for _, run in RUNS])
def test_what_a_command_prints_is_as_its_schema_says_and_a_new_field_would_be_noticed(command, run, printed):
    content = printed(run)

    assert faults(command, content) == []
    records = list(parts(content, BY_COMMAND[command].shape))
    assert records
    for record in records:
        record["a new field"] = "of which nobody has written anything"
        assert faults(command, content)
        del record["a new field"]
        for name in [*record]:
            kept = record.pop(name)
            assert faults(command, content) or name in optional(command)
            record[name] = kept


def parts(content, shape):
    """Every object of the document that has known fields."""
    if isinstance(content, dict) and "properties" in shape:
        yield content
        for name, inner in content.items():
            yield from parts(inner, shape["properties"][name])
    elif isinstance(content, dict):
        for inner in content.values():
            yield from parts(inner, shape["additionalProperties"])
    elif isinstance(content, list):
        for inner in content:
            yield from parts(inner, shape["items"])


def optional(command):
    """Fields of the document itself that a dry run has not."""
    shape = BY_COMMAND[command].shape
    return {*shape.get("properties", ())} - {*shape.get("required", ())}


@ON_EVERY_DOCUMENT
def test_a_schema_is_one_and_leaves_no_object_open(document):
    jsonschema_rs.meta.validate(document.schema)
    for shape in shapes(document.shape):
        assert "type" in shape
        if "object" in shape["type"]:
            assert "additionalProperties" in shape
        if "array" in shape["type"]:
            assert "items" in shape


def shapes(shape):
    yield shape
    inner = [*shape.get("properties", {}).values(), shape.get("items"), shape.get("additionalProperties")]
    for one in inner:
        if isinstance(one, dict):
            yield from shapes(one)


def test_the_page_is_made_from_the_table():
    assert PAGE.read_text() == page(), MAKE


def test_the_page_has_a_section_for_each_command_and_a_row_for_each_field():
    text = PAGE.read_text()

    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == [*BY_COMMAND]
    assert "| `services[].digest` | string |" in text
    assert "| `findings[].status` | `ok`, `warning`, `obstacle`, `skipped` |" in text
    assert "| `failed[]" not in text, "a list's items are named from the document's beginning"
    assert "| `[].failed[].task` | string |" in text


@ON_EVERY_DOCUMENT
def test_the_schema_of_a_command_can_be_asked_for(document, capsys):
    schema(Context(), document.command)

    assert json.loads(capsys.readouterr().out) == document.schema


def test_a_command_without_json_has_no_schema_to_show(capsys):
    with pytest.raises(Exit) as raised:
        schema(Context(), "swarm.init")

    assert raised.value.code == 2
    assert "choose one of quickstart, deploy" in capsys.readouterr().err


def test_a_difference_is_told_with_its_place():
    assert faults("down", {"changes": "1", "stopped": []}) == [
        'invoke down --json: changes: "1" is not of type "integer"'
    ]
    with pytest.raises(AssertionError, match="has no row in"):
        require_documented("swarm.init", {})
