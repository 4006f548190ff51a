"""Does it really work?  The table of questions that are put to a running deployment, as its users would.

Nothing is changed but FlowAuth's guests, who come and go.

What is asked of each service is in `verification_*`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from secrets_quickstart.checks import (
    verification_edge,
    verification_flowapi,
    verification_flowauth,
    verification_flowdb,
    verification_flowetl,
    verification_flowmachine,
    verification_numbers,
    verification_reach,
)
from secrets_quickstart.checks.check import Finding, Obstacle, Outcome, Skip, Status, finding
from secrets_quickstart.checks.verification_world import Unasked, Verification, World
from secrets_quickstart.errors import QuickstartError, VerificationFailed

CHECKS: tuple[Verification, ...] = (
    *verification_flowdb.CHECKS,
    *verification_flowmachine.CHECKS,
    *verification_flowapi.CHECKS,
    *verification_numbers.CHECKS,
    *verification_edge.CHECKS,
    *verification_flowetl.CHECKS,
    *verification_reach.CHECKS,
    *verification_flowauth.CHECKS,
)

AT_ONCE = 8
"""Most of the time each of them waits for an answer."""


def run(world: World, components: Collection[str], checks: Sequence[Verification] = CHECKS) -> tuple[Finding, ...]:
    """Ask all that is about these components, side by side; findings in the order of the table.  Raises nothing."""
    rows = [row for row in checks if row.component in components]
    with world.guests, ThreadPoolExecutor(AT_ONCE, thread_name_prefix="verify") as pool:
        # the longest first: they stand last in the table
        asked = [pool.submit(outcome, row, world) for row in reversed(rows)]
    outcomes = [answer.result() for answer in reversed(asked)]
    return tuple(finding(row.name, result) for row, result in zip(rows, told_once(rows, outcomes), strict=True))


def told_once(rows: Sequence[Verification], outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """An obstacle that stands in the way of several checks is told by the first of them."""
    first: dict[Outcome, str] = {}
    for row, result in zip(rows, outcomes, strict=True):
        teller = first.setdefault(result, row.name) if isinstance(result, Obstacle) else row.name
        yield result if teller == row.name else Skip(f"the same obstacle as for {teller}")


def outcome(row: Verification, world: World) -> Outcome:
    """What came of asking: an error is an obstacle, and a defect of ours is said to be one."""
    try:
        return row.ask(world)
    except Unasked as reason:
        return Skip(str(reason))
    except QuickstartError as problem:
        return Obstacle(str(problem), problem.fix or "see: invoke status")
    except Exception as defect:
        # its message may hold anything, a password too
        return Obstacle(f"the check broke off ({type(defect).__name__})", "report this, with what `invoke status` says")


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """For `--json`."""
    return {
        "counts": {status.value: sum(item.status is status for item in findings) for status in Status},
        "findings": [
            {"check": item.check, "status": item.status.value, "detail": item.detail, "fix": item.fix}
            for item in findings
        ],
    }


def require(findings: Iterable[Finding]) -> None:
    """Raise VerificationFailed when there is an obstacle among them."""
    failed = [item for item in findings if item.status is Status.OBSTACLE]
    if not failed:
        return
    raise VerificationFailed(
        f"{len(failed)} of the checks failed" if len(failed) > 1 else f"the check of {failed[0].check} failed",
        why="; ".join(f"{item.check}: {item.detail}" for item in failed),
        fix=failed[0].fix,
    )
