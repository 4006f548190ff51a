"""`hosts.*`: FlowAPI's names in the hosts file."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import audit, report
from secrets_quickstart.tasks.task import settings, task


@task(help={"json": "Print one JSON document."})
def plan(_c: Context, json: bool = False) -> None:
    """Show what would be added (exit status 2 if anything would)."""
    from secrets_quickstart.operations import course
    from secrets_quickstart.steps.hosts_entry import HostsEntryStep

    planned = course.plan([HostsEntryStep(settings())])
    found = planned[0].plan
    if json:
        report.document({"changes": len(found.actions), "steps": [item.document() for item in planned]})
    else:
        for line in (*found.actions, *found.unchanged):
            report.result(str(line))
    if found.actions:
        raise Exit(code=2)


@task()
def add(_c: Context) -> None:
    """Give flowkit.api and flow.api an address on this machine."""
    from secrets_quickstart.steps.hosts_entry import HostsEntryStep

    step = HostsEntryStep(settings())
    found = step.plan(step.look())
    audit.note(*found.actions)
    step.act(found.actions)
    for line in (*found.actions, *found.unchanged):
        report.result(str(line))


@task()
def remove(_c: Context) -> None:
    """Take our lines out again; the rest of the file stays byte for byte."""
    from secrets_quickstart.steps.hosts_entry import HostsEntryStep

    step = HostsEntryStep(settings())
    found = step.plan_removal(step.look())
    audit.note(*found.actions)
    step.act(found.actions)
    for line in (*found.actions, *found.unchanged):
        report.result(str(line))


ns = Collection("hosts", plan, add, remove)
