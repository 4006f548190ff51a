"""FlowAPI, asked over HTTP; not as an analyst asks it (that is `analyst`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secrets_quickstart.clients import tls
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

WITHIN = 30.0
"""Seconds: the specification is made from FlowMachine's answer."""

LOG_FIX = "see its log: invoke logs flowapi"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a FlowAPI is, and how it is spoken to."""

    host: str
    port: int
    name: str = "localhost"
    """The name that its certificate is asked for."""
    trust: str | None = None
    """Certificates to trust, PEM; None for a FlowAPI without TLS."""

    @property
    def url(self) -> str:
        return f"{'http' if self.trust is None else 'https'}://{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    media_type: str
    body: bytes

    def json(self) -> Any:
        """Raises ServiceError when it is none."""
        import json

        try:
            return json.loads(self.body)
        except ValueError:
            raise ServiceError("FlowAPI's answer is no JSON", why=f"status {self.status}", fix=LOG_FIX) from None

    def reason(self) -> str:
        """FlowAPI's own words about a refusal, or what stands in their place."""
        try:
            return str(self.json()["msg"])
        except (ServiceError, KeyError, TypeError):
            return "it gives no reason"

    def text(self) -> str:
        return self.body.decode(errors="replace")


class FlowapiClient:
    """One FlowAPI, asked with one token or none."""

    def __init__(self, place: Place, token: Sensitive | None = None) -> None:
        self.place = place
        self._token = token

    def get(self, path: str) -> Reply:
        return self._request("GET", path, None)

    def post(self, path: str, document: Mapping[str, Any]) -> Reply:
        return self._request("POST", path, document)

    def _request(self, method: str, path: str, document: Mapping[str, Any] | None) -> Reply:
        """Raises Refused when there is no TLS that we trust, ServiceError when nothing answers."""
        import ssl

        import httpx

        # proxies and certificates of the environment are for other servers
        verify = tls.trusting(self.place.trust) if self.place.trust is not None else False
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token.text()}"}
        try:
            with httpx.Client(verify=verify, timeout=WITHIN, trust_env=False, base_url=self.place.url) as client:
                answer = client.request(
                    method, path, json=document, headers=headers, extensions={"sni_hostname": self.place.name}
                )
                return Reply(answer.status_code, answer.headers.get("content-type", ""), answer.content)
        except httpx.HTTPError as error:
            for cause in _causes(error):
                if isinstance(cause, ssl.SSLCertVerificationError):
                    raise Refused(
                        "FlowAPI's certificate is not trusted", why=cause.verify_message, fix=tls.FIX
                    ) from None
            why = "not in time" if isinstance(error, httpx.TimeoutException) else "no connection"
            raise ServiceError(f"FlowAPI does not answer at {self.place.url}", why=why, fix=LOG_FIX) from None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def bracketed(host: str) -> str:
    """As a host is written in a URL."""
    return f"[{host}]" if ":" in host else host
