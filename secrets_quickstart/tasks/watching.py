"""`status` and `logs`; they change nothing."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.errors import NotConverged, UsageError
from secrets_quickstart.tasks.certs import warn
from secrets_quickstart.tasks.task import duration, settings, task


@task(help={"json": "Print one JSON document."})
def status(_c: Context, json: bool = False) -> None:
    """Show the services: tasks, since when, images, ports; certificates that end soon (exit status 4 if not all up)."""
    from secrets_quickstart.operations import certificates
    from secrets_quickstart.operations.status import look

    chosen = settings()
    rows = look(chosen)
    held = certificates.of_stack(chosen)
    if json:
        services, kept = [row.document() for row in rows], [row.document() for row in held]
        report.document({"stack": chosen.stack, "services": services, "certificates": kept})
    elif rows:
        columns = ("SERVICE", "STATE", "TASKS", "SINCE", "PORT", "IMAGE")
        report.table(columns, [(r.service, r.state, r.tasks, r.since, r.port, r.image) for r in rows])
    else:
        report.result(f"the stack {chosen.stack} does not run")
    if held and not json:
        days = ", ".join(f"{one.name} {one.days_left} days" for one in held if one.days_left is not None)
        report.result(f"certificates: {days}")
    warn(held)
    if any(row.state != "up" for row in rows):
        raise Exit(code=NotConverged.status)


@task(
    positional=["service"],
    help={
        "service": "The service, as `invoke status` names it.",
        "follow": "Go on as new lines come, until Ctrl-C.",
        "since": "Only lines of the last so many seconds, minutes, hours or days: 90s, 10m, 2h, 1d.",
        "tail": "Only the last so many lines of each task.",
    },
)
def logs(_c: Context, service: str, follow: bool = False, since: str = "", tail: int = 0) -> None:
    """Show what a service has written."""
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
    for line in written.follow(engine, known[service], tail=tail or None, since=start, keep_on=follow):
        report.result(line)


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


ns = Collection(status, logs, audit_)
