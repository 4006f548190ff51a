"""Made-up records of one day, row by row and in memory, and what is to be found once they are loaded; no files.

The country, its cells and the hashes of its subscribers are those of FlowDB's sample data
(images/flowdb/sample_data.sql), so that the rows can be counted by region there.  Where people live is decided here,
in the same proportions.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from random import Random

from secrets_quickstart.catalog.records import TYPES, RecordType

FEWEST, MOST = 400, 100_000
"""Subscribers: fewer would leave regions in which FlowMachine redacts everything, more would not fit into memory."""
MOST_ROWS = 1_000_000_000
"""Some microseconds for each, so that no two are at the same time."""

PERCENT = (7, 9, 8, 7, 10, 8, 8, 7, 11, 8, 9, 8)
"""Of the subscribers, in each region (admin3)."""
SEATS = tuple(region for region, percent in enumerate(PERCENT) for _ in range(percent))
CELLS = tuple(f"S{site:03}C{sector}" for site in range(1, 37) for sector in range(1, 4))
"""Nine in each region, three at a site."""
DAY = 86_400_000_000  # µs

Row = tuple[str, int, int, int]
"""The line of the CSV file; whose it is, by number; the region of its cell; its time, in µs of the day."""


@dataclass(frozen=True, slots=True)
class SampleDay:
    """One type's records of one day: the same five give the same rows."""

    type: RecordType
    day: date
    rows: int
    subscribers: int
    seed: int

    @property
    def header(self) -> str:
        return ",".join(self.type.columns)

    def __iter__(self) -> Iterator[Row]:
        """The rows, by time.  One call or message has two, but for the last one if their number is odd.

        No two events of a day are at the same time, of whatever type: which of somebody's is the last is never left
        to chance.
        """
        people = _People(self.subscribers, self.seed)
        chance = Random(f"{self.seed}/{self.type.name}/{self.day}").random  # noqa: S311  # nobody is to be kept from guessing it
        return islice(_ROWS[self.type.name](self, people, chance), self.rows)

    def times(self, events: int, chance: Callable[[], float]) -> Iterator[tuple[int, str, int]]:
        """Number, text and µs of events that are spread over the day."""
        slot, mark = DAY / events, TYPES.index(self.type)
        midnight = datetime.combine(self.day, datetime.min.time())
        second, text = -1, ""
        for number in range(events):
            at = int((number + chance() / 2) * slot) // len(TYPES) * len(TYPES) + mark
            if at // 1_000_000 != second:
                second = at // 1_000_000
                text = str(midnight + timedelta(seconds=second))
            yield number, f"{text}.{at % 1_000_000:06}+00", at


