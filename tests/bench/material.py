"""All secret values of the whole system, against the two RSA keys that the predecessor makes one after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.material.generation import Choices, generate
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from tests.bench.place import seconds
from tests.bench.row import Row, alternating

TIMES = 15
PREDECESSOR = "openssl genrsa -out /dev/null 4096"


def measure() -> Iterator[Row]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        choices = Choices(variables=load(folder, {}).texts())
        twice = ["sh", "-c", f"{PREDECESSOR} && {PREDECESSOR}"]
        every_row(choices)  # the library is loaded long before it is asked for keys
        value, against = alternating(
            partial(every_row, choices), partial(seconds, twice, cwd=folder, env=dict(os.environ)), TIMES
        )
    yield Row(
        f"all {len(SECRETS)} secret values",
        value,
        yardstick="openssl genrsa 4096, twice",
        against=against,
        most_ratio=0.4,
    )


def every_row(choices: Choices) -> float:
    """Seconds for a value of each row of the table, in its order, as the step makes them."""
    start = time.perf_counter()
    values: dict[str, Sensitive] = {}
    for row in SECRETS:
        values[row.name] = generate(row, values, choices)
    return time.perf_counter() - start
