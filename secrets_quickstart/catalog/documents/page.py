"""The text of docs/json.md, made from the table; not read by anything."""

from __future__ import annotations

from collections.abc import Iterator

from secrets_quickstart.catalog.documents import DOCUMENTS
from secrets_quickstart.catalog.documents.document import Document
from secrets_quickstart.catalog.documents.shape import Shape

HEADER = """\
# What `--json` prints

One JSON document on standard output, whatever the exit status says; progress, warnings and errors go to standard error.
A command that fails before it has anything to report prints none.
`invoke schema COMMAND` prints the document's [JSON Schema](https://json-schema.org) (draft 2020-12).
A document has the fields that are here and no other.
`[]` is each item of a list, `{}` each value of an object whose keys are names.

Made from the tables in `secrets_quickstart/catalog/documents`; tests hold it to them, and the commands too."""


def page() -> str:
    """A section for each command, a row for each field."""
    return "\n\n".join([HEADER, *map(_section, DOCUMENTS)]) + "\n"


def _section(document: Document) -> str:
    lines = [f"## {document.command}", ""]
    if document.note:
        lines += [document.note, ""]
    lines += ["| field | type | what it says |", "|---|---|---|"]
    lines += [f"| `{path}` | {kind} | {says} |" for path, kind, says in _rows("", document.shape)]
    return "\n".join(lines)


def _rows(path: str, shape: Shape) -> Iterator[tuple[str, str, str]]:
    """Of the shape and all that is in it: where it is, its type, what it says."""
    if path or "properties" not in shape:
        yield path or ".", _kind(shape), shape.get("description", "").replace("|", "\\|")
    if "properties" in shape:
        for name, inner in shape["properties"].items():
            yield from _rows(f"{path}.{name}" if path else name, inner)
    elif "items" in shape and _has_parts(shape["items"]):
        yield from _inside(f"{path}[]", shape["items"])
    elif isinstance(values := shape.get("additionalProperties"), dict) and _has_parts(values):
        yield from _inside(f"{path}{{}}", values)


def _inside(path: str, shape: Shape) -> Iterator[tuple[str, str, str]]:
    """Without a row for an object of its own: its fields say it all."""
    rows = _rows(path, shape)
    if "properties" in shape and not shape.get("description"):
        next(rows)
    yield from rows


def _has_parts(shape: Shape) -> bool:
    return bool({"properties", "items", "description", "enum"} & shape.keys()) or shape.get("type") == "object"


def _kind(shape: Shape) -> str:
    if "enum" in shape:
        return ", ".join("null" if word is None else f"`{word}`" if word else '""' for word in shape["enum"])
    types = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    inner = shape.get("items", shape.get("additionalProperties"))
    if isinstance(inner, dict) and isinstance(inner["type"], str) and inner["type"] not in {"object", "array"}:
        return f"{types[0]} of {inner['type']}s"
    return " or ".join(types)
