"""A web server asked over plain HTTP, as Airflow's are, behind no TLS of their own; not what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secrets_quickstart.clients.flowapi import bracketed
from secrets_quickstart.errors import ServiceError

if TYPE_CHECKING:
    import httpx

WITHIN = 30.0
"""Seconds for one answer: Airflow's first one after a start takes several."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{bracketed(self.host)}:{self.port}"


def open_client(place: Place) -> httpx.Client:
    """A client that keeps cookies and connections; close it."""
    import httpx

    # proxies of the environment are for other servers; no name's certificate is ever asked for
    return httpx.Client(verify=False, timeout=WITHIN, trust_env=False, base_url=place.url)  # noqa: S501


@contextmanager
def translated(title: str, place: Place, fix: str) -> Iterator[None]:
    """Raises ServiceError when nothing answers `title`'s requests."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = "not in time" if isinstance(error, httpx.TimeoutException) else "no connection"
        raise ServiceError(f"{title} does not answer at {place.url}", why=why, fix=fix) from None
