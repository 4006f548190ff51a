"""The step that fills the vault with what the components need; the swarm gets its copies elsewhere (`steps.secrets`).

Nothing that exists is made again: a value is followed by another generation only when what it says or is built on has
changed, or when a certificate of ours has to be renewed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from secrets_quickstart.catalog.secrets import BY_NAME, SECRETS, Secret
from secrets_quickstart.catalog.sources import (
    Alias,
    AuthorityCertificate,
    AuthorityKey,
    Derived,
    FernetKey,
    FromVariable,
    LeafCertificate,
    LeafKey,
    Password,
    SigningKey,
    TrustedCertificates,
    VerificationKey,
)
from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import certificates, names
from secrets_quickstart.material.certificates import RENEW_AUTHORITY_BEFORE, RENEW_BEFORE, CertificateFacts
from secrets_quickstart.material.generation import Choices, generate, needs
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.step import Action, Plan, Unchanged
from secrets_quickstart.vault import Origin, Vault


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of one value, without the value."""

    generation: int = 0
    """0 while there is none."""
    origin: Origin | None = None
    created: datetime | None = None
    differs: str = ""
    """Why it is not what its variable says or what it is built on would give; "" when it is, or nothing can differ."""
    certificate: CertificateFacts | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    values: Mapping[str, Fact]
    now: datetime


@dataclass(frozen=True, slots=True)
class Generate:
    """Make a new value where there is none."""

    name: str
    how: str
    generation: int = 1

    def __str__(self) -> str:
        return f"generate {self.name}: {self.how}"


@dataclass(frozen=True, slots=True)
class Choose:
    """Take over a variable."""

    name: str
    variable: str
    generation: int

    def __str__(self) -> str:
        return f"set {self.name} as {self.variable} says"


@dataclass(frozen=True, slots=True)
class Derive:
    """Build a value out of others."""

    name: str
    parts: tuple[str, ...]
    generation: int

    def __str__(self) -> str:
        return f"derive {self.name} from {' and '.join(self.parts)}"


@dataclass(frozen=True, slots=True)
class Renew:
    """Issue a certificate of ours again, for the same key."""

    name: str
    reason: str
    generation: int

    def __str__(self) -> str:
        return f"renew {self.name}: {self.reason}"


