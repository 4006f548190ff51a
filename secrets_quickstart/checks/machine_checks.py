"""The checks of this machine: processors, memory, clock, and what the kernel is told to do with them."""

from __future__ import annotations

from secrets_quickstart.catalog.memory import NEEDS
from secrets_quickstart.checks.check import Check, Obstacle, Ok, Outcome, Skip, Warn
from secrets_quickstart.checks.conditions import on_this_machine, with_engine
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_engine import EngineFacts
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.checks.storage_checks import gigabytes

WRITTEN = 2026
"""The year of this code: a clock before it is wrong."""
LAST_YEAR = 2100
MEMORY_PRESSURE = 10.0
"""Per cent of time lost to waiting for memory.  Linux' own examples act from there."""
BUSY = 4.0
"""Processes in the run queue for each CPU above which health checks of a few seconds are missed."""
WORKER = next(need.idle for need in NEEDS if need.service == "flowetl_worker")
MEMORY_OBSTACLE, MEMORY_WARNING = 1700 << 20, 3700 << 20
"""A machine sold with 2 GB has 1.9; there PostgreSQL, FlowMachine (300 MB), redis and FlowAPI (100 MB) just fit."""
OVERBOOKED = 1.5
"""Not all services are at their limits at once, and FlowDB's counts the kernel's cache of its files."""


