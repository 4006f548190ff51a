"""The step that sees to the directories of this machine which services are given."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from secrets_quickstart.catalog.variables import COMPONENT_OF
from secrets_quickstart.errors import HostError
from secrets_quickstart.host import directories
from secrets_quickstart.host.directories import Adjust, Directory, Found, Make, Right, Wrong
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.step import Action, Plan, Unchanged

POSTGRES = (999, 999)
"""Uid and gid of postgres in both FlowDB images, as the stack file has them."""
AIRFLOW = (50000, 0)
"""Uid and gid of FlowETL's images, likewise."""


@dataclass(frozen=True, slots=True)
class Row:
    """A variable that holds a directory."""

    variable: str
    user: str
    group: str
    """The variables with the uid and gid of the service."""
    unset: tuple[int, int]
    """The ones it has when those are not set."""
    mode: int
    owned: bool
    service: str
    database: bool = False


_FLOWDB_USER = ("FLOWDB_HOST_USER_ID", "FLOWDB_HOST_GROUP_ID", POSTGRES)
_AIRFLOW_USER = ("FLOWETL_HOST_USER_ID", "FLOWETL_HOST_GROUP_ID", AIRFLOW)

ROWS = (
    Row("FLOWDB_DATA_DIR", *_FLOWDB_USER, 0o700, owned=True, service="FlowDB", database=True),
    Row("FLOWDB_ETL_DIR", *_FLOWDB_USER, 0o755, owned=False, service="FlowDB"),
    Row("FLOWETL_HOST_DAG_DIR", *_AIRFLOW_USER, 0o755, owned=False, service="Airflow"),
    # logs are to be read, and removed, by whoever looks after the machine
    Row("FLOWETL_HOST_LOG_DIR", *_AIRFLOW_USER, 0o775, owned=True, service="Airflow"),
)


@dataclass(frozen=True, slots=True)
class DirectoriesFacts:
    found: tuple[tuple[Directory, Found], ...]
    me: int
    """The uid that we run as."""


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    directory: Directory

    def __str__(self) -> str:
        return f"{self.directory.variable}: make {self.directory.path} ({_state(self.directory)})"


@dataclass(frozen=True, slots=True)
class AdjustDirectory:
    """An empty directory gets its owner and mode."""

    directory: Directory

    def __str__(self) -> str:
        return f"{self.directory.variable}: give {self.directory.path} its owner and mode ({_state(self.directory)})"


def _state(directory: Directory) -> str:
    owner = f"owner {directory.uid}:{directory.gid}, " if directory.owned else ""
    return f"{owner}mode {directory.mode:04o}"


class DirectoriesStep:
    name = "directories"

    def __init__(self, settings: Settings, components: Collection[str]) -> None:
        self._settings = settings
        self._components = components

    def wanted(self) -> tuple[Directory, ...]:
        """What should be there, by the settings alone."""
        rows = (row for row in ROWS if COMPONENT_OF[row.variable] in self._components)
        return tuple(self._directory(row) for row in rows if self._settings[row.variable] is not None)

    def _directory(self, row: Row) -> Directory:
        numbers = [self._settings[name] for name in (row.user, row.group)]
        uid, gid = (unset if number is None else number for number, unset in zip(numbers, row.unset, strict=True))
        return Directory(
            row.variable,
            self._settings[row.variable],
            uid,
            gid,
            row.mode,
            row.owned,
            self._settings.folder / ".flowkit",
            row.service,
            row.database,
        )

    def look(self) -> DirectoriesFacts:
        return DirectoriesFacts(
            tuple((directory, directories.look(directory.path)) for directory in self.wanted()), os.geteuid()
        )

    def plan(self, facts: DirectoriesFacts) -> Plan:
        """Raises HostError that names every directory with which a person has to do something."""
        actions: list[Action] = []
        unchanged: list[Unchanged] = []
        wrong: list[tuple[Directory, Wrong]] = []
        for directory, found in facts.found:
            match directories.judge(directory, found, facts.me):
                case Right():
                    unchanged.append(Unchanged(f"{directory.variable} {directory.path}", "is as it should be"))
                case Make():
                    actions.append(MakeDirectory(directory))
                case Adjust():
                    actions.append(AdjustDirectory(directory))
                case Wrong() as verdict:
                    wrong.append((directory, verdict))
        if wrong:
            raise HostError(
                "a directory is not fit for its service",
                why="; ".join(f"{directory.variable} {directory.path}: {verdict.why}" for directory, verdict in wrong),
                fix="; ".join(verdict.fix for _, verdict in wrong),
            )
        return Plan(tuple(actions), tuple(unchanged))

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case MakeDirectory(directory):
                    directories.make(directory)
                case AdjustDirectory(directory):
                    directories.adjust(directory)
