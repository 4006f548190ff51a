"""`quickstart`, `deploy` and `plan`; what they do is in `operations`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.catalog.targets import TARGETS
from secrets_quickstart.tasks.task import settings, task

if TYPE_CHECKING:
    from secrets_quickstart.operations.course import Planned
    from secrets_quickstart.operations.deploy import Outcome
    from secrets_quickstart.operations.deployment import Order
    from secrets_quickstart.settings import Settings

TARGET = f"What to deploy: {', '.join(row.name for row in TARGETS)}."
ONLY = "Just the target itself, not what it requires."
START_EMPTY = "FlowDB's data is gone for good: start with an empty database."
JSON = "Print one JSON document."
DRY_RUN = "Show what would change, and change nothing (exit status 2 if anything would)."


@task(help={"dry_run": DRY_RUN, "start_empty": START_EMPTY, "json": JSON})
def quickstart(_c: Context, dry_run: bool = False, start_empty: bool = False, json: bool = False) -> None:
    """Bring FlowKit up on this machine, with made-up records, and prove it with a query."""
    from secrets_quickstart.operations.deployment import order

    wanted = order("flowkit", sample_data=True, start_empty=start_empty, first_user=True, example_dags=True)
    _bring_about(wanted, "invoke quickstart", dry_run=dry_run, json=json)


@task(help={"target": TARGET, "only": ONLY, "dry_run": DRY_RUN, "start_empty": START_EMPTY, "json": JSON})
def deploy(
    _c: Context,
    target: str = "",
    only: bool = False,
    dry_run: bool = False,
    start_empty: bool = False,
    json: bool = False,
) -> None:
    """Bring one part of FlowKit up, with what it requires, and verify it."""
    from secrets_quickstart.operations.deployment import order

    wanted = order(target, only=only, start_empty=start_empty)
    _bring_about(wanted, f"invoke deploy --target {target}", dry_run=dry_run, json=json)


@task(help={"target": TARGET, "only": ONLY, "json": JSON})
def plan(_c: Context, target: str = "flowkit", only: bool = False, json: bool = False) -> None:
    """Show what a deploy would change (exit status 2 if anything would)."""
    from secrets_quickstart.operations.deployment import order

    _show_plan(order(target, only=only), json=json)


def _bring_about(wanted: Order, command: str, *, dry_run: bool, json: bool) -> None:
    if dry_run:
        _show_plan(wanted, json=json)
        return
    from secrets_quickstart.operations.deploy import deploy as bring_about

    chosen = settings()
    outcome = bring_about(chosen, wanted, command)
    if json:
        report.document(
            {"changes": outcome.changes, "verified": outcome.verified, "steps": _documents(outcome.planned)}
        )
        return
    _conclude(chosen, wanted, outcome)


def _show_plan(wanted: Order, *, json: bool) -> None:
    from secrets_quickstart.operations import course
    from secrets_quickstart.operations.deploy import plan as make_plan

    planned = make_plan(settings(), wanted)
    if json:
        report.document({"changes": course.changes(planned), "steps": _documents(planned)})
    else:
        for item in planned:
            for action in item.plan.actions:
                report.result(f"{item.step}: {action}")
            for unchanged in item.plan.unchanged:
                report.result(f"{item.step}: ({unchanged})")
        count = course.changes(planned)
        report.result(report.counted(count, "change") if count else "nothing to do")
    if course.changes(planned):
        raise Exit(code=2)


def _documents(planned: Sequence[Planned]) -> list[dict[str, Any]]:
    return [item.document() for item in planned]


def _conclude(chosen: Settings, wanted: Order, outcome: Outcome) -> None:
    """The last lines: what is there now, and how to go on."""
    from secrets_quickstart.operations.deployment import addresses

    if outcome.changes:
        report.result(f"done and verified: {report.counted(outcome.changes, 'change')}")
    elif outcome.verified:
        report.result("nothing to do, and verified once more")
    else:
        report.result("nothing to do: everything runs as it should, and was verified when it was deployed")
    report.result("")
    keep = [str(chosen.vault_path)]
    if chosen.vault_passphrase_file is None:
        keep.append(f"and, in another place, {chosen.vault_key_file}")
    rows = [
        *addresses(chosen, wanted),
        ("passwords", "invoke secrets.list, invoke secrets.show NAME"),
        ("certificate", "invoke secrets.export-public DIRECTORY"),
        ("keep a copy of", " ".join(keep)),
    ]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        report.result(f"{name.ljust(width)}  {text}")


ns = Collection(quickstart, deploy, plan)
