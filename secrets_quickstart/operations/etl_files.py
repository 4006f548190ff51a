"""Files for FlowETL: the example DAGs for an operator to start from, and made-up records for them to load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from secrets_quickstart.catalog.records import BY_NAME, EXAMPLES, TYPES
from secrets_quickstart.errors import HostError, UsageError
from secrets_quickstart.host import files
from secrets_quickstart.host.files import Outcome
from secrets_quickstart.material.sample_day import FEWEST, MOST, MOST_ROWS, Expected, SampleDay, subscribers_by_region
from secrets_quickstart.settings import Settings

CHUNK = 5000  # rows


def write_examples(source: Path, directory: Path) -> dict[str, Outcome]:
    """Write the files of `pipelines/` for an operator to edit, and make the directory if need be.  Raises HostError."""
    _make(directory)
    return {name: files.write_new(directory / name, [(source / name).read_bytes()]) for name in EXAMPLES}


@dataclass(frozen=True, slots=True)
class Sample:
    """A file of made-up records."""

    path: Path
    outcome: Outcome
    sample: SampleDay
    expected: Expected

    def document(self) -> dict[str, Any]:
        return {
            "type": self.sample.type.name,
            "file": str(self.path),
            "outcome": self.outcome.name.lower(),
            "rows": self.expected.rows,
            "checksum": self.expected.checksum,
            "subscribers_by_region": subscribers_by_region(3, self.expected),
        }


def samples(
    settings: Settings, day: str, types: Sequence[str], *, rows: int = 0, subscribers: int = 0, seed: int | None = None
) -> tuple[SampleDay, ...]:
    """What was asked for: all types if none is named, by the seed of FlowDB's sample data if none is given.

    Without `rows` each type has as many for each subscriber as its row of the table says.  Without `subscribers` there
    are those of the sample data, or as many as share `rows` in the same way if that is more.  Raises UsageError.
    """
    try:
        parsed = date.fromisoformat(day)
    except ValueError:
        raise UsageError(f"{day or 'nothing'} is no date", fix="give the day as in --date 2016-01-31") from None
    unknown = [name for name in types if name not in BY_NAME]
    if unknown:
        raise UsageError(f"there is no type {unknown[0]}", fix=f"choose among {', '.join(BY_NAME)}")
    for number, low, high, what in ((rows, 1, MOST_ROWS, "rows"), (subscribers, FEWEST, MOST, "subscribers")):
        if number and not low <= number <= high:
            raise UsageError(f"{number} {what} cannot be made up", fix=f"choose between {low} and {high}")
    chosen = [row for row in TYPES if row.name in types] if types else TYPES
    seed = settings["FLOWDB_SAMPLE_SEED"] if seed is None else seed
    made = []
    for row in chosen:
        people = subscribers or min(MOST, max(settings["FLOWDB_SAMPLE_SUBSCRIBERS"], rows // row.each))
        made.append(SampleDay(row, parsed, rows or people * row.each, people, seed))
    return tuple(made)


def write_sample(sample: SampleDay, directory: Path) -> Sample:
    """Write a day's file, in memory that does not grow with it, and make the directory if need be.

    A file that is there already and differs is an error: it may be a real one.  Raises HostError.
    """
    _make(directory)
    path = directory / sample.type.file(sample.day)
    found = Expected()
    outcome = files.write_new(path, _chunks(sample, found))
    if outcome is Outcome.OTHER:
        raise HostError(
            f"{path} was not written", why="another file is there", fix="move it away, or name another --directory"
        )
    return Sample(path, outcome, sample, found)


def _chunks(sample: SampleDay, found: Expected) -> Iterator[bytes]:
    yield f"{sample.header}\n".encode()
    lines = found.noting(iter(sample))
    while chunk := "\n".join(islice(lines, CHUNK)):
        yield f"{chunk}\n".encode()


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(
            f"{directory} cannot be made", why=(error.strerror or str(error)).lower(), fix="choose another place"
        ) from error