@with_engine
def processors(facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    cpus = facts.machine.cpus if engine.local else engine.cpus
    if cpus < 2:
        return Warn("one CPU: queries and the services' health checks wait for each other", "give the machine two")
    return Ok(f"{cpus} CPUs")


@on_this_machine
def load(facts: PreflightFacts) -> Outcome:
    each = facts.machine.load / facts.machine.cpus
    if each > BUSY:
        return Warn(
            f"{facts.machine.load:.0f} processes wait for {facts.machine.cpus} CPUs, so services may start too slowly",
            "see with `top` what keeps the machine busy, or raise FLOWKIT_DEADLINE",
        )
    return Ok(f"{facts.machine.load:.1f} over five minutes")


@on_this_machine
def swap(facts: PreflightFacts) -> Outcome:
    machine = facts.machine
    if machine.swap and machine.swap_used > machine.swap // 2:
        return Warn(
            f"{gigabytes(machine.swap_used)} of {gigabytes(machine.swap)} swap are in use: memory was short already",
            "stop what needs the memory, or add some",
        )
    return Ok(f"{gigabytes(machine.swap)} of swap" if machine.swap else "no swap, which suits a database")


@on_this_machine
def pressure(facts: PreflightFacts) -> Outcome:
    found = facts.machine.memory_pressure
    if found is None:
        return Skip("this kernel does not measure it")
    if found > MEMORY_PRESSURE:
        return Warn(f"work stood still for want of memory {found:.0f} % of the last five minutes", "add memory")
    return Ok(f"{found:.0f} % of time lost")


@on_this_machine
def overcommit(facts: PreflightFacts) -> Outcome:
    match facts.machine.overcommit:
        case None:
            return Skip("the kernel does not say")
        case 2:
            return Warn(
                "vm.overcommit_memory is 2: redis cannot save when it has used half of what is left",
                "sysctl -w vm.overcommit_memory=1, and put it into /etc/sysctl.d",
            )
        case 0 if "redis" in facts.wanted.services:
            return Warn(
                "vm.overcommit_memory is 0: with much in redis its save in the background may fail",
                "sysctl -w vm.overcommit_memory=1, and put it into /etc/sysctl.d",
            )
    return Ok("memory may be promised more than once")


@on_this_machine
def huge_pages(facts: PreflightFacts) -> Outcome:
    if facts.machine.huge_pages == "always" and "redis" in facts.wanted.services:
        return Warn(
            "transparent huge pages are always on: redis pauses while it saves",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, and transparent_hugepage=madvise at boot",
        )
    return Ok(facts.machine.huge_pages or "none")


def year(facts: PreflightFacts) -> Outcome:
    found = facts.machine.now.year
    if not WRITTEN <= found < LAST_YEAR:
        return Obstacle(
            f"this machine believes it is {found}: certificates would be made for the wrong time",
            "set the clock: timedatectl set-ntp true, or date -s",
        )
    return Ok(f"{facts.machine.now:%Y-%m-%d %H:%M} UTC")


@on_this_machine
def synchronised(facts: PreflightFacts) -> Outcome:
    match facts.machine.synchronised:
        case None:
            return Skip("the kernel does not say")
        case False:
            return Warn(
                "nothing keeps the clock right, and tokens and certificates are valid by the clock",
                "install and start chrony or systemd-timesyncd",
            )
    return Ok("kept by NTP")


@on_this_machine
def boot(facts: PreflightFacts) -> Outcome:
    match facts.machine.starts_engine:
        case None:
            return Skip("systemd does not run here")
        case False:
            return Warn("Docker does not start with the machine, so neither does FlowKit", "systemctl enable docker")
    return Ok("Docker starts with the machine")


def _has_flowdb(facts: PreflightFacts) -> bool:
    return "flowdb" in facts.wanted.components


@on_this_machine
def memory_plan(facts: PreflightFacts) -> Outcome:
    if not _has_flowdb(facts):
        return Skip("FlowDB is not deployed")
    obstacle = facts.sizing.obstacle()
    if obstacle:
        given = ", ".join(sorted(facts.sizing.given)) or "FLOWDB_MEMORY_LIMIT"
        return Obstacle(obstacle, f"take {given} out of .env: what is not set is planned from this machine's memory")
    return Ok(f"PostgreSQL reserves {gigabytes(facts.sizing.shared_memory)} of {gigabytes(facts.sizing.memory_limit)}")


@on_this_machine
def memory_total(facts: PreflightFacts) -> Outcome:
    memory = facts.machine.memory
    if not _has_flowdb(facts):
        return Ok(gigabytes(memory))
    if memory < MEMORY_OBSTACLE:
        return Obstacle(f"{gigabytes(memory)} of memory; FlowKit needs {gigabytes(MEMORY_OBSTACLE)}", "add memory")
    if memory < MEMORY_WARNING:
        return Warn(f"{gigabytes(memory)} of memory: enough to try it, not to use it", "add memory: 4 GB or more")
    return Ok(gigabytes(memory))


@on_this_machine
def memory_available(facts: PreflightFacts) -> Outcome:
    if not _has_flowdb(facts):
        return Skip("FlowDB is not deployed")
    if not isinstance(facts.swarm, Unknown) and facts.swarm.has(f"{facts.wanted.stack}_flowdb"):
        return Ok("FlowDB runs and has its memory")
    needed, found = facts.sizing.shared_memory, facts.machine.available
    fix = "stop what uses the memory (see `top`), or set a smaller SHARED_BUFFERS_SIZE in .env"
    if found < facts.sizing.lock_memory:
        return Obstacle(
            f"{gigabytes(found)} are available, and PostgreSQL takes {gigabytes(facts.sizing.lock_memory)} at once", fix
        )
    if found < needed:
        return Warn(f"{gigabytes(found)} are available, and PostgreSQL will come to use {gigabytes(needed)}", fix)
    return Ok(f"{gigabytes(found)} available")


@on_this_machine
def memory_beside(facts: PreflightFacts) -> Outcome:
    needed = sum(facts.beside.values())
    room = facts.sizing.room if _has_flowdb(facts) else facts.machine.memory
    if needed <= room:
        return Ok(f"{gigabytes(needed)} of {gigabytes(room)}")
    airflow = {name: size for name, size in facts.beside.items() if name.startswith("flowetl_")}
    parts = f", of which Airflow's {gigabytes(sum(airflow.values()))}" if airflow else ""
    fixes = ["add memory"]
    if "FLOWDB_MEMORY_LIMIT" in facts.sizing.given:
        fixes.append("take FLOWDB_MEMORY_LIMIT out of .env")
    if airflow.get("flowetl_worker", 0) > WORKER:
        fixes.append("lower FLOWETL_WORKER_COUNT")
    elif airflow and "flowauth" in facts.beside:
        fixes.append("leave FlowAuth to another machine")
    return Warn(
        f"the other services take {gigabytes(needed)}{parts} when they have nothing to do, "
        f"and FlowDB leaves {gigabytes(room)}: expect swapping, or services stopped by the kernel",
        ", or ".join(fixes),
    )


@on_this_machine
def memory_limits(facts: PreflightFacts) -> Outcome:
    limits = dict(facts.wanted.memory_limits)
    if _has_flowdb(facts):
        limits["FLOWDB_MEMORY_LIMIT"] = facts.sizing.memory_limit
    total, memory = sum(limits.values()), facts.machine.memory
    if total > memory * OVERBOOKED:
        largest = max(limits, key=lambda name: limits[name])
        return Warn(
            f"the services together may take {gigabytes(total)}, and there are {gigabytes(memory)}: "
            "the kernel may have to stop one",
            f"lower {largest}, or add memory",
        )
    return Ok(f"{gigabytes(total)} for all services together")


@on_this_machine
def shared_memory(facts: PreflightFacts) -> Outcome:
    if not _has_flowdb(facts):
        return Skip("FlowDB is not deployed")
    sizing = facts.sizing
    documented = sizing.shared_buffers + sizing.documented_lock_memory
    if sizing.shm_size <= documented:
        return Warn(
            f"FLOWDB_SHM_SIZE is {gigabytes(sizing.shm_size)}, and FlowKit's documentation wants more than "
            f"{gigabytes(documented)}: SHARED_BUFFERS_SIZE + MAX_LOCKS_PER_TRANSACTION * 200 * 168 bytes",
            "take FLOWDB_SHM_SIZE out of .env, or make it larger",
        )
    return Ok(f"{gigabytes(sizing.shm_size)}, more than the documentation's {gigabytes(documented)}")


@with_engine
def parallel(facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if not _has_flowdb(facts):
        return Skip("FlowDB is not deployed")
    cpus = facts.machine.cpus if engine.local else engine.cpus
    if facts.sizing.max_cpus > cpus:
        return Warn(
            f"MAX_CPUS is {facts.sizing.max_cpus}, and there are {cpus}: workers will wait for each other",
            f"set MAX_CPUS={max(1, cpus - 1)}, or take it out of .env",
        )
    return Ok(f"{facts.sizing.max_cpus} of {cpus} CPUs")


CHECKS = (
    Check("cpus", "Are there CPUs for queries and everything else?", processors),
    Check("cpus-parallel", "Does FlowDB use no more of them than there are?", parallel),
    Check("load", "Is the machine free enough to start services in time?", load),
    Check("memory", "Is there memory for FlowKit at all?", memory_total),
    Check("memory-plan", "Can PostgreSQL start with the memory that it is told to take?", memory_plan),
    Check("memory-available", "Is that memory free now?", memory_available),
    Check("memory-beside", "Is there room beside FlowDB for everything else?", memory_beside),
    Check("memory-limits", "Is there memory for all services at their limits?", memory_limits),
    Check("memory-shared", "Is the shared memory as large as the documentation wants?", shared_memory),
    Check("memory-pressure", "Has work been standing still for want of memory?", pressure),
    Check("swap", "Is the machine swapping?", swap),
    Check("overcommit", "May redis save in the background?", overcommit),
    Check("huge-pages", "Will redis pause for huge pages?", huge_pages),
    Check("clock", "Is this machine's year plausible?", year),
    Check("clock-kept", "Does something keep the clock right?", synchronised),
    Check("boot", "Will Docker start with the machine?", boot),
)
