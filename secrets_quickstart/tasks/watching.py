"""`status`, `top`, `logs` and `audit`; they change nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.errors import NotConverged, UsageError
from secrets_quickstart.tasks.certs import warn
from secrets_quickstart.tasks.task import duration, settings, task

if TYPE_CHECKING:
    from secrets_quickstart.operations.overview import Overview
    from secrets_quickstart.operations.usage import Look
    from secrets_quickstart.swarm.engine import Engine

JSON = "Print one JSON document."
BETWEEN = 1.0
"""Seconds between two looks of `top`, each of which takes the engine as long again."""


@task(help={"json": JSON})
def status(_c: Context, json: bool = False) -> None:
    """Show services, certificates' days, disks, the cache, days loaded (exit status 4 if a service is not up)."""
    from secrets_quickstart.operations import overview

    chosen = settings()
    found = overview.look(chosen)
    if json:
        report.document(found.document(chosen.stack))
    else:
        _show(found, chosen.stack)
    warn(found.certificates)
    if found.failure is not None:
        raise found.failure
    if any(row.state != "up" for row in found.services):
        raise Exit(code=NotConverged.status)


def _show(found: Overview, stack: str) -> None:
    from secrets_quickstart.operations.amounts import amount

    if found.services:
        columns = ("SERVICE", "STATE", "HEALTH", "TASKS", "SINCE", "PORT", "IMAGE", "DIGEST")
        rows = [(r.service, r.state, r.health, r.tasks, r.since, r.port, r.reference, r.short) for r in found.services]
        report.table(columns, rows)
    elif "services" not in found.unknown:
        report.result(f"the stack {stack} does not run")
    if found.places:
        report.result("")
        report.table(
            ("DATA", "SIZE", "FREE", "PATH"),
            [
                (p.name, "?" if p.bytes is None else amount(p.bytes), "?" if p.free is None else amount(p.free), p.path)
                for p in found.places
            ],
        )
    report.result("")
    if found.certificates:
        days = (f"{one.name} {one.days_left} days" for one in found.certificates if one.days_left is not None)
        report.result(f"certificates: {', '.join(days)}")
    if (cache := found.cache) is not None:
        report.result(f"FlowDB: {amount(cache.database_bytes)}")
        results = report.counted(cache.results, "result")
        report.result(f"FlowMachine's cache: {amount(cache.bytes)} of {amount(cache.limit)}, {results}")
    if "days" not in found.unknown:
        types = (f"{r.type} {report.counted(r.days, 'day')} ({r.first} to {r.last})" for r in found.days)
        report.result(f"loaded: {', '.join(types) or 'nothing'}")
    for name, why in (*found.unknown.items(), *((place.name, place.unknown) for place in found.places)):
        if why:
            report.result(f"unknown: {name}: {why}")


@task(help={"once": "One table, and not live although on a terminal.", "json": JSON})
def top(_c: Context, once: bool = False, json: bool = False) -> None:
    """Show the CPU, memory, network and block I/O of each running task on this node, live until Ctrl-C."""
    from secrets_quickstart.operations import usage
    from secrets_quickstart.swarm.engine import Engine

    chosen = settings()
    engine = Engine(chosen.base_environment)
    if json:
        report.document(usage.look(engine, chosen.stack).document(chosen.stack))
        return
    if report.is_live() and not once:
        with suppress(KeyboardInterrupt):  # so it ends
            looks = ((_or_nothing(chosen.stack, look), look) for look in _looks(engine, chosen.stack))
            report.watch(usage.COLUMNS, ((look.rows(), notes) for notes, look in looks))
        return
    look = usage.look(engine, chosen.stack)
    if look.tasks:
        report.table(usage.COLUMNS, look.rows())
    for line in _or_nothing(chosen.stack, look):
        report.result(line)


def _looks(engine: Engine, stack: str) -> Iterator[Look]:
    from secrets_quickstart.operations import usage

    while True:
        yield usage.look(engine, stack)
        time.sleep(BETWEEN)


def _or_nothing(stack: str, look: Look) -> list[str]:
    """The lines below the table."""
    return [*([] if look.tasks else [f"no task of the stack {stack} runs on this node"]), *look.notes()]


@task(
    positional=["service"],
    help={
        "service": "The service, as `invoke status` names it.",
        "follow": "Go on as new lines come, until Ctrl-C.",
        "since": "Only lines of the last so many seconds, minutes, hours or days: 90s, 10m, 2h, 1d.",
        "tail": "Only the last so many lines of each task.",
        "json": "Print one JSON document for each line, on a line of its own.",
    },
)
def logs(_c: Context, service: str, follow: bool = False, since: str = "", tail: int = 0, json: bool = False) -> None:
    """Show what a service has written, all its tasks and those before them."""
    from dataclasses import asdict

    from secrets_quickstart.swarm import logs as written
    from secrets_quickstart.swarm import services
    from secrets_quickstart.swarm.engine import Engine

    chosen = settings()
    engine = Engine(chosen.base_environment)
    known = services.state(engine, chosen.stack).services
    if service not in known:
        raise UsageError(
            f"the stack {chosen.stack} has no service {service}",
            fix=f"choose one of {', '.join(known)}" if known else "bring the stack up: invoke deploy",
        )
    start = engine.now() - duration("--since", since) if since else None
    several = known[service].replicas != 1
    with suppress(KeyboardInterrupt):  # so following ends
        for line in written.follow(engine, known[service], tail=tail or None, since=start, keep_on=follow):
            if json:
                report.line(asdict(line))
            else:
                report.result(f"{line.task}  {line.text}" if several else line.text)


@task(
    name="audit",
    help={
        "since": "Only what was changed in the last so many seconds, minutes, hours or days: 90s, 10m, 2h, 7d.",
        "json": "Print one JSON document.",
    },
)
def audit_(_c: Context, since: str = "", json: bool = False) -> None:
    """Show what was changed by which command, when, by whom, and how it ended; no values."""
    from datetime import UTC, datetime

    from secrets_quickstart import audit

    start = datetime.now(UTC) - duration("--since", since) if since else None
    entries = audit.read(settings().state_dir, start)
    if json:
        report.document([entry.document() for entry in entries])
        return
    if not entries:
        report.result("nothing was changed" + (f" in the last {since}" if since else ""))
    for entry in entries:
        ended = "has not ended, or was killed" if entry.status is None else f"status {entry.status}"
        report.result(
            f"{entry.time:%Y-%m-%d %H:%M:%S}  {' '.join((entry.command, *entry.flags))}  {entry.user}  {ended}"
        )
        for action in entry.actions:
            report.result(f"  {action}")


ns = Collection(status, top, logs, audit_)
