"""The vault's certificates: how long they still serve, and issuing ours again; what ACME gives is `renewal`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from secrets_quickstart import audit
from secrets_quickstart.catalog.secrets import BY_NAME, SECRETS
from secrets_quickstart.catalog.sources import AuthorityCertificate, LeafCertificate
from secrets_quickstart.checks.certificate_dates import judge
from secrets_quickstart.checks.check import Obstacle, Ok, Skip
from secrets_quickstart.checks.facts_custody import HeldCertificate, held_certificates
from secrets_quickstart.errors import UsageError
from secrets_quickstart.material import certificates
from secrets_quickstart.material.generation import Choices
from secrets_quickstart.operations import deploy, renewal, status
from secrets_quickstart.operations.deployment import order_of
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.values import Renew, ValuesStep
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Origin, Vault, key_of, vault_lock

FLOWAUTH = "cert-flowauth.pem"
LEAVES = tuple(row.name for row in SECRETS if isinstance(row.source, LeafCertificate))


@dataclass(frozen=True, slots=True)
class Row:
    """One certificate of the vault."""

    name: str
    names: tuple[str, ...]
    issuer: str
    expires: str
    days_left: int | None
    """None for one that cannot be read."""
    origin: str
    warning: str
    """"" when nothing needs to be done."""
    fix: str
    serves: bool
    """Whether it can be read, and its time has begun and is not over."""

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "names": ", ".join(self.names),
            "issuer": self.issuer,
            "expires": self.expires,
            "days_left": self.days_left,
            "origin": self.origin,
            "warning": self.warning,
            "fix": self.fix,
        }


def look(settings: Settings, vault: Vault) -> list[Row]:
    """Every certificate that the vault holds, our authority's first."""
    now = datetime.now(UTC)
    held, spoiled = held_certificates(vault, Choices(variables=settings.texts()))
    rows = {item.name: _row(item, vault, now) for item in held}
    for name, why in spoiled.items():
        fix = f"invoke secrets.import {name} FILE, with a PEM file"
        rows[name] = Row(name, (), "", "", None, str(vault.entry(name).origin), f"{name}: {why}", fix, serves=False)
    return [rows[name] for name in BY_NAME if name in rows]


def _row(item: HeldCertificate, vault: Vault, now: datetime) -> Row:
    facts, outcome = item.facts, judge(item, now)
    warning, fix = ("", "") if isinstance(outcome, Ok | Skip) else (outcome.detail, outcome.fix)
    return Row(
        item.name,
        facts.names,
        facts.issuer,
        f"{facts.not_after:%Y-%m-%d}",
        certificates.days_left(facts, now),
        str(vault.entry(item.name).origin),
        warning,
        fix,
        serves=not isinstance(outcome, Obstacle) and facts.not_after > now,
    )


@dataclass(frozen=True, slots=True)
class Renewed:
    """What came of it."""

    issued: tuple[str, ...]
    """Certificates of ours that the vault holds anew."""
    deployed: bool
    """Whether they are served; else nothing that serves them is deployed."""
    acquired: bool
    """Whether FlowAuth's came by ACME."""


def renew(settings: Settings, name: str, command: str, tell: Callable[[str], None]) -> Renewed:
    """Issue certificates of ours again for the keys that they have, and deploy what serves them; or one by ACME.

    All that are ours for the name "".  Clients that trust the authority notice nothing.  Raises UsageError for one that
    is not ours, and what a deployment and an acquisition raise.
    """
    vault = Vault.open(settings.vault_path, key_of(settings))
    by_acme = settings["FLOWAUTH_CERTIFICATE"] == "acme"
    own = _chosen(vault, name, by_acme=by_acme, tell=tell)
    if own:
        with vault_lock(settings.vault_path, command):
            vault = Vault.open(settings.vault_path, key_of(settings))
            step = ValuesStep(vault, (), Choices(settings.password_length, settings.texts()))
            actions = [Renew(leaf, "it was asked for", vault.generation(leaf) + 1) for leaf in own]
            audit.note(*actions)
            step.act(actions)
    acquires = by_acme and name in {"", FLOWAUTH}
    if acquires:
        audit.note("have FlowAuth's edge acquire a certificate by ACME")
        renewal.renew(settings, tell)
    serving = _serving(settings, own)
    if serving:
        deploy.deploy(settings, order_of(serving), command)
    return Renewed(own, deployed=bool(serving), acquired=acquires)


def _chosen(vault: Vault, name: str, *, by_acme: bool, tell: Callable[[str], None]) -> tuple[str, ...]:
    """Certificates of ours to issue; none where the one that was named comes by ACME."""
    if name and name not in LEAVES:
        row = BY_NAME.get(name)
        authority = row is not None and isinstance(row.source, AuthorityCertificate)
        raise UsageError(
            f"{name} is not renewed",
            why="a deployment renews it in good time, for the same key" if authority else "it is no TLS certificate",
            fix=f"choose {' or '.join(LEAVES)}",
        )
    found: list[str] = []
    for leaf in (name,) if name else LEAVES:
        if leaf == FLOWAUTH and by_acme:
            continue
        if leaf in vault and vault.entry(leaf).origin is not Origin.IMPORTED:
            found.append(leaf)
        elif name:
            raise _refusal(leaf, imported=leaf in vault)
        elif leaf in vault:
            tell(f"{leaf} is yours, and stays")
    if not found and not by_acme:
        imported = [leaf for leaf in LEAVES if leaf in vault]
        raise _refusal(imported[0] if imported else LEAVES[0], imported=bool(imported))
    return tuple(found)


def _refusal(name: str, *, imported: bool) -> UsageError:
    if not imported:
        return UsageError(f"the vault holds no {name}", fix="deploy what needs it: invoke --help deploy")
    install = f"invoke certs.install {'--flowauth ' if name == FLOWAUTH else ''}CERTIFICATE KEY"
    return UsageError(
        f"{name} is not renewed", why="it is yours, and only who issued it can", fix=f"have it renewed, then: {install}"
    )


def _serving(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """The components that are deployed and serve one of them."""
    engine = Engine(settings.base_environment)
    wanted = {component for name in names for component in BY_NAME[name].components}
    if not wanted or not engine.membership().usable:
        return ()
    return tuple(part for part in status.present(engine, settings.stack) if part in wanted)
