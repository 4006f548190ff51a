"""Bringing a database of FlowAuth before 1.18.1 to today's tables, and back.  How it is reached is `flowauth_database`.

A dump comes first.  Whatever is cut off, the next run looks at what there is and goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secrets_quickstart import audit, report
from secrets_quickstart.checks import verification, verification_places
from secrets_quickstart.checks.check import Finding, Status
from secrets_quickstart.checks.flowauth_place import EDGE, flowauth_place
from secrets_quickstart.checks.verification_guests import ADMIN, ADMIN_PASSWORD
from secrets_quickstart.clients.flowauth import CodeNeeded, FlowauthClient
from secrets_quickstart.errors import QuickstartError, ServiceError, UsageError
from secrets_quickstart.operations import flowauth_tables
from secrets_quickstart.operations.flowauth_database import Site, site
from secrets_quickstart.operations.flowauth_session import is_there
from secrets_quickstart.operations.flowauth_tables import Census, Note, census
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.dumps import Postgresql

FLASK = ("sh", "-c", 'cd /FlowKit-*/flowauth/backend 2>/dev/null; exec flask db "$@"', "sh")
"""Where FlowAuth's documentation says to run it; the official image and ours know their secrets by themselves."""
HEAD = "(head)"
"""What alembic says beside the newest revision."""
DEPLOY = "invoke deploy --target flowauth"
AGAIN = "invoke flowauth.migrate"


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was done, or would be."""

    actions: tuple[str, ...]
    before: Census | None
    """None where it could not be looked at without starting it."""
    after: Census | None = None
    dump: Path | None = None
    """The one that leads back."""
    findings: tuple[Finding, ...] = ()
    next: tuple[str, ...] = ()
    """What is left for the operator to do, a line each."""

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "actions": list(self.actions),
            "changes": len(self.actions),
            "dump": None if self.dump is None else str(self.dump),
            "before": None if self.before is None else self.before.document(),
            "after": None if self.after is None else self.after.document(),
            "upload_again": [] if self.after is None else list(self.after.without_scopes),
            **verification.document(self.findings),
            "next": list(self.next),
        }


@dataclass(slots=True)
class _Doing:
    """Says each action as it is begun, and keeps it for the end."""

    actions: list[str] = field(default_factory=list)

    def __call__(self, action: str) -> None:
        report.say(f"migrate: {action}")
        audit.note(action)
        self.actions.append(action)


def migrate(settings: Settings, folder: Path | None, tell: Tell, *, dry_run: bool = False) -> Migrated:
    """Dump, upgrade, check; as far as FlowAuth runs.  `folder` is where the dump goes.

    Raises VerificationFailed when something is not as it was before, ServiceError when the upgrade fails.
    """
    with site(settings, AGAIN, tell) as found:
        if dry_run and not found.runs:
            return Migrated((_dumping(found, found.new_dump(folder)),), None, next=(DEPLOY, AGAIN))
        with found.database() as database:
            return _migrate(found, database, folder, dry_run=dry_run)


def _migrate(found: Site, database: Postgresql, folder: Path | None, *, dry_run: bool) -> Migrated:
    before, identity = census(database), flowauth_tables.identifier(database)
    note = Note.read(found.note)
    if note is not None and note.identifier != identity:
        note = None
    if not before.is_flowauth:
        return Migrated((), before, next=(f"nothing is in it yet: FlowAuth makes its tables as it starts ({DEPLOY})",))
    if not before.is_old and found.data.claim is not None and (note is None or note.checked):
        return Migrated((), before, before, note.dump if note is not None else None, next=_uploads(before))
    doing = _Doing()
    fresh = before.is_old or note is None
    path = found.new_dump(folder) if fresh else note.dump if note is not None else found.new_dump(folder)
    container = found.flowauth()
    if dry_run:
        planned = [_dumping(found, path)] if fresh else []
        return Migrated((*planned, *((UPGRADE, CHECK) if container is not None else ())), before)
    if fresh:
        doing(_dumping(found, path))
        database.dump(path)
        note = Note(identity, path, before.users, before.servers)
        note.write(found.note)
    if found.data.claim is None:
        doing(f"note in the vault that the {found.place} holds database {identity}")
        found.vault.claim(found.place.identity, {"identifier": identity, "sample": False})
    if container is None or note is None:
        return Migrated(tuple(doing.actions), before, dump=path, next=(f"{DEPLOY}: FlowAuth upgrades it", AGAIN))
    doing(UPGRADE)
    _upgrade(found, container, note)
    if census(database).is_old:
        newer = "set CONTAINER_TAG to a FlowAuth of 1.18.1 or later: the one that runs knows no other tables"
        return Migrated(tuple(doing.actions), before, before, path, next=(newer, DEPLOY, AGAIN))
    return _checked(found, database, container, note, before, doing)


UPGRADE = "upgrade the tables: flask db upgrade in FlowAuth's container"
CHECK = "check revision, tables, users, servers and the admin's sign-in"


def _dumping(found: Site, path: Path) -> str:
    return f"dump FlowAuth's database in the {found.place} to {path}"


def _upgrade(found: Site, container: str, note: Note) -> None:
    done = containers.execute(found.engine, container, (*FLASK, "upgrade"))
    if done.status:
        raise ServiceError(
            "FlowAuth's tables could not be upgraded",
            why=done.log[-1] if done.log else f"flask db upgrade ended with status {done.status}",
            fix=f"see the lines above; {_way_back(note.dump)}",
            log=done.log,
        )


def _checked(found: Site, database: Postgresql, container: str, note: Note, before: Census, doing: _Doing) -> Migrated:
    doing(CHECK)
    after = census(database)
    current = containers.execute(found.engine, container, (*FLASK, "current"))
    findings = (*_judged(note, after, current.stdout), _dump_is_whole(database, note.dump), _signed_in(found, doing))
    verification.require(
        Finding(item.check, item.status, item.detail, item.fix or _way_back(note.dump)) for item in findings
    )
    Note(note.identifier, note.dump, note.users, note.servers, checked=True).write(found.note)
    return Migrated(tuple(doing.actions), before, after, note.dump, findings, _uploads(after))


def _judged(note: Note, after: Census, current: str) -> list[Finding]:
    lost = sorted(set(note.users) - set(after.users))
    gone = sorted(set(note.servers) - set(after.servers))
    said = current.strip().splitlines()
    return [
        _finding("revision", HEAD in current, said[-1] if said else "alembic does not say which"),
        _finding("tables", after.is_new, "as FlowAuth has them since 1.18.1" if after.is_new else "not all are there"),
        _finding("users", not lost, f"{', '.join(lost)} are missing" if lost else f"all {len(note.users)}"),
        _finding("servers", not gone, f"{', '.join(gone)} are missing" if gone else f"all {len(note.servers)}"),
    ]


def _finding(check: str, fine: bool, detail: str) -> Finding:
    return Finding(check, Status.OK if fine else Status.OBSTACLE, detail)


def _dump_is_whole(database: Postgresql, dump: Path) -> Finding:
    try:
        _readable(database, dump)
    except QuickstartError as problem:
        return Finding("dump", Status.OBSTACLE, str(problem), "bring the dump back: nothing else leads back")
    return Finding("dump", Status.OK, str(dump))


def _signed_in(found: Site, doing: _Doing) -> Finding:
    """A FlowAuth that ran on the old tables has not seen to its admin in the new ones: it does so as it starts."""
    first = _sign_in(found)
    if first.status is not Status.OBSTACLE:
        return first
    doing("restart FlowAuth, which then gives its admin the vault's password")
    found.stop_flowauth()
    found.start_flowauth()
    return _sign_in(found)


def _sign_in(found: Site) -> Finding:
    """As people do it: through the edge, with the vault's password."""
    world = verification_places.world(found.settings, found.engine, found.vault)
    user, password = world.secret(ADMIN), world.secret(ADMIN_PASSWORD)
    if user is None or password is None or not is_there(world, EDGE):
        return Finding("sign-in", Status.SKIPPED, "FlowAuth's edge does not run here")
    try:
        with FlowauthClient(flowauth_place(found.settings, world)) as client:
            client.sign_in(user.text(), password)
    except CodeNeeded:
        return Finding("sign-in", Status.OK, f"{user.text()}, up to the two-factor code")
    except QuickstartError as problem:
        return Finding("sign-in", Status.OBSTACLE, str(problem), problem.fix)
    return Finding("sign-in", Status.OK, user.text())


