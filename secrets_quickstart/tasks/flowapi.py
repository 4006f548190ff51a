"""`flowapi.*`: FlowAPI's tokens."""

from __future__ import annotations

from datetime import timedelta

from invoke.collection import Collection
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.errors import UsageError
from secrets_quickstart.tasks.task import settings, task

LONGEST = 366


@task(help={"user": "Who it is for, as FlowAPI's log shows it.", "days": f"How long it is valid, 1 to {LONGEST}."})
def token(_c: Context, user: str = "operator", days: int = 1) -> None:
    """Print a token with every scope, to try FlowAPI with; it opens everything, so give it to nobody."""
    if not 1 <= days <= LONGEST:
        raise UsageError(f"--days {days} is out of range", fix=f"choose from 1 to {LONGEST}")
    from secrets_quickstart.operations.tokens import sign

    report.value(sign(settings(), user, timedelta(days=days)).reveal())


ns = Collection("flowapi", token)
