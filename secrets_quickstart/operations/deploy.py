"""Deploying: preflight, the steps in their order, verification.  What the steps are is in `deployment`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart import report
from secrets_quickstart.catalog import components
from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.catalog.sources import SigningKey
from secrets_quickstart.checks import preflight, verification, verification_places
from secrets_quickstart.checks.check import Finding, Status
from secrets_quickstart.material import keys
from secrets_quickstart.material.ahead import SigningKeyAhead
from secrets_quickstart.operations import course, upgrade_note
from secrets_quickstart.operations.course import Planned
from secrets_quickstart.operations.deployment import Deployment, Order
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import services
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of, storage, vault_lock

VERIFIED = "verified.json"
"""What was verified, beside the vault."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a deployment did."""

    planned: tuple[Planned, ...]
    verified: bool
    """False when nothing was to do, and it had been verified before."""

    @property
    def changes(self) -> int:
        return course.changes(self.planned)


def plan(settings: Settings, order: Order) -> list[Planned]:
    """What a deployment would change, as far as it can be known beforehand; changes nothing."""
    engine = Engine(settings.base_environment)
    path = settings.vault_path
    vault = Vault.open(path, key_of(settings)) if storage.exists(path) else Vault.in_memory()
    deployment = Deployment(settings, order, engine, vault, tell=lambda _: None)
    steps = [step for lane in deployment.preparation() for step in lane]
    planned = course.plan(steps)
    return planned + course.plan([deployment.stack(), *deployment.links(beforehand=True)])


def deploy(settings: Settings, order: Order, command: str) -> Outcome:
    """Bring the order about and verify it; `command` is what another run that finds the vault locked is told.

    Safe to call again after a crash at any point.  Raises PreflightFailed, NotConverged, VerificationFailed and any
    other QuickstartError.
    """
    with vault_lock(settings.vault_path, command):
        engine = Engine(settings.base_environment)
        signing_key = signing_key_source(settings)
        preflight.raise_on_obstacles(check(settings, order, engine))
        vault = Vault.open_or_create(settings.vault_path, key_of(settings))
        upgrade_note.require_none(vault)
        with report.progress("services") as board:
            deployment = Deployment(settings, order, engine, vault, board.update, signing_key)
            done = carry_out(deployment)
        if not course.changes(done) and is_verified(settings, order, engine):
            return Outcome(tuple(done), verified=False)
        verify(settings, order, engine, vault)
        note_verified(settings, order, engine)
        return Outcome(tuple(done), verified=True)


def carry_out(deployment: Deployment, *, rolling: bool = False) -> list[Planned]:
    """All of its steps, but for verification.

    With `rolling`, a component is up before the next one is touched.  Of a rotation that is under way the databases are
    told before the stack, or as soon as they are there.
    """
    roles = deployment.roles()
    done = course.carry_out(deployment.preparation())
    done += course.carry_out([[roles]])
    left = any(held.container is None for held in roles.look())
    beside = [[deployment.roles(awaited=True)]] if left else []
    done += course.carry_out([deployment.rolling() if rolling else [deployment.stack()], *beside])
    return done + course.carry_out([[deployment.data(), *deployment.links()]])


def signing_key_source(settings: Settings) -> Callable[[int], Sensitive]:
    """Begins a signing key where there is no vault, hence none: preflight takes as long as it does."""
    if storage.exists(settings.vault_path):
        return keys.signing_key
    [bits] = {row.source.bits for row in SECRETS if isinstance(row.source, SigningKey)}
    return SigningKeyAhead(bits)


def check(settings: Settings, order: Order, engine: Engine) -> tuple[Finding, ...]:
    """What preflight finds; warnings are said, obstacles are for the caller to raise."""
    chosen = settings.with_overrides(order.target.overrides, f"target {order.target.name}")
    facts = preflight.gather(chosen, order.components, engine, start_empty=order.start_empty)
    findings = preflight.run(facts)
    for item in findings:
        if item.status is Status.WARNING:
            report.say(f"warning: {item.check}: {item.detail} ({item.fix})")
    return findings


def verify(settings: Settings, order: Order, engine: Engine, vault: Vault) -> None:
    """Ask every service as its users would; raises VerificationFailed."""
    report.say("verify: asking every service as its users would")
    findings = verification.run(verification_places.world(settings, engine, vault, tell=report.say), order.components)
    for item in findings:
        report.say(f"verify: {item.check}: {item.status.value}{f', {item.detail}' if item.detail else ''}")
    verification.require(findings)


def is_verified(settings: Settings, order: Order, engine: Engine) -> bool:
    """Whether the order's services were verified as they are now."""
    return _note(settings).covers(_running(engine, settings.stack, order))


def note_verified(settings: Settings, order: Order, engine: Engine) -> None:
    """The next run without changes need not verify again."""
    _note(settings).add(_running(engine, settings.stack, order))


def _note(settings: Settings) -> Note:
    return Note(settings.state_dir / VERIFIED)


def _running(engine: Engine, stack: str, order: Order) -> dict[str, str]:
    """The order's services, each with its identity and the version of its specification, so as to know it again."""
    state = services.state(engine, stack)
    wanted = [service.name for name in order.components for service in components.BY_NAME[name].services]
    return {name: f"{state.services[name].id} {state.services[name].version}" for name in wanted}


@dataclass(frozen=True, slots=True)
class Note:
    """A file that says which services were verified, so that a run without changes need not do it again."""

    path: Path

    def covers(self, running: Mapping[str, str]) -> bool:
        return self._read().items() >= running.items()

    def add(self, running: Mapping[str, str]) -> None:
        """A note that cannot be written is no failure: the next run verifies once more."""
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.write_text(json.dumps({**self._read(), **running}))

    def _read(self) -> dict[str, str]:
        """Empty if there is no such file, or it cannot be made out: then everything is verified once more."""
        try:
            content = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
