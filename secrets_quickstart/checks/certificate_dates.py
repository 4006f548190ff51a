"""For how long a certificate still serves, and what to do about it when; rows, and the judgement of one certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from secrets_quickstart.checks.check import Obstacle, Ok, Outcome, Warn
from secrets_quickstart.checks.facts_custody import HeldCertificate
from secrets_quickstart.material import certificates
from secrets_quickstart.report import counted


@dataclass(frozen=True, slots=True)
class Stage:
    """From how many days before its end on a certificate is warned of, and in which words."""

    days: int
    words: str


STAGES = (
    Stage(7, "from then on nobody can connect"),
    Stage(30, "time to install the next one"),
    Stage(60, "time to order the next one"),
)
"""The most pressing first."""


def stage(days: int) -> Stage | None:
    """The stage of one that has so many days left; None for one that needs no thought yet."""
    return next((one for one in STAGES if days <= one.days), None)


def judge(item: HeldCertificate, now: datetime) -> Outcome:
    """An obstacle only where no deployment helps: it renews what is ours."""
    facts, end = item.facts, f"{item.facts.not_after:%Y-%m-%d}"
    if facts.not_before > now:
        return Obstacle(
            f"{item.name} is valid only from {facts.not_before:%Y-%m-%d}", "set this machine's clock, or import another"
        )
    if facts.not_after <= now:
        ended = f"{item.name} ended on {end}: clients refuse it"
        return Warn(ended, _way_on(item)) if item.ours else Obstacle(ended, _way_on(item))
    left = certificates.days_left(facts, now)
    at = stage(left)
    if at is None:
        return Ok(f"{item.name} until {end}")
    return Warn(f"{item.name} ends in {counted(left, 'day')}, on {end}: {at.words}", _way_on(item))


def _way_on(item: HeldCertificate) -> str:
    if not item.ours:
        return f"have it renewed, then: invoke secrets.import {item.name} FILE"
    if item.facts.is_authority:
        return "deploy: its own key signs it again, and who trusts it goes on doing so"
    return f"invoke certs.renew --name {item.name}"
