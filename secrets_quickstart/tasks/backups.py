"""`backup`, `backup.verify` and `restore`; what they do is in `operations`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.errors import UsageError
from secrets_quickstart.host.files import typed
from secrets_quickstart.tasks.task import settings, task

if TYPE_CHECKING:
    from secrets_quickstart.material.sealing import Opener, Sealer
    from secrets_quickstart.operations.backup_answers import Comparison

DIRECTORY = "Where the backup's folder is made, such as a mounted disk."
FOLDER = "A folder that invoke backup has made."
PASSPHRASE = "A file that only you can read, with the passphrase."  # noqa: S105  # help
IDENTITY = "An identity file of age, whose public key the backup was made for."
JSON = "Print one JSON document."


@task(
    help={
        "directory": DIRECTORY,
        "passphrase_file": PASSPHRASE,
        "recipient": "A public key of age (age1...), in place of a passphrase: this machine cannot open the backup.",
        "logical": "Dump FlowDB (pg_dump) rather than copy its files: smaller, slower, for small ones.",
        "keep": "How many backups of this stack to keep in the directory; older ones are deleted afterwards.",
        "json": JSON,
    },
)
def make(
    _c: Context,
    directory: str,
    passphrase_file: str = "",
    recipient: str = "",
    logical: bool = False,
    keep: int = 0,
    json: bool = False,
) -> None:
    """Back the stack up into a new folder, sealed: databases, vault, settings, DAGs; it goes on running."""
    from secrets_quickstart.operations import backup
    from secrets_quickstart.operations.amounts import amount

    if keep < 0:
        raise UsageError(f"--keep {keep} is not understood", fix="give the number of backups to keep, 1 or more")
    chosen, sealer = settings(), _sealer(passphrase_file, recipient)
    with report.progress("backup") as board:
        made = backup.backup(
            chosen,
            typed(directory).absolute(),
            sealer,
            board.update,
            logical=logical,
            keep=keep or None,
            command=f"invoke backup {directory}",
        )
    if json:
        report.document(
            {
                "folder": str(made.folder),
                "bytes": made.bytes,
                "databases": {name: part.kind for name, part in made.manifest.databases.items()},
                "elsewhere": list(made.manifest.elsewhere),
                "deleted": [str(path) for path in made.pruned],
            }
        )
        return
    for path in made.pruned:
        report.say(f"backup: deleted {path}")
    for name in made.manifest.elsewhere:
        report.say(f"warning: the database of {name} is elsewhere, and not in this backup")
    report.result(f"{made.folder}: {amount(made.bytes)}")
    report.result(f"see that it can be restored: invoke backup.verify {made.folder}")


@task(help={"folder": FOLDER, "passphrase_file": PASSPHRASE, "identity_file": IDENTITY, "json": JSON})
def verify(_c: Context, folder: str, passphrase_file: str = "", identity_file: str = "", json: bool = False) -> None:
    """Restore a backup's databases beside what runs, hold them against it, and remove them again."""
    from secrets_quickstart.operations import backup_verify

    chosen, opener = settings(), _opener(passphrase_file, identity_file)
    with report.progress("verify") as board:
        found = backup_verify.verify(
            chosen, typed(folder).absolute(), opener, board.update, f"invoke backup.verify {folder}"
        )
    if json:
        report.document({"folder": folder, "created": found.manifest.created, "databases": _documents(found.databases)})
        return
    _show(found.databases)
    report.result(f"{folder} is whole, and can be restored")


@task(help={"folder": FOLDER, "passphrase_file": PASSPHRASE, "identity_file": IDENTITY, "json": JSON})
def restore(_c: Context, folder: str, passphrase_file: str = "", identity_file: str = "", json: bool = False) -> None:
    """Bring a backed-up system back on a machine that has none of it, and verify it."""
    from secrets_quickstart.operations import restore as operation
    from secrets_quickstart.operations.deployment import addresses

    chosen, opener = settings(), _opener(passphrase_file, identity_file)
    with report.progress("restore") as board:
        done = operation.restore(chosen, typed(folder).absolute(), opener, board.update, f"invoke restore {folder}")
    if json:
        changes = 0 if done.outcome is None else done.outcome.changes + len(done.databases)
        report.document({"changes": changes, "databases": _documents(done.databases)})
        return
    if done.outcome is None:
        report.result(f"nothing to do: {folder} was restored already; invoke verify asks everything again")
        return
    _show(done.databases)
    report.result(f"restored and verified, as of {done.manifest.created}")
    for name, address in addresses(done.settings, done.order):
        report.result(f"{name}: {address}")


def _sealer(passphrase_file: str, recipient: str) -> Sealer:
    """Raises UsageError unless there is one of the two."""
    from secrets_quickstart.material.sealing import Sealer
    from secrets_quickstart.vault import read_passphrase

    if bool(passphrase_file) == bool(recipient):
        raise _one_of("--passphrase-file FILE", "--recipient KEY")
    if recipient:
        return Sealer.for_recipient(recipient)
    return Sealer.with_passphrase(read_passphrase(typed(passphrase_file), "--passphrase-file"))


def _opener(passphrase_file: str, identity_file: str) -> Callable[[bytes | None], Opener]:
    """Makes one of a backup's key.  Raises UsageError unless there is one of the two, and it fits the backup."""
    from secrets_quickstart.material.sealing import Opener
    from secrets_quickstart.vault import read_passphrase

    if bool(passphrase_file) == bool(identity_file):
        raise _one_of("--passphrase-file FILE", "--identity-file FILE")
    given = read_passphrase(typed(passphrase_file or identity_file), "--passphrase-file or --identity-file")

    def opened(key: bytes | None) -> Opener:
        if identity_file:
            return Opener.with_identity(given)
        if key is None:
            raise UsageError(
                "the backup was not made with a passphrase", fix="give the identity of its recipient: --identity-file"
            )
        return Opener.with_passphrase(given, key)

    return opened


def _one_of(first: str, second: str) -> UsageError:
    return UsageError(
        "it is not said what seals the backup", why=f"one of {first} and {second} is needed", fix=f"give {first}"
    )


def _documents(databases: Mapping[str, Comparison]) -> dict[str, Any]:
    return {
        name: {"tables": found.tables, "rows": found.rows, "query": found.query} for name, found in databases.items()
    }


def _show(databases: Mapping[str, Comparison]) -> None:
    for name, found in databases.items():
        asked = f"; {', '.join(f'{key} {text}' for key, text in found.query.items())}" if found.query else ""
        report.result(f"{name}: {report.counted(found.rows, 'row')} in {report.counted(found.tables, 'table')}{asked}")


ns = Collection("backup")
ns.add_task(make, default=True)
ns.add_task(verify)
