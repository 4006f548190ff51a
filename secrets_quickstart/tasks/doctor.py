"""`doctor`: what stands in the way of a deployment, and how much of the machine FlowDB is to take.

What is asked is in `checks.preflight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.catalog.targets import TARGETS
from secrets_quickstart.tasks.task import settings, task

if TYPE_CHECKING:
    from secrets_quickstart.checks.check import Finding
    from secrets_quickstart.checks.facts import PreflightFacts


@task(
    help={
        "target": f"What is to be deployed: {', '.join(row.name for row in TARGETS)}.",
        "verbose": "Show every check, not only what was found wanting.",
        "json": "Print one JSON document.",
    }
)
def doctor(_c: Context, target: str = "flowkit", verbose: bool = False, json: bool = False) -> None:
    """Check everything that a deployment needs, and change nothing (exit status 3 with an obstacle)."""
    from secrets_quickstart.checks import preflight
    from secrets_quickstart.errors import PreflightFailed
    from secrets_quickstart.operations.deployment import order
    from secrets_quickstart.swarm.engine import Engine

    wanted, chosen = order(target), settings()
    chosen = chosen.with_overrides(wanted.target.overrides, f"target {target}")
    facts = preflight.gather(chosen, wanted.components, Engine(chosen.base_environment))
    findings = preflight.run(facts)
    if json:
        report.document(as_document(target, facts, findings))
    else:
        show(facts, findings, verbose=verbose)
    found = preflight.obstacles(findings)
    if found:
        names = ", ".join(item.check for item in found)
        raise PreflightFailed(f"obstacles to a deployment of {target}", why=names, fix=found[0].fix)


def as_document(target: str, facts: PreflightFacts, findings: Sequence[Finding]) -> dict[str, Any]:
    from secrets_quickstart.checks.check import Status

    return {
        "target": target,
        "counts": {status.value: sum(item.status is status for item in findings) for status in Status},
        "findings": [
            {"check": item.check, "status": item.status.value, "detail": item.detail, "fix": item.fix}
            for item in findings
        ],
        "sizing": [
            {"variable": row.name, "value": row.value, "reason": row.reason, "given": row.given}
            for row in (facts.sizing.rows() if "flowdb" in facts.wanted.components else ())
        ],
        "beside": dict(facts.beside),
    }


def show(facts: PreflightFacts, findings: Sequence[Finding], *, verbose: bool) -> None:
    from secrets_quickstart.checks.check import Status

    if verbose:
        report.table(("CHECK", "STATUS", "DETAIL"), [(item.check, item.status.value, item.detail) for item in findings])
        report.result("")
    for status in (Status.OBSTACLE, Status.WARNING):
        for item in findings:
            if item.status is status:
                report.result(f"{status.value}: {item.check}: {item.detail}")
                report.result(f"  fix: {item.fix}")
    for status in (Status.OK, Status.SKIPPED):
        names = [item.check for item in findings if item.status is status]
        if names and not verbose:
            report.result(f"{status.value} ({len(names)}): {', '.join(names)}")
    if "flowdb" in facts.wanted.components:
        report.result("")
        report.table(("FLOWDB", "VALUE", "WHY"), [(row.name, row.value, row.reason) for row in facts.sizing.rows()])
    if facts.beside:
        report.result("")
        report.table(
            ("SERVICE", "MEMORY WHEN IDLE"),
            [(name, f"{size >> 20}MB") for name, size in (*facts.beside.items(), ("all", sum(facts.beside.values())))],
        )
