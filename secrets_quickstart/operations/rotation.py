"""Giving secrets new values, to the end or back to the old ones; which secrets may be is `rotation_choice`.

All of them go together: the vault gets the new values and a note that says so, in one write.  Then the databases are
told, the stack is deployed and verified, and what the swarm holds of former generations is removed.  Whoever finds the
note carries on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from secrets_quickstart import audit, report
from secrets_quickstart.catalog.labels import GENERATION, NAME, STACK
from secrets_quickstart.catalog.rotation import AFTERWARDS, SEALING_OF, Sealing
from secrets_quickstart.catalog.secrets import BY_NAME
from secrets_quickstart.checks import preflight
from secrets_quickstart.checks.custody_checks import WEAK
from secrets_quickstart.checks.facts_custody import weaknesses
from secrets_quickstart.errors import QuickstartError, ServiceError, UsageError
from secrets_quickstart.material.generation import Choices, generate
from secrets_quickstart.operations import course, deploy, upgrade_note
from secrets_quickstart.operations.deployment import Deployment, Order, order_of_deployed
from secrets_quickstart.operations.rotation_choice import Wish, chosen
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.roles import UNDER_WAY
from secrets_quickstart.swarm import containers, images, secrets, services
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Origin, Vault, key_of, vault_lock

WITH_ITS_SECRETS = """
import os, pathlib, sys
for file in pathlib.Path("/run/secrets").iterdir():
    os.environ.setdefault(file.name, file.read_text().strip())
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Runs a program as a service's entrypoint would: what it is told is in files, and it reads its environment."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What the vault notes of a rotation until it has come to its end."""

    names: tuple[str, ...]
    before: Mapping[str, int]
    """The generation of everything in the vault when it began."""
    back: bool = False
    """Whether the old values are being put back."""

    @classmethod
    def read(cls, vault: Vault) -> UnderWay | None:
        found = vault.claims.get(UNDER_WAY)
        return None if found is None else cls(tuple(found["names"]), found["before"], found["back"])

    def note(self, vault: Vault) -> None:
        vault.claim(UNDER_WAY, asdict(self))


@dataclass(frozen=True, slots=True)
class Rotated:
    """What came of it."""

    names: tuple[str, ...]
    """In table order; empty when there was nothing to do."""
    seconds: float = 0.0

    @property
    def afterwards(self) -> tuple[str, ...]:
        """What people have to do."""
        return tuple(AFTERWARDS[name] for name in self.names if name in AFTERWARDS)


def plan(settings: Settings, wish: Wish) -> tuple[str, ...]:
    """The names of the secrets that would get new values; changes nothing."""
    engine = Engine(settings.base_environment)
    vault = Vault.open(settings.vault_path, key_of(settings))
    order = order_of_deployed(settings, engine)
    return _chosen(settings, engine, vault, order, wish)


def rotate(settings: Settings, wish: Wish, command: str) -> Rotated:
    """Give the secrets new values, and return when everything has been verified with them.

    A rotation that was interrupted is carried on first.  When something fails, the old values come back, and the error
    is raised.  Raises UsageError for what cannot be rotated, and when the stack is not as it would be deployed now.
    """
    with vault_lock(settings.vault_path, command):
        begun = time.monotonic()
        engine = Engine(settings.base_environment)
        vault = Vault.open(settings.vault_path, key_of(settings))
        upgrade_note.require_none(vault)
        order = order_of_deployed(settings, engine)
        course_of = _Course(settings, engine, vault, order)
        done: tuple[str, ...] = ()
        pending = UnderWay.read(vault)
        if pending is not None:
            report.say(f"rotate: carrying on with {', '.join(pending.names)}, which was interrupted")
            course_of.to_its_end(pending)
            done = () if pending.back else pending.names
        names = tuple(name for name in _chosen(settings, engine, vault, order, wish) if name not in done)
        if names:
            course_of.require_ready(names)
            course_of.to_its_end(course_of.begin(names))
            done += names
        return Rotated(tuple(name for name in BY_NAME if name in done), time.monotonic() - begun)


def _chosen(settings: Settings, engine: Engine, vault: Vault, order: Order, wish: Wish) -> tuple[str, ...]:
    present = services.state(engine, settings.stack).services
    local = [name for name in order.components if name in present and images.is_local(present[name].image)]
    return chosen(wish, vault, order.components, settings, datetime.now(UTC), local=local)