def _uploads(after: Census) -> tuple[str, ...]:
    return tuple(
        f"upload {server}'s specification, and make its roles: invoke flowauth.link --server {server}"
        for server in after.without_scopes
    )


def _way_back(dump: Path) -> str:
    return f"invoke flowauth.migrate --back-to {dump} leads back"


def look_back(settings: Settings, dump: Path, tell: Tell) -> tuple[str, ...]:
    """What going back to the dump does; raises ServiceError for one that is not whole, or not FlowAuth's."""
    with site(settings, AGAIN, tell) as found, found.database() as database:
        return _actions_back(found, _readable(database, dump), dump)


def go_back(settings: Settings, dump: Path, folder: Path | None, tell: Tell) -> Migrated:
    """Put what is in the dump in the place of all that FlowAuth's database holds, which is dumped before.

    A FlowAuth of today would upgrade tables of before 1.18.1 at once, so it stays stopped on them.
    """
    with site(settings, AGAIN, tell) as found, found.database() as database:
        tables = _readable(database, dump)
        doing = _Doing()
        before = census(database)
        safe = found.new_dump(folder)
        if before.is_flowauth:
            doing(_dumping(found, safe))
            database.dump(safe)
        stop, restore, *start = _actions_back(found, tables, dump)
        doing(stop)
        found.stop_flowauth()
        doing(restore)
        database.restore(dump)
        after = census(database)
        if after.is_old:  # whoever upgrades them, it is checked against this
            identity = flowauth_tables.identifier(database)
            Note(identity, dump.absolute(), after.users, after.servers).write(found.note)
        else:
            flowauth_tables.forget(found.note)
        if start:
            doing(start[0])
            found.start_flowauth()
            left: tuple[str, ...] = ()
        else:
            left = (
                "FlowAuth is stopped: one of 1.18.1 or later would upgrade these tables as it starts",
                f"set CONTAINER_TAG to the FlowAuth that they belong to; or have them upgraded: {DEPLOY}, {AGAIN}",
            )
        return Migrated(tuple(doing.actions), before, after, safe if before.is_flowauth else None, next=left)


def _readable(database: Postgresql, dump: Path) -> frozenset[str]:
    """Its tables.  Raises UsageError for a file that is not there, ServiceError for no dump of FlowAuth's."""
    if not dump.is_file():
        raise UsageError(f"there is no dump {dump}", fix="name the file that invoke flowauth.migrate has written")
    database.require_whole(dump)
    tables = database.tables(dump)
    if not Census(tables).is_flowauth:
        raise ServiceError(
            f"{dump} is no dump of FlowAuth's database",
            why=f"its tables are {', '.join(sorted(tables)) or 'none'}",
            fix="name the file that invoke flowauth.migrate has written",
        )
    return tables


def _actions_back(found: Site, tables: frozenset[str], dump: Path) -> tuple[str, ...]:
    actions = (
        "stop FlowAuth",
        f"put what is in {dump} in the place of all that the {found.place} holds, in one transaction",
    )
    return actions if Census(tables).is_old else (*actions, "start FlowAuth")
