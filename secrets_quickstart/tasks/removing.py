"""`down` and `purge`; what they do is in `operations.remove`."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.errors import UsageError
from secrets_quickstart.tasks.task import settings, task


@task()
def down(_c: Context) -> None:
    """Stop the stack; passwords, keys and data stay."""
    from secrets_quickstart.operations import remove

    chosen = settings()
    with report.progress("stopping") as board:
        stopped = remove.down(chosen, "invoke down", board.update)
    if not stopped:
        report.result(f"nothing to do: the stack {chosen.stack} does not run")
        return
    report.result(f"stopped {', '.join(stopped)}; secrets and data are kept, invoke deploy brings them back")


@task(help={"stack": "The stack's name, in place of typing it when asked.", "dry_run": "Show what would be deleted."})
def purge(_c: Context, stack: str = "", dry_run: bool = False) -> None:
    """Delete the stack with its passwords, keys and data."""
    from secrets_quickstart.operations import remove
    from secrets_quickstart.swarm.engine import Engine

    chosen = settings()
    lines = remove.belongings(chosen, Engine(chosen.base_environment)).lines()
    if not lines:
        report.result(f"nothing to do: nothing of the stack {chosen.stack} is left")
        return
    for line in lines:
        report.say(f"delete {line}")
    if dry_run:
        return
    typed = stack or report.ask(f"Type the stack's name ({chosen.stack}) to delete all this: ")
    if typed != chosen.stack:
        raise UsageError(
            "nothing was deleted",
            why=f"the stack's name is {chosen.stack}, and {typed or 'nothing'} was given",
            fix=f"invoke purge --stack {chosen.stack}",
        )
    with report.progress("removing") as board:
        remove.purge(chosen, "invoke purge", board.update)
    report.result(f"the stack {chosen.stack} is gone, with its passwords and data")


ns = Collection(down, purge)
