"""Waiting for what comes by itself; no test is here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import pytest

T = TypeVar("T")


def eventually(check: Callable[[], T | None], seconds: float = 60.0) -> T:
    """The first true value of `check`; until then it may raise an HTTP error or one of the connection."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.HTTPError, OSError):
            if value := check():
                return value
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s")
        time.sleep(0.2)