class ValuesStep:
    """Every value that the components need is in the vault."""

    name = "values"

    def __init__(self, vault: Vault, components: Sequence[str], choices: Choices) -> None:
        self._vault = vault
        self._choices = choices
        mounted = {row.name for row in SECRETS if set(row.components) & set(components)}
        # stays in the vault: our certificate authority, FlowAuth's first user
        idle = {row.name for row in SECRETS if row.kept_for and not set(row.kept_for) & set(components)}
        kept = {row.name for row in SECRETS if not row.components} - idle
        # what signs tokens, which our own verification does, and its public half, which a FlowAPI elsewhere is given
        halves = [(row.name, row.source.of) for row in SECRETS if isinstance(row.source, VerificationKey)]
        self._mounted = frozenset(mounted)
        self._wanted = frozenset(mounted.union(kept, *halves))

    def look(self) -> Facts:
        return Facts({row.name: self._fact(row) for row in SECRETS}, datetime.now(UTC))

    def plan(self, facts: Facts) -> Plan:
        """Raises MaterialError when imported values do not fit together."""
        actions: list[Action] = []
        unchanged: list[Unchanged] = []
        changing: set[str] = set()
        rows = self._rows(facts)
        for row in rows:
            _refuse_misfits(row, facts, rows)
            decision = self._decide(row, facts, changing)
            if isinstance(decision, Unchanged):
                unchanged.append(decision)
            else:
                actions.append(decision)
                changing.add(row.name)
        return Plan(tuple(actions), tuple(unchanged))

    def act(self, actions: Sequence[Action]) -> None:
        with self._vault.batch():
            for action in actions:
                match action:
                    case Generate() | Renew():
                        self._make(action.name, action.generation, Origin.GENERATED)
                    case Derive():
                        self._make(action.name, action.generation, Origin.DERIVED)
                    case Choose():
                        self._make(action.name, action.generation, Origin.CHOSEN)
                    case _:
                        raise TypeError(type(action))

    def _make(self, name: str, generation: int, origin: Origin) -> None:
        if name in self._vault and self._vault.generation(name) >= generation:
            return  # a run that was interrupted got this far
        row = BY_NAME[name]
        self._vault.put(name, generate(row, self._parts(row), self._choices), origin)

    def _parts(self, row: Secret) -> dict[str, Sensitive]:
        return {part: self._vault.value(part) for part in needs(row.source) if part in self._vault}

    def _fact(self, row: Secret) -> Fact:
        if row.name not in self._vault:
            return Fact()
        entry = self._vault.entry(row.name)
        certificate = None
        if isinstance(row.source, AuthorityCertificate | LeafCertificate):
            certificate = certificates.describe(self._vault.value(row.name))
        return Fact(entry.generation, entry.origin, entry.created, self._difference(row, entry.origin), certificate)

    def _difference(self, row: Secret, origin: Origin) -> str:
        present, parts = self._vault.value(row.name), self._parts(row)
        match row.source:
            case FromVariable(variable=variable):
                changed = generate(row, parts, self._choices) != present
                return f"{variable} has changed" if changed else ""
            case Derived() | VerificationKey() | TrustedCertificates() | Alias():
                whole = len(parts) == len(needs(row.source))
                changed = whole and generate(row, parts, self._choices) != present
                return f"it does not follow from {' and '.join(parts)}" if changed else ""
            case AuthorityCertificate(key=key) | LeafCertificate(key=key) if key in parts and not (
                certificates.belongs_to(present, parts[key])
            ):
                return f"it does not belong to {key}"
            case LeafCertificate(authority=authority) if (
                origin is not Origin.IMPORTED
                and authority in parts
                and not certificates.is_issued_by(present, parts[authority])
            ):
                return f"it was not issued by {authority}"
            case _:
                return ""

    def _rows(self, facts: Facts) -> list[Secret]:
        """What is wanted and what that is made of, in table order; an imported value is made of nothing."""
        found: set[str] = set()
        for row in reversed(SECRETS):  # a row stands below those it needs
            if row.name in self._wanted and not self._is_idle(row, facts):
                found.add(row.name)
            if row.name in found and facts.values[row.name].origin is not Origin.IMPORTED:
                found.update(needs(row.source))
        return [row for row in SECRETS if row.name in found]

    def _is_idle(self, row: Secret, facts: Facts) -> bool:
        """Whether it is a signing key for which an imported verification key leaves no use."""
        halves = [one for one in SECRETS if isinstance(one.source, VerificationKey) and one.source.of == row.name]
        imported = any(facts.values[half.name].origin is Origin.IMPORTED for half in halves)
        return imported and row.name not in self._mounted

    def _decide(self, row: Secret, facts: Facts, changing: set[str]) -> Action | Unchanged:
        fact = facts.values[row.name]
        if fact.generation and fact.origin is Origin.IMPORTED:
            return Unchanged(row.name, f"imported{_expiry(fact)}")
        following = fact.generation + 1
        changed = tuple(part for part in needs(row.source) if part in changing)
        match row.source:
            case FromVariable(variable=variable) if not fact.generation or fact.differs:
                return Choose(row.name, variable, following)
            case Derived() | VerificationKey() | TrustedCertificates() | Alias() if (
                not fact.generation or fact.differs or changed
            ):
                return Derive(row.name, needs(row.source), following)
            case FromVariable(variable=variable):
                return Unchanged(row.name, f"as {variable} says")
            case _ if not fact.generation:
                return Generate(row.name, self._how(row))
            case AuthorityCertificate() | LeafCertificate():
                reason = self._renewal(row, fact, changed, facts.now)
                if reason:
                    return Renew(row.name, reason, following)
        since = f" since {fact.created:%Y-%m-%d}" if fact.created else ""
        return Unchanged(row.name, f"in the vault{since}, generation {fact.generation}{_expiry(fact)}")

    def _renewal(self, row: Secret, fact: Fact, changed: tuple[str, ...], now: datetime) -> str:
        """Why a certificate of ours has to be issued again, or ""."""
        if changed:
            return f"{' and '.join(changed)} will be another"
        if fact.differs or fact.certificate is None:
            return fact.differs
        before = RENEW_AUTHORITY_BEFORE
        if isinstance(row.source, LeafCertificate):
            before = RENEW_BEFORE
            lacking = names.missing(self._choices.names(row.source), fact.certificate.names)
            if lacking:
                return f"it is not for {', '.join(lacking)}"
        return (
            f"it expires on {fact.certificate.not_after:%Y-%m-%d}" if fact.certificate.not_after - now < before else ""
        )

    def _how(self, row: Secret) -> str:
        match row.source:
            case Password():
                return f"{self._choices.password_length} letters and digits"
            case FernetKey():
                return "32 random bytes"
            case SigningKey(bits=bits):
                return f"an RSA key of {bits} bits"
            case AuthorityKey() | LeafKey():
                return "a P-256 key"
            case AuthorityCertificate():
                return "a certificate for our own authority"
            case LeafCertificate():
                return f"a certificate for {', '.join(self._choices.names(row.source))}"
            case FromVariable() | Derived() | VerificationKey() | TrustedCertificates() | Alias():
                return row.purpose
            case _:
                assert_never(row.source)


def _refuse_misfits(row: Secret, facts: Facts, rows: Sequence[Secret]) -> None:
    """Raise MaterialError for an imported value whose other half is missing or another's, where both are needed."""
    imported = {name for name, fact in facts.values.items() if fact.origin is Origin.IMPORTED}
    match row.source:
        case LeafCertificate(key=key) if row.name in imported:
            half, other = row.name, key
        case LeafCertificate(authority=authority, authority_key=key) if authority in imported:
            half, other = authority, key  # with which we would have to sign
        case VerificationKey(of=of) if row.name in imported and of in (one.name for one in rows):
            half, other = row.name, of
        case _:
            return
    if not facts.values[other].generation:
        why = f"{half} was imported, and {other} was not"
    elif facts.values[half].differs:
        why = "they belong to different pairs"
    else:
        return
    raise MaterialError(
        f"{half} and {other} cannot be used together", why=why, fix=f"invoke secrets.import {other} FILE, or {half}"
    )


def _expiry(fact: Fact) -> str:
    return f", expires on {fact.certificate.not_after:%Y-%m-%d}" if fact.certificate is not None else ""
