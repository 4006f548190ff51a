"""The names and addresses a TLS certificate speaks for, as text; not how they are resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from secrets_quickstart.errors import MaterialError

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)


def complete(own: Iterable[str], extra: Iterable[str]) -> tuple[str, ...]:
    """Our own names, then the operator's, each once and in its usual spelling; raises MaterialError."""
    return tuple(dict.fromkeys((*own, *(canonical(name) for name in extra))))


def split(text: str) -> tuple[str, ...]:
    """The names in the text of a variable, which has commas between them."""
    return tuple(name for name in text.split(",") if name)


def canonical(name: str) -> str:
    """A host name in lower case, perhaps `*.` before it, or an address as its RFC writes it; raises MaterialError."""
    address = as_address(name)
    if address is not None:
        return str(address)
    plain = name.strip().lower().removesuffix(".")
    labels = plain.removeprefix("*.").split(".")
    if len(plain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise MaterialError(
            f"{name!r} cannot stand in a certificate",
            why="it is neither a host name nor an IP address",
            fix="write it as flowkit.example.org, *.example.org, 192.0.2.1 or 2001:db8::1; other scripts as xn--…",
        )
    return plain


def as_address(name: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is, if it is one that is the same on every machine: without a zone such as `%eth0`."""
    try:
        return ip_address(name.strip()) if "%" not in name else None
    except ValueError:
        return None


def missing(wanted: Iterable[str], present: Iterable[str]) -> tuple[str, ...]:
    """Those of `wanted` that no name of `present` covers; a wildcard stands for exactly one label (RFC 6125, 6.4.3)."""
    there = {name.lower() if as_address(name) is None else canonical(name) for name in present}
    return tuple(name for name in wanted if not _covered(canonical(name), there))


def _covered(name: str, there: set[str]) -> bool:
    if name in there:
        return True
    _, dot, parent = name.partition(".")
    return as_address(name) is None and bool(dot) and f"*.{parent}" in there
