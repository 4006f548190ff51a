"""`schema`: what the other commands print with `--json`, as JSON Schema."""

from __future__ import annotations

from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.errors import UsageError
from secrets_quickstart.tasks.task import task


@task(positional=["command"], help={"command": "The command, such as status or secrets.list."})
def schema(_c: Context, command: str) -> None:
    """Print the JSON Schema of what a command prints with --json."""
    from secrets_quickstart.catalog.documents import BY_COMMAND

    if command not in BY_COMMAND:
        raise UsageError(f"{command} prints no JSON", fix=f"choose one of {', '.join(BY_COMMAND)}")
    report.document(BY_COMMAND[command].schema)
