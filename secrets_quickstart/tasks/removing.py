"""`down` and `purge`; what they do is in `operations.remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.errors import UsageError
from secrets_quickstart.tasks.task import settings, task

if TYPE_CHECKING:
    from secrets_quickstart.settings import Settings


@task(help={"json": "Print one JSON document."})
def down(_c: Context, json: bool = False) -> None:
    """Stop the stack; passwords, keys and data stay."""
    from secrets_quickstart.operations import remove

    chosen = settings()
    with report.progress("stopping") as board:
        stopped = remove.down(chosen, "invoke down", board.update)
    if json:
        report.document({"changes": len(stopped), "stopped": list(stopped)})
    elif not stopped:
        report.result(f"nothing to do: the stack {chosen.stack} does not run")
    else:
        report.result(f"stopped {', '.join(stopped)}; secrets and data are kept, invoke deploy brings them back")


@task(
    help={
        "stack": "The stack's name, in place of typing it when asked.",
        "dry_run": "Show what would be deleted, and delete nothing (exit status 2 if anything would).",
        "json": "Print one JSON document.",
    },
)
def purge(_c: Context, stack: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Delete the stack with its passwords, keys and data."""
    from secrets_quickstart.operations import remove
    from secrets_quickstart.swarm.engine import Engine

    chosen = settings()
    lines = remove.belongings(chosen, Engine(chosen.base_environment)).lines()
    tell = report.result if dry_run and not json else report.say
    for line in lines:
        tell(f"delete {line}")
    if lines and not dry_run:
        _delete(chosen, stack)
    if json:
        report.document({"changes": len(lines), "deletes": lines})
    elif not lines:
        report.result(f"nothing to do: nothing of the stack {chosen.stack} is left")
    elif not dry_run:
        report.result(f"the stack {chosen.stack} is gone, with its passwords and data")
    if lines and dry_run:
        raise Exit(code=2)


def _delete(chosen: Settings, stack: str) -> None:
    """Once its name was given, or is typed."""
    from secrets_quickstart.operations import remove

    typed = stack or report.ask(f"Type the stack's name ({chosen.stack}) to delete all this: ")
    if typed != chosen.stack:
        raise UsageError(
            "nothing was deleted",
            why=f"the stack's name is {chosen.stack}, and {typed or 'nothing'} was given",
            fix=f"invoke purge --stack {chosen.stack}",
        )
    with report.progress("removing") as board:
        remove.purge(chosen, "invoke purge", board.update)


ns = Collection(down, purge)
