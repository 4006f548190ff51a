"""How far a stream has come, told now and then; not what flows."""

from __future__ import annotations

import time

from secrets_quickstart.report import Tell

BETWEEN = 5.0
"""Seconds between two lines."""


class Meter:
    """Called with the bytes that have come so far."""

    def __init__(self, tell: Tell, name: str, expected: int | None = None) -> None:
        """`expected` bytes make it whole, about; None when that is not known."""
        self._tell, self._name, self._expected = tell, name, expected
        self._begun = self._told = time.monotonic()
        self._bytes = 0

    def __call__(self, so_far: int) -> None:
        self._bytes = so_far
        now = time.monotonic()
        if now - self._told >= BETWEEN:
            self._told = now
            of = f" of about {amount(self._expected)}" if self._expected else ""
            self._tell({self._name: f"{amount(so_far)}{of}, {self._rate(now)}"})

    def done(self) -> None:
        self._tell({self._name: f"{amount(self._bytes)}, {self._rate(time.monotonic())}"})

    def _rate(self, now: float) -> str:
        return f"{self._bytes / 1e6 / max(now - self._begun, 0.001):.0f} MB/s"


def amount(size: int) -> str:
    """Bytes, for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
