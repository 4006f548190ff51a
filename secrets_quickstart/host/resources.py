"""What this machine has, and what FlowDB is to make of it beside the other services; how FlowDB is told is in
`steps.sizing`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.catalog.memory import NEEDS
from secrets_quickstart.catalog.variables import BY_NAME
from secrets_quickstart.catalog.variables.quantities import GB, MB, size_text
from secrets_quickstart.settings import Settings

MAX_CONNECTIONS = 200
"""In both FlowDB images."""

OTHER_BACKENDS = 3 + 1 + 10
"""PostgreSQL also counts autovacuum's workers and launcher, and WAL senders (ten unless configured)."""

LOCK_BYTES = 410
"""Shared memory for one lock of one backend, at most; seen with `postgres -C shared_memory_size` on PostgreSQL 15:
388 to 406 with 202 to 267 backends and 512 to 36500 locks each."""

DOCUMENTED_LOCK_BYTES = 152 + 16
"""sizeof(LOCK) + sizeof(LOCKTAG) on 64 bits: FlowKit's documentation leaves out that each lock has two holders' entries
(80 bytes each with their hash links), the hash tables themselves, and a tenth for safety."""

ALL_LOCKS = 36500
"""FlowKit's default: 365 days of 5 tables with 4 parts, in 5 kinds of record."""

