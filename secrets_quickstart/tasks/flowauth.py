"""`flowauth.*`: FlowAPIs, roles and users in FlowAuth, and its migration; what is done there is in `operations.links`,
`.users` and `.migration`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.errors import UsageError
from secrets_quickstart.tasks.inputs import given, path
from secrets_quickstart.tasks.task import agree, settings, task

if TYPE_CHECKING:
    from secrets_quickstart.operations.migration import Migrated
    from secrets_quickstart.sensitive import Sensitive
    from secrets_quickstart.settings import Settings

CODE = "The admin's two-factor code, if that is on; it is used up by this."
USER = "The user's name."
ROLE = "A role to put them into; may be given several times."
SERVER = "The FlowAPI whose role that is, where more than one has it."
STDIN = "Read the password from standard input instead of making one."


@task(
    help={
        "server": "The name that the FlowAPI has to have (FLOWAPI_IDENTIFIER); only checked.",
        "spec": "Its specification: https://HOST:PORT or a file, JSON or YAML; this stack's FlowAPI if not given.",
        "roles": "The file of roles; FLOWAUTH_ROLES_FILE if not given.",
        "ca": "A file with the authority that signed that FlowAPI's certificate; the vault's if not given.",
        "code": CODE,
        "dry_run": "Show what would change, and change nothing (exit status 2 if anything would).",
        "json": "Print one JSON document.",
    }
)
def link(
    _c: Context,
    server: str = "",
    spec: str = "",
    roles: str = "",
    ca: str = "",
    code: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Register a FlowAPI in FlowAuth, and bring its scopes, limits and roles to what is written."""
    from secrets_quickstart.operations import links

    order = links.LinkOrder(spec, server, path(roles), path(ca), code)
    done = links.link(settings(), order, dry_run=dry_run)
    if json:
        report.document(done.document())
    else:
        for line in done.lines() if dry_run else ():
            report.result(line)
        for item in done.plan.unchanged:
            report.result(f"({item})")
        report.result(report.counted(done.changes, "change") if done.changes else "nothing to do")
    if dry_run and done.changes:
        raise Exit(code=2)


@task(help={"code": CODE, "json": "Print one JSON document."})
def users(_c: Context, code: str = "", json: bool = False) -> None:
    """List FlowAuth's users: admins, two-factor authentication, roles."""
    from secrets_quickstart.operations.users import listed

    rows = listed(settings(), code)
    if json:
        report.document([row.document() for row in rows])
        return
    report.table(
        ("NAME", "ADMIN", "TWO-FACTOR", "ROLES"),
        [
            (
                row.user.name,
                "yes" if row.user.is_admin else "no",
                row.two_factor,
                ", ".join(f"{role.name} of {role.server}" for role in row.roles),
            )
            for row in rows
        ],
    )


@task(
    positional=["name"],
    iterable=["role"],
    help={
        "name": USER,
        "role": ROLE,
        "server": SERVER,
        "admin": "Make them an admin of FlowAuth.",
        "password_stdin": STDIN,
        "code": CODE,
    },
)
def add_user(
    _c: Context,
    name: str,
    role: list[str] | None = None,
    server: str = "",
    admin: bool = False,
    password_stdin: bool = False,
    code: str = "",
) -> None:
    """Make a user, and print the password that they begin with, once."""
    from secrets_quickstart.operations.users import add

    password = _password(password_stdin)
    made = add(settings(), code, name, password, roles=role or (), server=server, is_admin=admin)
    report.say(f"FlowAuth has a user {name}")
    _show(made, password)


@task(positional=["name"], help={"name": USER, "code": CODE})
def disable_user(_c: Context, name: str, code: str = "") -> None:
    """Shut a user out: a password that nobody knows, no roles, no admin's rights; enable-user lets them in again."""
    from secrets_quickstart.operations.users import disable

    before = disable(settings(), code, name)
    report.result(f"{name} cannot sign in any more, and may have no new tokens")
    if before.tokens_end is not None:
        report.result(
            f"tokens made before are valid until they end, the last on {before.tokens_end:%Y-%m-%d %H:%M} UTC"
        )
    for held in before.roles:
        report.result(f"to undo: invoke flowauth.enable-user {name} --role {held.name} --server {held.server}")
    if before.was_admin:
        report.result(f"{name} was an admin; FlowAuth's page makes them one again")


