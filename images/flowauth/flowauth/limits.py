"""Limits: until when a token may be valid, and how dates are written. No clock and no tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Limit:
    """What a server or a role allows. Dates are UTC without a zone."""

    latest: datetime
    minutes: int

    def expiry(self, now: datetime) -> datetime:
        """Of a token that is made now."""
        try:
            return min(self.latest, now + timedelta(minutes=self.minutes))
        except OverflowError:  # beyond the year 9999
            return self.latest

    def exceeds(self, other: Limit) -> str | None:
        """The name of the field that allows more than `other` does."""
        if self.latest > other.latest:
            return "latest_token_expiry"
        if self.minutes > other.minutes:
            return "longest_token_life_minutes"
        return None


def expiry(now: datetime, limits: Iterable[Limit]) -> datetime:
    """The earliest that any of the limits says; there must be one."""
    return min(limit.expiry(now) for limit in limits)


def written(moment: datetime) -> str:
    """As requests write dates, with six digits of fraction."""
    return moment.isoformat(timespec="microseconds") + "Z"