LOCK_STEPS = (512, 1024, 2048, 4096, 8192, 16384, ALL_LOCKS)
FIXED_SHARED = 24 * MB  # the most that was seen
LARGE_MACHINE = 64 * 10**9  # where FlowDB's own configurator stops at 16 GB
LARGEST_BUFFERS = 16 * GB
STEPS = ((2 * GB, GB // 4), (16 * GB, GB), (32 * GB, 2 * GB), (128 * GB, 4 * GB))
SHM_STEP = 256 * MB
SMALLEST_SHM = GB


@dataclass(frozen=True, slots=True)
class Resources:
    """Bytes and CPUs of this machine, or of the control group that we are in where that has less."""

    memory: int
    available: int
    cpus: int


@dataclass(frozen=True, slots=True)
class SizingRow:
    """One decision, for people."""

    name: str
    """The variable."""
    value: str
    reason: str
    given: bool
    """True when the operator decided."""


@dataclass(frozen=True, slots=True)
class FlowdbSizing:
    """How much of a machine FlowDB takes; sizes in bytes."""

    memory: int
    """Of the machine, as the plan sees it: rounded so that it is the same after every boot."""
    shared_buffers: int
    effective_cache_size: int
    max_cpus: int
    max_workers: int
    max_workers_per_gather: int
    max_locks_per_transaction: int
    shm_size: int
    memory_limit: int
    given: frozenset[str]
    beside: int = 0
    """What other services take on this machine when they are idle."""

    @property
    def room(self) -> int:
        """What is left to everything else when FlowDB takes all that it may."""
        return max(0, self.memory - self.memory_limit)

    @property
    def backends(self) -> int:
        return MAX_CONNECTIONS + OTHER_BACKENDS + self.max_cpus

    @property
    def lock_memory(self) -> int:
        """What PostgreSQL really reserves for locks."""
        return self.max_locks_per_transaction * self.backends * LOCK_BYTES

    @property
    def documented_lock_memory(self) -> int:
        """MAX_LOCKS * (max_connections + max_prepared_transactions) * (sizeof(LOCK) + sizeof(LOCKTAG))."""
        return self.max_locks_per_transaction * MAX_CONNECTIONS * DOCUMENTED_LOCK_BYTES

    @property
    def shared_memory(self) -> int:
        """What PostgreSQL reserves at start: buffers, a fortieth of them for their descriptors, locks, the rest."""
        return self.shared_buffers + self.shared_buffers // 40 + self.lock_memory + FIXED_SHARED

    @property
    def values(self) -> dict[str, int]:
        """The values by variable."""
        return {
            "SHARED_BUFFERS_SIZE": self.shared_buffers,
            "EFFECTIVE_CACHE_SIZE": self.effective_cache_size,
            "MAX_CPUS": self.max_cpus,
            "MAX_WORKERS": self.max_workers,
            "MAX_WORKERS_PER_GATHER": self.max_workers_per_gather,
            "MAX_LOCKS_PER_TRANSACTION": self.max_locks_per_transaction,
            "FLOWDB_SHM_SIZE": self.shm_size,
            "FLOWDB_MEMORY_LIMIT": self.memory_limit,
        }

    def environment(self) -> dict[str, str]:
        """The same as texts, as the stack file wants them."""
        return {name: str(BY_NAME[name].kind.text(value)) for name, value in self.values.items()}

    def rows(self) -> tuple[SizingRow, ...]:
        """The same with reasons."""
        reasons = {
            "SHARED_BUFFERS_SIZE": "a quarter of the memory, as FlowDB itself would decide, and 16GB on large machines",
            "EFFECTIVE_CACHE_SIZE": "three quarters of the memory, if FlowDB may have as much",
            "MAX_CPUS": "all CPUs but one",
            "MAX_WORKERS": "half of MAX_CPUS, rounded up",
            "MAX_WORKERS_PER_GATHER": "half of MAX_CPUS, rounded up",
            "MAX_LOCKS_PER_TRANSACTION": "as many as fit in a sixteenth of the memory: these take "
            f"{_mb(self.lock_memory)} (the documentation's formula says {_mb(self.documented_lock_memory)})",
            "FLOWDB_SHM_SIZE": "room for the shared buffers and the locks, as the documentation wants",
            "FLOWDB_MEMORY_LIMIT": "the memory but for a quarter, from 1GB to 16GB, for everything else"
            if self.beside <= _spared(self.memory)
            else f"the memory but for what the other services take, {_mb(self.beside)} when idle; half of it at least",
        }
        texts = self.environment() | {"FLOWDB_SHM_SIZE": size_text(self.shm_size)}
        return tuple(
            SizingRow(name, text, "set by you" if name in self.given else reasons[name], name in self.given)
            for name, text in texts.items()
        )

    def obstacle(self) -> str:
        """Why FlowDB could not start with this on this machine; "" if it can."""
        if self.memory_limit > self.memory:
            return (
                f"FLOWDB_MEMORY_LIMIT is {size_text(self.memory_limit)}, "
                f"but there are only {_mb(self.memory)} of memory"
            )
        if self.shared_memory > self.memory_limit:
            return (
                f"PostgreSQL would reserve {_mb(self.shared_memory)} "
                f"(SHARED_BUFFERS_SIZE {size_text(self.shared_buffers)}; "
                f"{_mb(self.lock_memory)} for MAX_LOCKS_PER_TRANSACTION {self.max_locks_per_transaction} "
                f"with {self.backends} connections), but FlowDB may take only {_mb(self.memory_limit)}"
            )
        return ""


def _mb(size: int) -> str:
    return f"{size / MB:.0f}MB"


def nominal(memory: int) -> int:
    """The memory as it is sold: rounded up to a step that grows with it, from a quarter of a GB to 8GB.

    MemTotal is less than that by what the kernel keeps, which changes by some MB between kernels.
    """
    step = next((step for limit, step in STEPS if memory <= limit), 8 * GB)
    return -(-memory // step) * step


def _spared(memory: int) -> int:
    """A quarter, from 1GB (or half) to 16GB."""
    return min(max(memory // 4, min(GB, memory // 2)), 16 * GB)


def beside_flowdb(settings: Settings, services: Collection[str]) -> dict[str, int]:
    """What these services take beside FlowDB when they are idle: bytes of all tasks by service.

    All are taken to run on this machine, which in a larger swarm is too many.
    """
    wanted = (need for need in NEEDS if need.service in services)
    return {need.service: need.idle * (settings[need.count] if need.count else 1) for need in wanted}


def limits_beside_flowdb(settings: Settings, services: Collection[str]) -> dict[str, int]:
    """What all tasks of these services but FlowDB may take at most: bytes, by the variable that bounds each task."""
    limits: dict[str, int] = {}
    for need in NEEDS:
        if need.service in services:
            count = settings[need.count] if need.count else 1
            limits[need.limit] = limits.get(need.limit, 0) + settings[need.limit] * count
    return limits


def plan_flowdb(memory: int, cpus: int, given: Mapping[str, int], beside: int = 0) -> FlowdbSizing:
    """How FlowDB should use a machine of `memory` bytes and `cpus` CPUs on which other services take `beside`; pure.

    `given` are the values that the operator set, by variable; they are kept, and the rest is planned around them.
    Nothing is refused here: ask `obstacle`.
    """
    memory = nominal(memory)
    max_cpus = given.get("MAX_CPUS", max(1, cpus - 1))
    half = -(-max_cpus // 2)
    quarter = LARGEST_BUFFERS if memory >= LARGE_MACHINE else memory // 4
    buffers = given.get("SHARED_BUFFERS_SIZE", min(quarter, LARGEST_BUFFERS))
    limit = given.get("FLOWDB_MEMORY_LIMIT", memory - min(max(_spared(memory), beside), memory // 2))
    backends = MAX_CONNECTIONS + OTHER_BACKENDS + max_cpus
    affordable = memory // 16 // (backends * LOCK_BYTES)
    locks = max((step for step in LOCK_STEPS if step <= affordable), default=LOCK_STEPS[0])
    locks = given.get("MAX_LOCKS_PER_TRANSACTION", locks)
    wanted = buffers + locks * backends * LOCK_BYTES
    shm = given.get("FLOWDB_SHM_SIZE", max(SMALLEST_SHM, -(-wanted // SHM_STEP) * SHM_STEP))
    return FlowdbSizing(
        memory=memory,
        shared_buffers=buffers,
        effective_cache_size=given.get("EFFECTIVE_CACHE_SIZE", min(memory * 3 // 4, limit)),
        max_cpus=max_cpus,
        max_workers=given.get("MAX_WORKERS", half),
        max_workers_per_gather=given.get("MAX_WORKERS_PER_GATHER", half),
        max_locks_per_transaction=locks,
        shm_size=shm,
        memory_limit=limit,
        given=frozenset(given),
        beside=beside,
    )


def look(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> Resources:
    """What there is now.  A control group of ours that is smaller than the machine counts, of version 1 or 2."""
    import psutil

    machine = psutil.virtual_memory()
    cpus = min(psutil.cpu_count() or 1, len(os.sched_getaffinity(0)))
    memory = machine.total
    for directory in _own_groups(proc, groups):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _numbers(directory / name)
            memory = min(memory, *limit[:1]) if limit and limit[0] > 0 else memory
        quota = _numbers(directory / "cpu.max")
        quota = quota or _numbers(directory / "cpu.cfs_quota_us") + _numbers(directory / "cpu.cfs_period_us")
        if len(quota) == 2 and min(quota) > 0:
            cpus = min(cpus, max(1, -(-quota[0] // quota[1])))
    return Resources(memory=memory, available=min(machine.available, memory), cpus=cpus)


def _own_groups(proc: Path, groups: Path) -> Iterator[Path]:
    """The directories of the control groups that we are in, and of those around them."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for mount in (
            [groups / name for name in controllers.split(",")] if controllers else [groups, groups / "unified"]
        ):
            group = mount / path.lstrip("/")
            yield from (above for above in (group, *group.parents) if above.is_relative_to(mount))


def _numbers(file: Path) -> list[int]:
    """The numbers in a control file; none where it is missing or says "max"."""
    try:
        return [int(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []
