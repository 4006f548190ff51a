"""`upgrade`; what it does is in `operations.upgrade`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.errors import UsageError
from secrets_quickstart.host.files import typed
from secrets_quickstart.tasks.task import settings, task

if TYPE_CHECKING:
    from secrets_quickstart.operations.upgrade import Planned


@task(
    help={
        "tag": "The release of the official images; without it, what the settings say: local images are built anew.",
        "passphrase_file": "A file that only you can read, with the passphrase that the backup is sealed with.",
        "backup": "Where the backup's folder is made; .flowkit/backups if not given.",
        "dry_run": "Show what would be upgraded, and change nothing (exit status 2 if anything would).",
        "json": "Print one JSON document.",
    },
)
def upgrade(
    _c: Context,
    tag: str = "",
    passphrase_file: str = "",
    backup: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Have the stack run other images, after a backup; if anything fails, all of it is as before, data included."""
    from secrets_quickstart.operations import upgrade as operation
    from secrets_quickstart.vault import read_passphrase

    chosen = settings()
    passphrase = read_passphrase(typed(passphrase_file), "--passphrase-file") if passphrase_file else None
    wish = operation.Wish(tag, typed(backup).absolute() if backup else None, passphrase)
    if dry_run:
        planned = operation.plan(chosen, wish)
        if json:
            changes = [change.document() for change in planned.changes]
            report.document({"changes": changes, "interrupted": planned.interrupted})
        else:
            _show(planned)
        if planned.changes or planned.interrupted:
            raise Exit(code=UsageError.status)
        return
    done = operation.upgrade(chosen, wish, "invoke upgrade")
    if json:
        report.document(
            {
                "changes": [change.document() for change in done.changes],
                "carried_on": done.carried_on,
                "backup": done.backup,
                "seconds": round(done.seconds, 1),
                "afterwards": list(done.afterwards),
            }
        )
        return
    if not done.changes:
        report.result("nothing to upgrade")
        return
    report.result(f"upgraded and verified: {report.counted(len(done.changes), 'service')} ({done.seconds:.0f} s)")
    report.result(f"the backup of before: {done.backup}")
    for text in done.afterwards:
        report.result(text)


def _show(planned: Planned) -> None:
    if planned.interrupted:
        report.result("an upgrade was interrupted, and would be carried on, or taken back if it had failed")
    for change in planned.changes:
        report.result(f"{change}")
    if not planned.changes and not planned.interrupted:
        report.result("nothing to upgrade")