@task(
    positional=["name"],
    iterable=["role"],
    help={"name": USER, "role": ROLE, "server": SERVER, "password_stdin": STDIN, "code": CODE},
)
def enable_user(
    _c: Context,
    name: str,
    role: list[str] | None = None,
    server: str = "",
    password_stdin: bool = False,
    code: str = "",
) -> None:
    """Let a user in again who was disabled: a new password, printed once, and roles."""
    from secrets_quickstart.operations.users import enable

    chosen, password = settings(), _password(password_stdin)
    made = enable(chosen, code, name, password, roles=role or (), server=server)
    _say_of_the_vault(chosen, name)
    _show(made, password)


@task(positional=["name"], help={"name": USER, "password_stdin": STDIN, "code": CODE})
def reset_password(_c: Context, name: str, password_stdin: bool = False, code: str = "") -> None:
    """Give a user a new password, and print it, once."""
    from secrets_quickstart.operations.users import reset_password as reset

    chosen, password = settings(), _password(password_stdin)
    made = reset(chosen, code, name, password)
    _say_of_the_vault(chosen, name)
    _show(made, password)


@task(positional=["name"], help={"name": USER, "code": CODE})
def reset_two_factor(_c: Context, name: str, code: str = "") -> None:
    """Let a user in who lost their two-factor codes: their password alone will do."""
    from secrets_quickstart.operations.users import reset_two_factor as reset

    if reset(settings(), code, name):
        report.result(f"{name} signs in without a code, until they set it up again")
    else:
        report.result(f"nothing to do: {name} has no two-factor authentication")


@task(
    help={
        "folder": "Where the dump goes; only you may be able to read it. The folder of the stack's vault if not given.",
        "back_to": "A dump of this command's: put what is in it in the place of all that FlowAuth has now.",
        "yes": "Go back without asking.",
        "dry_run": "Show what would be done, and do nothing (exit status 2 if anything would).",
        "json": "Print one JSON document.",
    }
)
def migrate(
    _c: Context, folder: str = "", back_to: str = "", yes: bool = False, dry_run: bool = False, json: bool = False
) -> None:
    """Upgrade the database of a FlowAuth before 1.18.1: dump, upgrade, check; or go back to the dump."""
    from secrets_quickstart.operations import migration

    chosen, dump = settings(), path(back_to)
    if dump is not None:
        with report.progress("services") as board:
            lines = migration.look_back(chosen, dump, board.update)
        if not dry_run and not yes:
            agree(chosen.stack, lines)
    with report.progress("services") as board:
        if dump is None:
            done = migration.migrate(chosen, path(folder), board.update, dry_run=dry_run)
        elif dry_run:
            done = migration.Migrated(lines, None)
        else:
            done = migration.go_back(chosen, dump, path(folder), board.update)
    if json:
        report.document(done.document())
    else:
        _tell_of_migration(done, dry_run=dry_run)
    if dry_run and done.actions:
        raise Exit(code=2)


def _tell_of_migration(done: Migrated, *, dry_run: bool) -> None:
    for line in done.actions if dry_run else ():
        report.result(line)
    for item in done.findings:
        report.result(f"{item.check}: {item.status.value}, {item.detail}")
    if done.dump is not None and done.actions:
        report.result(f"the dump that leads back: {done.dump}")
    if not done.actions:
        report.result("nothing to do")
    for line in done.next:
        report.result(f"next: {line}")


def _password(from_stdin: bool) -> Sensitive | None:
    """One line; None when none is given.  Raises UsageError."""
    from secrets_quickstart.sensitive import Sensitive

    if not from_stdin:
        return None
    line = given("-").reveal().removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise UsageError("standard input holds no password", why="it has to be one line of text", fix="give one")
    return Sensitive(text)


def _show(made: Sensitive, given_password: Sensitive | None) -> None:
    if given_password is None:
        report.say("the password, which is shown only this once:")
        report.result(made.text())


def _say_of_the_vault(chosen: Settings, name: str) -> None:
    if name == chosen["FLOWAUTH_ANALYST_USER"]:
        report.say("the vault's FLOWAUTH_ANALYST_PASSWORD is theirs no more: invoke secrets.import keeps the new one")


ns = Collection("flowauth", link, users, add_user, disable_user, enable_user, reset_password, reset_two_factor, migrate)
