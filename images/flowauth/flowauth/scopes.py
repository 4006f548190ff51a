"""Scopes: what a FlowAPI's OpenAPI document says about itself. Not where the document comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowauth.fields import LONGEST_NAME, LONGEST_SCOPE
from flowauth.refusals import Refused

MOST = 20_000  # scopes of one server; FlowMachine 1.34 has 627


@dataclass(frozen=True, slots=True)
class Api:
    """A FlowAPI: the audience of its tokens, and every scope it knows."""

    name: str
    scopes: tuple[str, ...]


def read(document: Any) -> Api:
    """Raises Refused (400) when the document is not FlowAPI's."""
    try:
        scheme = document["components"]["securitySchemes"]["token"]
        name, scopes = scheme["x-audience"], scheme["x-security-scopes"]
    except (KeyError, TypeError, IndexError) as problem:
        raise Refused("This is not the specification of a FlowAPI 1.18 or later.") from problem
    if not _is_text(name, LONGEST_NAME):
        raise Refused(f"The specification's x-audience is not a name of {LONGEST_NAME} characters at most.")
    if not isinstance(scopes, list) or not scopes or len(scopes) > MOST:
        raise Refused("The specification has no list of scopes.")
    if not all(_is_text(scope, LONGEST_SCOPE) for scope in scopes):
        raise Refused(f"The specification has a scope that is not a text of {LONGEST_SCOPE} characters at most.")
    return Api(name, tuple(sorted(set(scopes))))


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
