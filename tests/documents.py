"""What commands print with `--json`, held to its schema; no test is here."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema_rs

from secrets_quickstart.catalog.documents import BY_COMMAND


@functools.cache
def _validator(command: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(BY_COMMAND[command].schema)


def faults(command: str, content: Any) -> list[str]:
    """Where the document differs from the command's schema, and how."""
    document = json.loads(json.dumps(content, default=str))
    return [
        f"invoke {command} --json: {'.'.join(map(str, error.instance_path)) or 'the document'}: {error.message}"
        for error in _validator(command).iter_errors(document)
    ]


def require_documented(command: str, content: Any) -> None:
    """Raises AssertionError; for a command without a schema too."""
    if command not in BY_COMMAND:
        raise AssertionError(f"invoke {command} --json has no row in secrets_quickstart/catalog/documents")
    if found := faults(command, content):
        raise AssertionError("\n".join(found))
