"""`swarm.*`: the swarm itself."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.tasks.task import settings, task


@task(help={"json": "Print one JSON document."})
def status(_c: Context, json: bool = False) -> None:
    """Show what this engine is in a swarm, and the swarm's nodes."""
    from secrets_quickstart.swarm import services
    from secrets_quickstart.swarm.engine import Engine

    chosen = settings()
    engine = Engine(chosen.base_environment)
    found = engine.membership()
    nodes = services.nodes(engine) if found.usable else []
    label = chosen["FLOWKIT_DATA_NODE_LABEL"]
    rows = [
        (node.name, "ready" if node.ready else "down", "active" if node.active else "drained", label in node.labels)
        for node in nodes
    ]
    if json:
        keys = ("name", "state", "availability", "data")
        members = [dict(zip(keys, row, strict=True)) for row in rows]
        report.document({"state": found.state, "manager": found.manager, "error": found.error, "nodes": members})
        return
    report.result(f"swarm: {found.state}{', manager' if found.manager else ''}{' ' + found.error}".rstrip())
    if rows:
        report.table(("NODE", "STATE", "AVAILABILITY", "DATA"), [(*row[:3], "yes" if row[3] else "") for row in rows])


@task()
def init(_c: Context) -> None:
    """Make a swarm of this node alone, if the engine is in none."""
    from secrets_quickstart.operations import course
    from secrets_quickstart.steps.membership import MembershipStep
    from secrets_quickstart.swarm.engine import Engine

    chosen = settings()
    pool = chosen.text("FLOWKIT_ADDRESS_POOL")
    step = MembershipStep(Engine(chosen.base_environment), chosen["FLOWKIT_DATA_NODE_LABEL"], pool)
    done = course.carry_out([[step]])
    report.result("done" if course.changes(done) else "nothing to do")


ns = Collection("swarm", status, init)
