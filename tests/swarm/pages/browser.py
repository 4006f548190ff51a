"""A real Chromium; what is done with it is in the tests."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TooSlow

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Closed at the end."""
    with sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def visit(page: Page, path: str = "/") -> None:
    """Again if need be: Chromium drops what it loads whenever this machine gets or loses a network."""
    page.goto(path)
    for _ in range(3):
        with contextlib.suppress(TooSlow):
            page.get_by_role("heading", level=1).wait_for(timeout=5000)
            return
        page.reload()
