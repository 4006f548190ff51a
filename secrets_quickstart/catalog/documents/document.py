"""One row of the table of documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from secrets_quickstart.catalog.documents.shape import Shape

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Document:
    """What a command prints with `--json`."""

    command: str
    shape: Shape
    note: str = ""
    """What a schema cannot say, a sentence."""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema, with its dialect and a title."""
        return {"$schema": DIALECT, "title": f"invoke {self.command} --json", **self.shape}
