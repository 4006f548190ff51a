"""A deployment at a glance: services, certificates, data on disk, FlowMachine's cache, days loaded; changes nothing.

All of it is asked side by side, and nothing is waited for longer than `WITHIN`: what cannot be said is unknown, with
the reason.  Whether the services answer as they should is `verify`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from secrets_quickstart.checks import verification_places
from secrets_quickstart.checks.facts_custody import opened
from secrets_quickstart.checks.facts_storage import MOUNTED
from secrets_quickstart.checks.verification_flowdb import OWNER
from secrets_quickstart.checks.verification_world import Unasked
from secrets_quickstart.clients.flowdb import FlowdbClient
from secrets_quickstart.errors import HostError, QuickstartError, VaultError
from secrets_quickstart.host import disk
from secrets_quickstart.operations import certificates, etl_days, status
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import services, volumes
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault

WITHIN = 5.0
"""Seconds for all of it."""
MEASURED_WITHIN = 2.0
"""Seconds for the files of one place: FlowDB's are few and large, Airflow's logs may be many."""

# What is in the schema is what takes the room, whether FlowMachine remembers it or not.
CACHE = """
SELECT
    (SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
     WHERE relnamespace = 'cache'::regnamespace AND relkind = 'r' AND relname ~ '^x[0-9a-f]{32}$'),
    (SELECT count(*) FROM cache.cached),
    cache_max_size(),
    pg_database_size(current_database())
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stack keeps something on this machine; sizes are in bytes."""

    name: str
    """The variable that names the directory, or the Docker volume."""
    path: str
    bytes: int | None
    """None when it could not be measured."""
    free: int | None
    """What is left on its file system."""
    total: int | None
    unknown: str
    """Why it could not be measured; "" if it was."""


@dataclass(frozen=True, slots=True)
class Cache:
    """FlowMachine's results in FlowDB, and FlowDB itself; sizes are in bytes."""

    bytes: int
    limit: int
    """Above which the cache cleaner drops results."""
    results: int
    database_bytes: int
    """All of FlowDB, the cache too."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The days of one type of records that queries see."""

    type: str
    days: int
    first: date
    last: date

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "first": self.first.isoformat(), "last": self.last.isoformat()}


@dataclass(frozen=True, slots=True)
class Overview:
    """What could be found out; `unknown` has the reason for each part that is not here, by its name."""

    services: Sequence[status.Row]
    certificates: Sequence[certificates.Row]
    places: Sequence[Place]
    cache: Cache | None
    days: Sequence[Loaded]
    unknown: Mapping[str, str]
    failure: QuickstartError | None
    """Why the services are unknown, and what to do about it."""

    def document(self, stack: str) -> dict[str, Any]:
        return {
            "stack": stack,
            "services": [row.document() for row in self.services],
            "certificates": [row.document() for row in self.certificates],
            "places": [asdict(place) for place in self.places],
            "cache": None if self.cache is None else asdict(self.cache),
            "days": [row.document() for row in self.days],
            "unknown": dict(self.unknown),
        }


class _Question(Generic[T]):
    """Something asked in a thread of its own, which nobody waits for when its time is over."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self.answer: T | None = None
        self.why = "no answer came in time"
        """Why there is no answer; "" if there is one."""
        self.problem: QuickstartError | None = None
        """The same, with what to do about it, where it is a failure that was foreseen."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answer = self._ask()
            self.why = ""
        except QuickstartError as problem:
            self.why, self.problem = str(problem), problem
        except Unasked as reason:
            self.why = str(reason)
        except Exception as defect:  # its message may hold anything, a password too
            self.why = f"the question broke off ({type(defect).__name__})"

    def wait(self, until: float) -> Self:
        self._thread.join(max(0.0, until - time.monotonic()))
        return self


