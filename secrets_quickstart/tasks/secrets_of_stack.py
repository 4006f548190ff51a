"""`secrets.*`: what the vault holds, and whether the swarm and the services have the same."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.errors import HostError, UsageError
from secrets_quickstart.host.files import typed
from secrets_quickstart.tasks.inputs import given, open_vault
from secrets_quickstart.tasks.task import agree, duration, settings, task


@task(name="list", help={"all": "Also those that have no value yet.", "json": "Print one JSON document."})
def list_(_c: Context, all: bool = False, json: bool = False) -> None:  # noqa: A002  # the flag is --all
    """List the secrets: name, generation, age, origin, purpose; no values."""
    from secrets_quickstart.catalog.secrets import SECRETS

    vault = open_vault(settings())
    found = [(row, vault.entry(row.name) if row.name in vault else None) for row in SECRETS if all or row.name in vault]
    if json:
        report.document(
            [
                {
                    "name": row.name,
                    "generation": entry and entry.generation,
                    "created": entry and entry.created.isoformat(timespec="seconds"),
                    "origin": entry and str(entry.origin),
                    "purpose": row.purpose,
                }
                for row, entry in found
            ]
        )
        return
    rows = [
        (row.name, entry.generation, f"{entry.created:%Y-%m-%d %H:%M}", entry.origin, row.purpose)
        if entry is not None
        else (row.name, "", "", "", row.purpose)
        for row, entry in found
    ]
    report.table(("NAME", "GENERATION", "CREATED", "ORIGIN", "PURPOSE"), rows)


@task(
    positional=["name"],
    help={"name": "As `invoke secrets.list` shows it.", "generation": "An earlier one; the newest if not given."},
)
def show(_c: Context, name: str, generation: int = 0) -> None:
    """Print one value, and nothing else."""
    from secrets_quickstart.operations.imports import row_of

    row_of(name)
    report.value(open_vault(settings()).value(name, generation or None).reveal())


@task(
    name="import",
    positional=["name", "file"],
    help={"name": "As `invoke secrets.list --all` shows it.", "file": "The file that holds the value, or - for stdin."},
)
def import_(_c: Context, name: str, file: str) -> None:
    """Take a value of yours into the vault, such as a password of a database that exists."""
    from secrets_quickstart.operations.imports import import_value, row_of

    row_of(name)
    if import_value(settings(), name, given(file)):
        report.result(f"{name} is in the vault; the next deploy brings it to the swarm")
    else:
        report.result(f"nothing to do: the vault holds this {name} already")


@task(positional=["directory"], help={"directory": "Where to write; made if it does not exist."})
def export_public(_c: Context, directory: str) -> None:
    """Write what clients need: the CA, the certificate, the verification key."""
    from secrets_quickstart.catalog.secrets import SECRETS

    vault = open_vault(settings())
    folder = typed(directory)
    for row in SECRETS:
        if row.public and row.name in vault:
            path = folder / (row.name if row.name.endswith(".pem") else f"{row.name}.pem")
            _write(path, vault.value(row.name).reveal())
            report.result(str(path))


@task(help={"json": "Print one JSON document."})
def status(_c: Context, json: bool = False) -> None:
    """Compare vault, swarm and services by fingerprint (exit status 2 if they differ); reads no value."""
    from datetime import UTC, datetime

    from secrets_quickstart.operations.drift import judge
    from secrets_quickstart.operations.drift_facts import look

    chosen = settings()
    facts = look(chosen)
    rows = judge(facts)
    drift = [row for row in rows if row.state.is_drift]
    if json:
        report.document(
            {"stack": chosen.stack, "drift": len(drift), "secrets": [row.document() for row in rows]},
        )
    elif rows:
        now = datetime.now(UTC)
        columns = ("NAME", "GENERATION", "AGE", "STATE", "USED BY", "DETAIL")
        report.table(columns, [row.cells(now) for row in rows])
        report.result(
            f"{report.counted(len(drift), 'secret')} not as it should be"
            if drift
            else "vault, swarm and services have the same"
        )
    else:
        report.result(f"the stack {chosen.stack} has no secrets, neither in a vault nor in a swarm")
    if facts.vault is None and drift:
        report.say(f"there is no vault at {chosen.vault_path}; if it is lost: invoke secrets.adopt")
    if drift:
        raise Exit(code=2)


@task(
    help={
        "dry_run": "Show what would be taken over, and change nothing (exit status 2 if anything would).",
        "yes": "Do it without asking.",
        "json": "Print one JSON document.",
    },
)
def adopt(_c: Context, dry_run: bool = False, yes: bool = False, json: bool = False) -> None:
    """Take what a running stack has into the vault: one made by hand, or whose vault is lost; restarts nothing."""
    from secrets_quickstart.operations import adoption

    chosen = settings()
    todo = adoption.plan(chosen)
    changes = bool(todo.actions)
    if changes and not dry_run:
        if not yes:
            agree(chosen.stack, todo.lines())
        todo = adoption.adopt(chosen, "invoke secrets.adopt")
    if json:
        report.document(todo.document())
    else:
        for line in todo.lines() if dry_run or yes or not changes else ():
            report.result(line)
        if not changes:
            report.result("nothing to do")
        elif not dry_run:
            report.result("the vault has what runs; invoke plan shows what a deploy would change")
    if changes and dry_run:
        raise Exit(code=2)


def _write(path: Path, content: bytes) -> None:
    """Leaves a file with the same content alone, refuses to replace one with another, and leaves no half of one."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if path.read_bytes() == content:
                return
            raise UsageError(f"{path} was not written", why="another file is there", fix="name an empty directory")
        unfinished.write_bytes(content)
        unfinished.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)
        unfinished.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise HostError(f"{path} cannot be written", why=error.strerror or str(error), fix="name another") from None


@task(
    help={
        "names": "As `invoke secrets.list` shows them, with commas between.",
        "all": "Everything that can be renewed but the certificate authority, which all clients would have to be told.",
        "older-than": "What has had its value for longer, in hours or days: 90d.",
        "dry-run": "Show which would get new values (exit status 2 if any), and change nothing.",
        "json": "Print one JSON document.",
    }
)
def rotate(
    _c: Context,
    names: str = "",
    all: bool = False,  # noqa: A002  # the flag is --all
    older_than: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Give secrets new values, and have everybody learn them; if anything fails, the old ones come back."""
    from secrets_quickstart.operations import rotation
    from secrets_quickstart.operations.rotation_choice import Wish

    wished = tuple(names.replace(",", " ").split())
    wish = Wish(wished, all, duration("--older-than", older_than) if older_than else None)
    chosen = settings()
    if dry_run:
        wanted = rotation.plan(chosen, wish)
        if json:
            report.document({"names": wanted})
        else:
            for name in wanted:
                report.result(f"{name} would get a new value")
            if not wanted:
                report.result("nothing to do")
        if wanted:
            raise Exit(code=UsageError.status)
        return
    done = rotation.rotate(chosen, wish, "invoke secrets.rotate")
    if json:
        report.document({"names": done.names, "seconds": round(done.seconds, 1), "afterwards": done.afterwards})
        return
    if not done.names:
        report.result("nothing to do")
        return
    report.result(f"new values, verified: {', '.join(done.names)} ({done.seconds:.0f} s)")
    for text in done.afterwards:
        report.result(text)


ns = Collection("secrets", list_, show, import_, export_public, status, adopt, rotate)
