"""A web server asked over HTTPS: where it is, whom to trust there, and what can go wrong on the way; not what it says.

There is no plain HTTP here: passwords and permissions go through it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secrets_quickstart.clients import tls
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flowapi import bracketed
from secrets_quickstart.errors import ServiceError

if TYPE_CHECKING:
    import httpx

WITHIN = 30.0
"""Seconds for one answer: FlowAuth lets people queue for twenty when many sign in at once."""

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and by which name it is known."""

    host: str
    port: int = HTTPS_PORT
    name: str = "localhost"
    """The name that its certificate is asked for, and that it is called by in requests."""
    trust: str | None = None
    """Certificates to trust beside public authorities, PEM; None for what this machine trusts anyway."""

    @property
    def url(self) -> str:
        """As the connection is made."""
        return f"https://{bracketed(self.host)}:{self.port}"

    @property
    def origin(self) -> str:
        """As people have it in their browsers."""
        return f"https://{self.authority}"

    @property
    def authority(self) -> str:
        port = "" if self.port == HTTPS_PORT else f":{self.port}"
        return f"{bracketed(self.name)}{port}"


def open_client(place: Place) -> httpx.Client:
    """A client that keeps cookies and connections; close it."""
    import httpx

    return httpx.Client(
        verify=ssl.create_default_context() if place.trust is None else tls.trusting(place.trust),
        timeout=WITHIN,
        trust_env=False,  # proxies of the environment are for other servers
        base_url=place.url,
        headers={"Host": place.authority},
    )


def request(client: httpx.Client, place: Place, method: str, path: str, **more: object) -> httpx.Request:
    """One whose certificate is asked for by the place's name, wherever the connection goes."""
    return client.build_request(method, path, extensions={"sni_hostname": place.name}, **more)  # type: ignore[arg-type]


@contextmanager
def translated(title: str, place: Place, fix: str) -> Iterator[None]:
    """Raises Refused when there is no TLS that we trust, ServiceError when nothing answers `title`'s requests."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise Refused(
                    f"{title}'s certificate is not trusted at {place.origin}",
                    why=cause.verify_message,
                    fix="have an authority sign it that is trusted here, or name that authority where --ca is a flag",
                ) from None
            if isinstance(cause, ssl.SSLError):
                why = cause.reason or "no TLS"
                raise ServiceError(f"there is no TLS with {title} at {place.origin}", why=why, fix=fix) from None
        why = "not in time" if isinstance(error, httpx.TimeoutException) else "no connection"
        raise ServiceError(f"{title} does not answer at {place.url}", why=why, fix=fix) from None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
