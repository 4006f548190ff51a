"""Building all local images from nothing, and how that divides.

The base gets another date, so that every byte of it is new and nothing that stands on it is in BuildKit's cache;
what was built is removed afterwards.  The package caches stay warm: how fast a mirror is says nothing about us.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import date

from tests.bench.place import machine
from tests.bench.row import Row
from tests.swarm.machine import Machine, engine

DATED = re.compile(r"^updated = .*$", re.MULTILINE)


def measure() -> Iterator[Row]:
    with machine() as here:
        settings = here.folder / "images/base/base.toml"
        another = date.fromordinal(date(2001, 1, 1).toordinal() + time.time_ns() % 7000)
        settings.write_text(DATED.sub(f"updated = {another}", settings.read_text()))
        start = time.perf_counter()
        references, spans = build(here)
        whole = time.perf_counter() - start
    for reference in references:
        engine().remove_image(reference, force=True)
    yield Row("all images from nothing", whole)
    for name, span in spans.items():
        yield Row(f"  {name}", span, yardstick="of all", against=whole)


def build(here: Machine) -> tuple[list[str], dict[str, float]]:
    """References of the images, the base last, and the seconds that each took; those on the base overlap."""
    begun: dict[str, float] = {}
    spans: dict[str, float] = {}
    references: list[str] = []
    lines: list[str] = []
    with here.start("images.build") as process:
        for raw in process.stderr or ():
            lines.append(raw.decode())
            name, _, state = lines[-1].strip().partition(": ")
            if state == "building":
                begun[name] = time.perf_counter()
            elif state.startswith("built: "):
                spans[name] = time.perf_counter() - begun[name]
                references.insert(0, state.removeprefix("built: "))
    if process.returncode:
        raise AssertionError("".join(lines))
    return references, spans