class _Course:
    """One deployment, brought to where the vault has gone."""

    def __init__(self, settings: Settings, engine: Engine, vault: Vault, order: Order) -> None:
        self._settings = settings
        self._engine = engine
        self._vault = vault
        self._order = order

    def require_ready(self, names: Sequence[str]) -> None:
        """Raise UsageError when a deployment would change anything else: a rotation goes back if anything fails.

        A stack that was adopted with weak values cannot be brought up to date first, because that is refused over them:
        a rotation of all of these does so on its way.  Raises PreflightFailed for what else is in that one's way.
        """
        steps = Deployment(self._settings, self._order, self._engine, self._vault, lambda _: None)
        planned = course.plan([step for lane in steps.preparation() for step in lane])
        planned += course.plan([steps.stack()])
        weak = weaknesses({name: self._vault.value(name) for name in self._vault.names()})
        if weak and weak.keys() <= {*names}:
            findings = deploy.check(self._settings, self._order, self._engine)
            preflight.raise_on_obstacles(item for item in findings if item.check != WEAK)
            course.carry_out([[steps.data()]])  # the data is known to be ours by the values that it was made with
            return
        first = next((action for item in planned for action in item.plan.actions), None)
        if first is not None:
            raise UsageError(
                "nothing is rotated",
                why=f"the stack is not as it would be deployed now ({first})",
                fix="bring it up to date: invoke deploy, with the targets that were deployed; then run this again",
            )

    def begin(self, names: Sequence[str]) -> UnderWay:
        """New values and the note of them, in one write."""
        vault = self._vault
        under_way = UnderWay(tuple(names), {name: vault.generation(name) for name in vault.names()})
        choices = Choices(self._settings.password_length, self._settings.texts())
        audit.note(*(f"rotate: give {name} a new value" for name in names))
        with vault.batch():
            under_way.note(vault)
            for name in names:
                new = generate(BY_NAME[name], {}, choices)
                value = _both(new, vault.value(name)) if name in SEALING_OF else new
                vault.put(name, value, Origin.GENERATED)
        for name in names:
            report.say(f"rotate: {name} has a new value, generation {vault.generation(name)}")
        return under_way

    def to_its_end(self, under_way: UnderWay) -> None:
        """Where it was going; when something fails, back."""
        if under_way.back:
            self._back(under_way)
            return
        try:
            self._bring_about(under_way)
        except QuickstartError as problem:
            report.say(f"rotate: {problem}")
            report.say("rotate: the old values are put back")
            audit.note(f"rotate: put the old values of {', '.join(under_way.names)} back")
            back = UnderWay(under_way.names, under_way.before, back=True)
            with self._vault.batch():
                back.note(self._vault)
                self._put_back(back)
            try:
                self._back(back)
            except QuickstartError as second:
                second.why = f"{second.why or second.what}; and before: {problem}"
                second.what = "the rotation failed, and so did going back"
                second.fix = "mend that, then run the rotation again: it goes on from here"
                raise second from problem
            problem.what = f"the rotation failed, and the old values are in use again: {problem.what}"
            raise
        self._finish()

    def _back(self, under_way: UnderWay) -> None:
        """Everything as it was; what is in the vault says how far that has come."""
        self._put_back(under_way)
        self._bring_about(under_way)
        self._finish()

    def _put_back(self, under_way: UnderWay) -> None:
        """What has changed since it began gets its old value as a new generation."""
        vault = self._vault
        with vault.batch():
            for name in vault.names():
                before = under_way.before.get(name)
                if before is None or vault.generation(name) == before:
                    continue
                old = vault.value(name, before)
                value = vault.value(name)
                if value == old:
                    continue
                if name in SEALING_OF:
                    keys = value.text().split(",")
                    if keys[0] == old.text():
                        continue  # on its way already
                    old = _both(old, Sensitive(keys[0]))
                vault.put(name, old, vault.entry(name, before).origin)

    def _bring_about(self, under_way: UnderWay) -> None:
        """Have everybody know what the vault holds, and verify it."""
        vault = self._vault
        self._deploy()
        sealed = [name for name in under_way.names if name in SEALING_OF and "," in vault.value(name).text()]
        if sealed:
            for name in sealed:
                self._seal_anew(SEALING_OF[name])
            with vault.batch():
                for name in sealed:
                    first, _ = vault.value(name).text().split(",", 1)
                    vault.put(name, Sensitive(first), vault.entry(name).origin)
            self._deploy()
        deploy.verify(self._settings, self._order, self._engine, vault)
        deploy.note_verified(self._settings, self._order, self._engine)

    def _deploy(self) -> None:
        with report.progress("services") as board:
            steps = Deployment(self._settings, self._order, self._engine, self._vault, board.update)
            deploy.carry_out(steps)

    def _seal_anew(self, sealing: Sealing) -> None:
        """Raises ServiceError when what is kept cannot be encrypted with the new key."""
        if not sealing.service:
            return
        container = containers.of_service(self._engine, self._settings.stack, sealing.service)
        if container is None:
            raise ServiceError(f"{sealing.service} does not run", fix="see: invoke status")
        report.say(f"rotate: what is encrypted with {sealing.secret} is encrypted with the new one")
        done = containers.execute(self._engine, container, ("python", "-c", WITH_ITS_SECRETS, *sealing.command))
        if done.status:
            raise ServiceError(
                f"what is encrypted with {sealing.secret} could not be encrypted with another key",
                fix="see the lines above",
                log=done.log,
            )

    def _finish(self) -> None:
        """Take away what the swarm holds of former generations, and the note."""
        state = services.state(self._engine, self._settings.stack)
        used = {title for service in state.services.values() for title in service.secret_names.values()}
        for item in secrets.listed(self._engine).values():
            labels = item.labels
            name = labels.get(NAME, "")
            if labels.get(STACK) != self._settings.stack or name not in self._vault or item.name in used:
                continue
            if int(labels.get(GENERATION, "0")) < self._vault.generation(name):
                secrets.remove(self._engine, item)
        self._vault.release(UNDER_WAY)


def _both(first: Sensitive, second: Sensitive) -> Sensitive:
    """Two keys as MultiFernet's users read them: encrypted with the first, decrypted with either."""
    return Sensitive(first.reveal() + b"," + second.reveal())