def look(settings: Settings) -> Overview:
    """What can be seen now.  Raises nothing."""
    until = time.monotonic() + WITHIN
    engine, vault = Engine(settings.base_environment), opened(settings)
    stack = _Question(lambda: status.look(settings, engine))
    held = _Question(lambda: _certificates(settings, vault))
    directories = _Question(lambda: _directories(settings, engine))
    kept = _Question(lambda: _volumes(settings, engine))
    cache = _Question(lambda: _cache(_flowdb(settings, engine, vault)))
    days = _Question(lambda: loaded(etl_days.records(_flowdb(settings, engine, vault))))
    questions: dict[str, _Question[Any]] = {
        "services": stack, "certificates": held, "directories": directories, "volumes": kept, "cache": cache,
        "days": days, "other_nodes": _Question(lambda: _other_nodes(engine)),
    }  # fmt: skip
    for question in questions.values():
        question.wait(until)
    return Overview(
        services=stack.answer or (),
        certificates=held.answer or (),
        places=(*(directories.answer or ()), *(kept.answer or ())),
        cache=cache.answer,
        days=days.answer or (),
        unknown={name: question.why for name, question in questions.items() if question.why},
        failure=stack.problem,
    )


def _certificates(settings: Settings, vault: Vault | VaultError | None) -> list[certificates.Row]:
    if isinstance(vault, VaultError):
        raise vault
    return [] if vault is None else certificates.look(settings, vault)


def _flowdb(settings: Settings, engine: Engine, vault: Vault | VaultError | None) -> FlowdbClient:
    """FlowDB, asked as its owner.  Raises ServiceError and Unasked when it cannot be asked."""
    if isinstance(vault, VaultError):
        raise vault
    if vault is None:
        raise Unasked("there is no vault that holds its password")
    world = verification_places.world(settings, engine, vault)
    return world.flowdb(OWNER.name(world), world.needed(OWNER.password))


def _cache(flowdb: FlowdbClient) -> Cache:
    [(size, results, limit, whole)] = flowdb.query(CACHE, within=WITHIN)
    return Cache(bytes=size, limit=limit, results=results, database_bytes=whole)


def loaded(records: Iterable[etl_days.Record]) -> list[Loaded]:
    """One row for each type of which queries see a day, by name."""
    days: dict[str, list[date]] = {}
    for record in records:
        if record.is_loaded:
            days.setdefault(record.type, []).append(record.day)
    return [Loaded(name, len(some), min(some), max(some)) for name, some in sorted(days.items())]


def _directories(settings: Settings, engine: Engine) -> list[Place]:
    """Those that the settings name and that are there."""
    _require_here(engine)
    chosen = {variable: settings[variable] for _, variable, _ in MOUNTED}
    return _measured({name: path for name, path in chosen.items() if path is not None and os.path.lexists(path)})


def _volumes(settings: Settings, engine: Engine) -> list[Place]:
    """Those of this node."""
    _require_here(engine)
    return _measured(volumes.on_disk(engine, settings.stack))


def _require_here(engine: Engine) -> None:
    if not engine.host.startswith("unix:"):
        raise Unasked("the engine is on another machine, and so are its disks")


def _other_nodes(engine: Engine) -> None:
    """Raises Unasked where there are any."""
    own = engine.membership().node_id
    if names := sorted(node.name for node in services.nodes(engine) if node.id != own):
        raise Unasked(f"only this node's disks can be measured: run this on {', '.join(names)} too")


def _measured(places: Mapping[str, Path]) -> list[Place]:
    """Side by side: most of the time a disk is waited for, and one that never answers holds up nobody else."""
    questions = {name: _Question(partial(_place, name, path)) for name, path in places.items()}
    until = time.monotonic() + MEASURED_WITHIN + 1
    asked = {name: question.wait(until) for name, question in questions.items()}
    return [
        question.answer or Place(name, str(places[name]), None, None, None, question.why)
        for name, question in asked.items()
    ]


def _place(name: str, path: Path) -> Place:
    size: int | None = None
    room: disk.Room | None = None
    unknown = ""
    try:
        room = disk.room(path)
        size = disk.size(path, MEASURED_WITHIN)
    except HostError as problem:
        unknown = str(problem)
    return Place(name, str(path), size, room.free if room else None, room.total if room else None, unknown)