class _People:
    """What is the same of each subscriber at all times."""

    def __init__(self, number: int, seed: int) -> None:
        everybody = range(number)
        self.number = number
        self.msisdns = [hashlib.sha256(f"msisdn/{seed}/{n}".encode()).hexdigest() for n in everybody]
        self.tacs = [35_000_000 + 1001 * (n % 20) for n in everybody]
        self.homes = [SEATS[n * 37 % 100] for n in everybody]  # 37: neighbours in number live apart
        # two in five work in one of the next three regions
        self.works = [(self.homes[n] + (1 + n % 3 if n // 100 % 5 < 2 else 0)) % 12 for n in everybody]

    def of_time(self, at: int, *, weekend: bool) -> list[int]:
        """The region of each: at work from 8 to 18."""
        return self.works if not weekend and 8 <= at // 3_600_000_000 < 18 else self.homes


def _two_parties(sample: SampleDay, people: _People, chance: Callable[[], float]) -> Iterator[Row]:
    """Rows of calls and messages: somebody and one of eight friends."""
    calls = sample.type.name == "calls"
    prefix = f"{sample.type.name}-{sample.day:%Y%m%d}-"
    weekend = sample.day.isoweekday() > 5
    number, msisdns, tacs = people.number, people.msisdns, people.tacs
    for event, time, at in sample.times((sample.rows + 1) // 2, chance):
        one = int(chance() * number)
        other = (one + 1 + 7 * int(chance() * 8)) % number
        lasted = f"{10 + int(chance() * chance() * 600)}," if calls else ""
        regions = people.of_time(at, weekend=weekend)
        for outgoing, who, whom in (("true", one, other), ("false", other, one)):
            region = regions[who]
            cell = CELLS[region * 9 + who % 3 * 3 + int(chance() * 3)]
            yield (
                f"{prefix}{event},{time},{outgoing},{msisdns[who]},{msisdns[whom]},{lasted}{cell},{tacs[who]}",
                who,
                region,
                at,
            )


def _one_party(sample: SampleDay, people: _People, chance: Callable[[], float]) -> Iterator[Row]:
    """Rows of data sessions and top-ups."""
    sessions = sample.type.name == "mds"
    prefix = f"{sample.type.name}-{sample.day:%Y%m%d}-"
    weekend = sample.day.isoweekday() > 5
    for event, time, at in sample.times(sample.rows, chance):
        who = int(chance() * people.number)
        region = people.of_time(at, weekend=weekend)[who]
        cell = CELLS[region * 9 + who % 3 * 3 + int(chance() * 3)]
        if sessions:
            what = f"{30 + int(chance() * 1800)},{int(chance() * 2000)},{int(chance() * 20000)}"
        else:
            amount, before = 10 * (1 + int(chance() * 10)), int(chance() * 20)
            what = f"voucher,{amount},0,{amount // 10},{before},{before + amount - amount // 10}"
        yield f"{prefix}{event},{time},{people.msisdns[who]},{what},{cell},{people.tacs[who]}", who, region, at


_ROWS = {"calls": _two_parties, "sms": _two_parties, "mds": _one_party, "topups": _one_party}


@dataclass(slots=True)
class Expected:
    """What FlowDB has to say of a day when all of its rows are there."""

    rows: int = 0
    checksum: int = 0
    """Of all lines, in whatever order: that of `checksum_sql`."""
    last: dict[int, tuple[int, int]] = field(default_factory=dict)
    """The time of each subscriber's last event, and its region."""

    def noting(self, rows: Iterator[Row]) -> Iterator[str]:
        """The lines of the rows; what is to be expected of them is known when all have been taken."""
        md5, last = hashlib.md5, self.last
        for line, who, region, at in rows:
            self.rows += 1
            self.checksum += int.from_bytes(md5(line.encode(), usedforsecurity=False).digest()[:4])
            last[who] = (at, region)
            yield line


def expected(sample: SampleDay) -> Expected:
    """What is to be found of a day, without a file of it."""
    found = Expected()
    for _ in found.noting(iter(sample)):
        pass
    return found


def checksum_sql(kind: RecordType, day: date) -> str:
    """The number and the checksum of the rows that FlowDB has of a day, as SQL with one row of two numbers."""
    line = f"concat_ws(',', {', '.join(kind.loaded)})"
    return f"""
        SELECT count(*), coalesce(sum(('x' || left(md5({line}), 8))::bit(32)::bigint), 0)::bigint
        FROM events.{kind.name}
        WHERE datetime >= '{day} 00:00+00' AND datetime < '{day + timedelta(days=1)} 00:00+00'
    """  # noqa: S608  # of a table of ours and a date


def subscribers_by_region(level: int, *days: Expected) -> dict[str, int]:
    """How many subscribers were last seen in each area of the level (0 to 3) on a day, by its code.

    Of several types of one day it is the last event of any; FlowMachine's daily location "last" is that of calls and
    messages.  It does not tell of areas with 15 subscribers or fewer.
    """
    last: dict[int, tuple[int, int]] = {}
    for found in days:
        for who, seen in found.last.items():
            last[who] = max(last.get(who, seen), seen)
    return dict(sorted(Counter(code(region, level) for _, region in last.values()).items()))


def code(region: int, level: int) -> str:
    """The code of the area of a level that a region lies in."""
    return ".".join(["SAV", str(region // 4 + 1), str(region // 2 % 2 + 1), str(region % 2 + 1)][: level + 1])
