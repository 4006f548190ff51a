"""What FlowAuth keeps and hands out, as values: users, servers, roles, limits, two-factor secrets; not how it is asked.

FlowAuth's numbers for them stay inside its client: here everything goes by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

WRITTEN = "%Y-%m-%dT%H:%M:%S.%fZ"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """Until when the tokens of a server or a role may be valid."""

    longest_life: timedelta
    """Of one token; whole minutes."""
    latest_expiry: datetime
    """After which there is none any more."""

    def within(self, other: Limits) -> Limits:
        """These, but no more than `other` allows."""
        life = min(self.longest_life, other.longest_life)
        return replace(self, longest_life=life, latest_expiry=min(self.latest_expiry, other.latest_expiry))

    def expiry(self, now: datetime) -> datetime:
        """Of a token that is made now."""
        return min(self.latest_expiry, now + self.longest_life)

    def fields(self) -> dict[str, Any]:
        """As FlowAuth's requests have them."""
        return {
            "latest_token_expiry": self.latest_expiry.astimezone(UTC).strftime(WRITTEN),
            "longest_token_life_minutes": self.longest_life // MINUTE,
        }

    def __str__(self) -> str:
        return f"tokens live {span(self.longest_life)} at most, none beyond {self.latest_expiry:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Server:
    """A FlowAPI that FlowAuth makes tokens for."""

    name: str
    limits: Limits
    scopes: Mapping[str, bool]
    """False for one that an admin has switched off: it is in no token."""


@dataclass(frozen=True, slots=True)
class Role:
    """Which of a server's scopes some users have."""

    server: str
    name: str
    limits: Limits
    scopes: frozenset[str]
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in."""

    name: str
    is_admin: bool
    has_two_factor: bool
    must_have_two_factor: bool


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What FlowAuth says of whoever has just signed in."""

    is_admin: bool
    must_set_up_two_factor: bool


@dataclass(frozen=True, slots=True)
class TwoFactorOffer:
    """A two-factor secret that FlowAuth offers; nothing is stored until it is confirmed with a code."""

    secret: Sensitive
    """Base32, as authenticator apps take it."""
    backup_codes: Sequence[Sensitive]
    signed_secret: Sensitive
    signed_backup_codes: Sensitive

    def code(self, at: datetime) -> str:
        return two_factor_code(self.secret, at)


def two_factor_code(secret: Sensitive, at: datetime) -> str:
    """What an authenticator app shows at that time (RFC 6238: six digits, thirty seconds, SHA-1)."""
    import base64

    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    key = base64.b32decode(secret.reveal())
    sha1 = SHA1()  # noqa: S303 -- the standard's own, and what every app has
    return TOTP(key, 6, sha1, 30, enforce_key_length=False).generate(int(at.timestamp())).decode()


def moment(text: object) -> datetime:
    """A date as FlowAuth writes it: RFC 3339 for roles, and as in HTTP for servers.  Raises ServiceError."""
    from email.utils import parsedate_to_datetime

    try:
        if not isinstance(text, str):
            raise TypeError  # noqa: TRY301  one way out for all that is no date
        found = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
    except (TypeError, ValueError):
        raise ServiceError("FlowAuth gives a date that is none", why=repr(text)[:60], fix="see its release") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def limits(reply: Mapping[str, Any]) -> Limits:
    life = timedelta(minutes=int(reply["longest_token_life_minutes"]))
    return Limits(life, moment(reply["latest_token_expiry"]))


def span(life: timedelta) -> str:
    """Such as 7d, 12h or 30m: the largest unit that loses nothing."""
    minutes = life // MINUTE
    for unit, name in ((1440, "d"), (60, "h")):
        if minutes and minutes % unit == 0:
            return f"{minutes // unit}{name}"
    return f"{minutes}m"
