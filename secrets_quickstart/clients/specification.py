"""What a FlowAPI's OpenAPI document says about itself: its name and its scopes; not what is made of them.

The document comes from the FlowAPI, over HTTPS, or from a file that somebody carried out from behind a firewall.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from secrets_quickstart.clients import https
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError, UsageError

PATH = "/api/0/spec/openapi.json"
LARGEST = 16 << 20
"""Bytes; FlowMachine 1.34's has a third of one megabyte."""
LONGEST_NAME, LONGEST_SCOPE, MOST = 75, 512, 20_000
"""What FlowAuth can keep: characters of a server's name and of a scope, and scopes of a server."""

FIX = f"give FlowAPI's own document: https://HOST:PORT{PATH}, or a file with what is there"


@dataclass(frozen=True, slots=True)
class Specification:
    """A FlowAPI, as far as FlowAuth has to know it."""

    name: str
    """The audience of its tokens: FLOWAPI_IDENTIFIER."""
    scopes: tuple[str, ...]
    """Sorted, each once."""


def read(document: Any, source: str) -> Specification:
    """Raises ServiceError when it is no document of FlowAPI 1.18 or later; `source` is where it came from."""
    what = f"{source} is no specification of a FlowAPI"
    try:
        scheme = document["components"]["securitySchemes"]["token"]
        name, scopes = scheme["x-audience"], scheme["x-security-scopes"]
    except (KeyError, TypeError, IndexError):
        raise ServiceError(what, why="it does not name an audience and scopes, as 1.18 and later do", fix=FIX) from None
    if not _is_line(name, LONGEST_NAME):
        raise ServiceError(what, why=f"x-audience is no name of {LONGEST_NAME} characters at most", fix=FIX)
    if not isinstance(scopes, list) or not 0 < len(scopes) <= MOST:
        raise ServiceError(what, why=f"x-security-scopes is no list of 1 to {MOST} scopes", fix=FIX)
    if not all(_is_line(scope, LONGEST_SCOPE) for scope in scopes):
        why = f"x-security-scopes has one that is no text of {LONGEST_SCOPE} characters at most"
        raise ServiceError(what, why=why, fix=FIX)
    return Specification(name, tuple(sorted(set(scopes))))


def parse(content: bytes, source: str) -> Specification:
    """From JSON or YAML.  Raises ServiceError."""
    import json

    if len(content) > LARGEST:
        raise ServiceError(f"{source} is no specification of a FlowAPI", why="it is far too large", fix=FIX)
    try:
        return read(json.loads(content), source)
    except RecursionError:
        raise ServiceError(f"{source} is no specification of a FlowAPI", why="it is nested too deep", fix=FIX) from None
    except ValueError:
        return read(_yaml(content, source), source)


def from_file(path: Path) -> Specification:
    """Raises UsageError for a file that cannot be read, ServiceError for one that is something else."""
    try:
        with path.open("rb") as file:
            return parse(file.read(LARGEST + 1), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read", why=error.strerror or str(error), fix="name another file") from None


def fetch(url: str, trust: str | None) -> Specification:
    """From a FlowAPI's address; without a path, from where FlowAPI has it.  `trust` as in `https.Place`.

    Raises UsageError for what is no address, Refused for a certificate that is not trusted, ServiceError otherwise.
    """
    place, path = address(url, trust)
    fix = "see whether it runs there, and can be reached from here"
    with https.translated("FlowAPI", place, fix), https.open_client(place) as client:
        answer = client.send(https.request(client, place, "GET", path))
    if answer.status_code != 200:
        why = f"status {answer.status_code}"
        raise ServiceError(f"FlowAPI does not give its specification at {place.origin}{path}", why=why, fix=FIX)
    return parse(answer.content, url)


def address(url: str, trust: str | None) -> tuple[Place, str]:
    """Where an address leads.  Raises UsageError."""
    fix = f"write https://HOST:PORT, such as https://flowkit.api:9090{PATH}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or https.HTTPS_PORT
    except ValueError:
        raise UsageError(f"{url} is no address", fix=fix) from None
    if not host or not host.isascii():
        raise UsageError(f"{url} is no address", why="it names no host", fix=fix)
    if parts.scheme != "https":
        why = "what it says is turned into permissions, so it has to come over https"
        raise UsageError(f"{url} is not asked", why=why, fix=f"{fix}; or copy the document into a file, and name that")
    if parts.username is not None or parts.password is not None:
        raise UsageError("the address holds a user name or password", why="FlowAPI wants none for this", fix=fix)
    query = f"?{parts.query}" if parts.query else ""
    path = PATH if parts.path in {"", "/"} else parts.path
    return Place(host, port, host, trust), f"{path}{query}"


def _yaml(content: bytes, source: str) -> Any:
    """Every value as the text that is written: `no` is a name, and dates and numbers cannot be malformed."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # ten times as fast, where libyaml is
    try:
        return yaml.load(content, Loader=loader)  # noqa: S506 -- either of them makes texts, lists and mappings only
    except (yaml.YAMLError, ValueError, RecursionError):
        why = "it is neither JSON nor YAML"
        raise ServiceError(f"{source} is no specification of a FlowAPI", why=why, fix=FIX) from None


def _is_line(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
