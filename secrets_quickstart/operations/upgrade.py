"""Upgrading: other images for what runs, to the end or back to where it was; how back is `upgrade_back`.

Images come first, then a backup, then the note in the vault that an upgrade is under way.  From there on the stack is
deployed component by component, the databases are held against what they held, and everything is verified.  Whoever
finds the note carries on.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from secrets_quickstart import audit, report
from secrets_quickstart.checks import preflight
from secrets_quickstart.checks.check import Finding
from secrets_quickstart.checks.data import places
from secrets_quickstart.errors import QuickstartError, ServiceError, UsageError, VerificationFailed
from secrets_quickstart.host import files
from secrets_quickstart.material.sealing import Sealer
from secrets_quickstart.operations import backup, course, deploy, upgrade_data, upgrade_plan
from secrets_quickstart.operations.deployment import Deployment, Order, order_of_deployed
from secrets_quickstart.operations.upgrade_back import WayBack
from secrets_quickstart.operations.upgrade_note import Former, UnderWay
from secrets_quickstart.operations.upgrade_plan import Change, Facts
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import FILE, Settings
from secrets_quickstart.steps import roles
from secrets_quickstart.swarm import images, services
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of, storage, vault_lock

TAG = "CONTAINER_TAG"
BACKUPS = "backups"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    tag: str = ""
    """Of the official images; "" for what the settings say."""
    backups: Path | None = None
    """The directory that the backup goes into; None for the one beside the stacks' own."""
    passphrase: Sensitive | None = None
    """What the backup is sealed with; not needed where there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What an upgrade would do."""

    changes: tuple[Change, ...]
    interrupted: bool = False
    """Whether one is under way, which would be brought to its end first."""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What came of it."""

    changes: tuple[Change, ...] = ()
    backup: str = ""
    """Its folder."""
    seconds: float = 0.0
    carried_on: bool = False
    afterwards: tuple[str, ...] = ()
    """What people have to do."""


def backups_of(settings: Settings) -> Path:
    """Where backups go unless a directory is named; no purge deletes what is in there."""
    return settings.state_dir.parent / BACKUPS


def plan(settings: Settings, wish: Wish) -> Planned:
    """What would be upgraded; changes nothing.  Raises PreflightFailed for what stands in the way."""
    engine = Engine(settings.base_environment)
    vault = Vault.open(settings.vault_path, key_of(settings))
    pending = UnderWay.read(vault)
    if pending is not None:
        return Planned((), interrupted=True)
    order = order_of_deployed(settings, engine)
    wanted = Deployment(tagged(settings, wish.tag), order, engine, vault, lambda _: None)
    found = _facts(settings, wish.tag, engine, vault, wanted)
    preflight.raise_on_obstacles(upgrade_plan.findings(found))
    return Planned(found.changes)


def upgrade(settings: Settings, wish: Wish, command: str) -> Upgraded:
    """Have every service run the wanted image, and return when all of it has been verified.

    One that was interrupted is brought to its end first.  When something fails, everything is put back as it was, and
    the error is raised.  Raises PreflightFailed, with nothing changed, for what stands in the way.
    """
    with vault_lock(settings.vault_path, command), report.progress("upgrade") as board:
        begun = time.monotonic()
        engine = Engine(settings.base_environment)
        vault = Vault.open(settings.vault_path, key_of(settings))
        order = order_of_deployed(settings, engine)
        pending = UnderWay.read(vault)
        done = Upgraded()
        if pending is not None:
            report.say(f"upgrade: {'going back with' if pending.back else 'carrying on with'} what was interrupted")
            course_of = _Course(settings, pending.tag, engine, vault, order, _passphrase(wish), board)
            course_of.to_its_end(pending)
            settings = course_of.wanted
            former = {name: service.image for name, service in pending.services.items()}
            carried = Facts(former, course_of.deployment.references()).changes
            done = Upgraded(carried, pending.backup, carried_on=True, afterwards=pending.afterwards)
        course_of = _Course(settings, wish.tag, engine, vault, order, wish.passphrase, board)
        found = _facts(settings, wish.tag, engine, vault, course_of.deployment)
        if not found.changes:
            return replace(done, seconds=time.monotonic() - begun)
        course_of.require_ready(upgrade_plan.findings(found))
        under_way = course_of.begin(found, wish.backups or backups_of(settings), _passphrase(wish))
        course_of.to_its_end(under_way)
        seconds = time.monotonic() - begun
        return Upgraded(found.changes, under_way.backup, seconds, done.carried_on, under_way.afterwards)


def tagged(settings: Settings, tag: str) -> Settings:
    """The settings with another release; raises UsageError where something else decides which it is."""
    if not tag:
        return settings
    if settings.where(TAG) == "environment" and settings[TAG] != tag:
        raise UsageError(
            f"{TAG} is {settings[TAG]} in the environment", fix=f"set it to {tag} there, and run this without --tag"
        )
    return settings.with_overrides({TAG: tag}, "--tag")


def _facts(settings: Settings, tag: str, engine: Engine, vault: Vault, deployment: Deployment) -> Facts:
    """Raises UsageError for a release that would not be taken: `auto` keeps to local images where they run."""
    found = upgrade_plan.facts(settings, engine, vault, deployment)
    if tag and any(images.is_local(reference) for reference in found.wanted.values()):
        raise UsageError(
            "local images have no tag to choose",
            why="the stack runs them, or FLOWKIT_IMAGES says so",
            fix="run this without --tag: images that have changed are built",
        )
    return found


def _passphrase(wish: Wish) -> Sensitive:
    if wish.passphrase is None:
        raise UsageError(
            "a backup comes before an upgrade, and it is not said what seals it",
            fix="give --passphrase-file FILE, a file that only you can read",
        )
    return wish.passphrase


class _Course:
    """One upgrade."""

    def __init__(
        self,
        settings: Settings,
        tag: str,
        engine: Engine,
        vault: Vault,
        order: Order,
        passphrase: Sensitive | None,
        board: report.Progress,
    ) -> None:
        self._settings = settings
        self.wanted = tagged(settings, tag)
        self._tag = tag
        self._engine = engine
        self._vault = vault
        self._order = order
        self._passphrase = passphrase
        self._board = board
        self.deployment = Deployment(self.wanted, order, engine, vault, board.update)

    def require_ready(self, found: tuple[Finding, ...]) -> None:
        """Raise what stands in the way, while nothing has been changed."""
        if roles.UNDER_WAY in self._vault.claims:
            raise UsageError("a rotation was interrupted", fix="invoke secrets.rotate carries it on; do that first")
        preflight.raise_on_obstacles((*found, *deploy.check(self.wanted, self._order, self._engine)))

    def begin(self, facts: Facts, directory: Path, passphrase: Sensitive) -> UnderWay:
        """Images, a backup, and the note of what leads back."""
        for change in facts.changes:
            report.say(f"upgrade: {change}")
        course.carry_out([[self.deployment.images]])
        report.say(f"upgrade: a backup into {directory}")
        made = backup.taken(self._settings, directory, Sealer.with_passphrase(passphrase), self._board.update)
        for name in made.manifest.elsewhere:
            report.say(
                f"warning: the database of {name} is elsewhere: it is not in the backup, and nothing puts it back"
            )
        found = services.state(self._engine, self._settings.stack).services
        cared_for = places(self._settings, self._order.components)
        under_way = UnderWay(
            self._tag,
            str(made.folder),
            made.manifest.created,
            {name: Former(service.spec) for name, service in found.items()},
            upgrade_data.of_running(self._settings, self._engine, cared_for),
            upgrade_plan.afterwards(facts),
        )
        audit.note(*(f"upgrade: {change}" for change in facts.changes))
        under_way.note(self._vault)
        return under_way

    def to_its_end(self, under_way: UnderWay) -> None:
        """Where it was going; when something fails, back.  Raises ServiceError when it was on its way back already."""
        if under_way.back:
            after = self._back(under_way)
            raise ServiceError(
                "the upgrade that was interrupted had failed, and the former version runs again",
                why="; ".join(after.restored.values()),
                fix="see invoke audit and invoke logs for why it failed; this command tries it again",
            )
        try:
            self._forward(under_way)
        except QuickstartError as problem:
            report.say(f"upgrade: {problem}")
            report.say("upgrade: everything is put back as it was")
            audit.note("upgrade: put everything back as it was")
            back = replace(under_way, back=True)
            back.note(self._vault)
            try:
                back = self._back(back)
            except QuickstartError as second:
                second.why = f"{second.why or second.what}; and before: {problem}"
                second.what = "the upgrade failed, and so did going back"
                second.fix = "mend that, then run the upgrade again: it goes on from here"
                raise second from problem
            problem.what = "; ".join(
                (f"the upgrade failed, and the former version runs again: {problem.what}", *back.restored.values())
            )
            raise

    def _forward(self, under_way: UnderWay) -> None:
        deploy.carry_out(self.deployment, rolling=True)
        for component, before in under_way.answers.items():
            [place] = places(self._settings, [component])
            now = upgrade_data.answers(upgrade_data.running(self._settings, self._engine, place))
            if gone := upgrade_data.lost(component, before, now):
                raise VerificationFailed(
                    f"the new version has lost something of {place.database.title}",
                    why="; ".join(gone[:5]),
                    fix="see the log of the service, and tell those who made the image",
                )
        deploy.verify(self.wanted, self._order, self._engine, self._vault)
        deploy.note_verified(self.wanted, self._order, self._engine)
        self._keep_tag()
        under_way.finish(self._vault)

    def _back(self, under_way: UnderWay) -> UnderWay:
        if self._passphrase is None:
            raise AssertionError("an upgrade that has begun has a passphrase")
        way = WayBack(self._settings, self._engine, self._vault, self._order, self._passphrase, self._board.update)
        after = way.go(under_way)
        deploy.verify(self._settings, self._order, self._engine, self._vault)
        deploy.note_verified(self._settings, self._order, self._engine)
        under_way.finish(self._vault)
        return after

    def _keep_tag(self) -> None:
        path = self._settings.folder / FILE
        if self._tag and self._settings[TAG] != self._tag:
            report.say(f"upgrade: {TAG}={self._tag} goes into {path}")
            audit.note(f"upgrade: write {TAG}={self._tag} into {path}")
            keep_tag(path, self._tag)


def keep_tag(path: Path, tag: str) -> None:
    """Write the release into `.env`: the next deployment would go back to the former one."""
    line = f"{TAG}={tag}"
    if not path.exists():
        files.write_new(path, [f"{line}\n".encode()], 0o600)
        return
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(rf"^[ \t]*(?:export[ \t]+)?{TAG}[ \t]*=.*$", line, text, flags=re.MULTILINE)
    if not count:
        changed = f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"
    storage.replace(path, changed.encode())
