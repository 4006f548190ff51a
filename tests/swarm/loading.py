"""A day of made-up calls on its way into FlowDB, and what is in its file; no test is here."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

CELLS_OF_A_REGION = 9
"""Of the made-up country: three sectors at each of three sites, numbered from region to region."""


def hasten(options: Path) -> None:
    """Have the example DAGs look for files every second, and wait two for one to be complete, as an operator might."""
    text = options.read_text()
    for name, value in (("LOOK_EVERY", 1), ("QUIET_FOR", 2)):
        text, found = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        if found != 1:
            raise AssertionError(f"{options} says nothing of {name}")
    options.write_text(text)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file of calls holds, counted from its text alone."""

    rows: int
    checksum: int
    """The sum of the first four bytes of each line's MD5, so that the order does not matter."""
    subscribers: dict[str, int]
    """By admin3 code: who was seen there last, where they are more than the 15 that FlowMachine tells of."""


def contents(path: Path) -> Contents:
    header, *lines = path.read_text().splitlines()
    digests = (hashlib.md5(line.encode(), usedforsecurity=False).digest()[:4] for line in lines)
    last: dict[str, tuple[str, str]] = {}
    for row in csv.DictReader(lines, fieldnames=header.split(",")):
        last[row["msisdn"]] = max(last.get(row["msisdn"], ("", "")), (row["event_time"], row["cell_id"]))
    found = Counter(_admin3(cell) for _, cell in last.values())
    return Contents(
        len(lines), sum(map(int.from_bytes, digests)), {code: count for code, count in found.items() if count > 15}
    )


def _admin3(cell: str) -> str:
    """Of S001C1 and so on."""
    site, sector = int(cell[1:4]) - 1, int(cell[5]) - 1
    region = (3 * site + sector) // CELLS_OF_A_REGION
    return f"SAV.{region // 4 + 1}.{region // 2 % 2 + 1}.{region % 2 + 1}"
