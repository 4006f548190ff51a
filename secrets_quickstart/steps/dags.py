"""The step that puts the example DAGs where Airflow looks for DAGs, as long as nobody has put anything there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.catalog.records import EXAMPLES
from secrets_quickstart.errors import HostError
from secrets_quickstart.host import directories, files
from secrets_quickstart.host.directories import Found, Kind
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.step import Action, Plan, Unchanged

SIGN = f".examples{files.UNFINISHED}"
"""A file that is there while the examples are being written: without it, a run that is cut off would leave a folder
that is neither empty nor complete.  Airflow looks at no such name."""


@dataclass(frozen=True, slots=True)
class DagsFacts:
    """The directory of DAGs."""

    path: Path
    found: Found
    writable: bool
    unfinished: bool


@dataclass(frozen=True, slots=True)
class WriteExamples:
    """Write all examples that are not there."""

    path: Path

    def __str__(self) -> str:
        names = [name.removesuffix(".py") for name in EXAMPLES if name.startswith("load_")]
        return f"FLOWETL_HOST_DAG_DIR: write the example DAGs {', '.join(names)} to {self.path}, switched off"


class DagsStep:
    name = "dags"

    def __init__(self, settings: Settings) -> None:
        self._path: Path = settings["FLOWETL_HOST_DAG_DIR"]
        self._source = settings.folder / "pipelines"

    def look(self) -> DagsFacts:
        path = self._path
        return DagsFacts(
            path,
            directories.look(path),
            writable=os.access(path, os.W_OK | os.X_OK),
            unfinished=os.path.lexists(path / SIGN),
        )

    def plan(self, facts: DagsFacts) -> Plan:
        subject = f"FLOWETL_HOST_DAG_DIR {facts.path}"
        there = facts.found.kind is not Kind.MISSING  # the step before this one makes it
        if there and not facts.found.empty and not facts.unfinished:
            return Plan(unchanged=(Unchanged(subject, "is not empty, and is left to you"),))
        if there and not facts.writable:
            by_hand = f"invoke etl.init {shlex.quote(str(facts.path))}"
            return Plan(unchanged=(Unchanged(subject, f"is empty, and we may not write there; who may: {by_hand}"),))
        return Plan(actions=(WriteExamples(facts.path),))

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, WriteExamples):
                self._write(action.path)

    def _write(self, path: Path) -> None:
        """All of them, then the sign that some are missing goes.  A file of that name that is there stays as it is."""
        try:
            (path / SIGN).touch()
            for name in EXAMPLES:
                files.write_new(path / name, [(self._source / name).read_bytes()])
            for left in path.glob(f".*?{files.UNFINISHED}"):
                if left.name != SIGN:
                    left.unlink()
            (path / SIGN).unlink()
        except OSError as error:
            raise HostError(
                f"the example DAGs cannot be written to {path}",
                why=(error.strerror or str(error)).lower(),
                fix="make room or give the right, and run the same command again",
            ) from error

    def as_written(self) -> tuple[Path, ...]:
        """The examples in the directory that nobody has changed."""
        found = ((self._path / name, (self._source / name).read_bytes()) for name in EXAMPLES)
        return tuple(path for path, content in found if path.is_file() and path.read_bytes() == content)
