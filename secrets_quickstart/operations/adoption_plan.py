"""What an adoption does, given what runs and what the vault holds: pure; carried out by `adoption`.

A value keeps the number that its Docker secret has under this stack's own name, so that the next deploy leaves that one
where it is.  The number of a Docker secret whose value nobody can read is left out: the next deploy need not touch it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from secrets_quickstart.catalog.labels import STACK
from secrets_quickstart.catalog.secrets import SECRETS, Secret
from secrets_quickstart.catalog.sources import Alias, Derived, FromVariable, TrustedCertificates, VerificationKey
from secrets_quickstart.checks.data import Content, Data
from secrets_quickstart.errors import MaterialError, SecretConflict
from secrets_quickstart.material.generation import Choices, generate, needs
from secrets_quickstart.material.imports import checked
from secrets_quickstart.operations.adoption_facts import Facts, Reading
from secrets_quickstart.operations.drift import named
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.data import Claim
from secrets_quickstart.steps.secrets import labels_of, object_name
from secrets_quickstart.swarm.secrets import SecretObject
from secrets_quickstart.vault import Origin, Vault

FOLLOWS = (FromVariable, Derived, Alias)
"""What can be had again without having been kept."""
CERTIFIED = ("flowapi", "letsencrypt")
LASTING = {
    "ca-key-flowkit.pem": (
        CERTIFIED, "what it signed stays in use until it ends; have your own certificate by then: certs.install",
    ),
    "FLOWAUTH_ANALYST_PASSWORD": (("flowauth",), "if nobody knows it: invoke flowauth.reset-password"),
    "PRIVATE_JWT_SIGNING_KEY": (("flowapi",), "no token can be made here that this FlowAPI takes"),
}  # fmt: skip
"""What is missed of values that no container has: by whom, and what that means."""


@dataclass(frozen=True, slots=True)
class Take:
    """Put one value into the vault."""

    name: str
    generation: int
    origin: Origin
    value: Sensitive
    source: str
    """The service that it is read from."""

    def __str__(self) -> str:
        return f"take {self.name} from {self.source} into the vault, as generation {self.generation}"


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Use no number that a Docker secret has whose value nobody can read."""

    name: str
    generation: int
    object: str

    def __str__(self) -> str:
        return (
            f"leave {self.object} alone, which nothing that runs has: what follows is generation {self.generation + 1}"
        )


@dataclass(frozen=True, slots=True)
class Label:
    """Label a Docker secret as this vault's."""

    object: SecretObject
    name: str
    generation: int

    def __str__(self) -> str:
        return f"label the secret {self.object.name} as this vault's"


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that cannot be recovered."""

    name: str
    why: str
    then: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}; {self.then}"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What would be done, and what cannot be."""

    takes: tuple[Take, ...]
    left_out: tuple[LeaveOut, ...]
    claims: tuple[Claim, ...]
    labels: tuple[Label, ...]
    held: tuple[str, ...]
    """Names of values that the vault has already."""
    lost: tuple[Lost, ...]

    def lines(self) -> list[str]:
        """For people: what is done, and what cannot be."""
        lines = [str(action) for action in (*self.takes, *self.left_out, *self.claims)]
        if self.labels:
            lines.append(f"label {len(self.labels)} of the swarm's secrets as this vault's: they stay where they are")
        if self.held:
            lines.append(f"({len(self.held)} of the values that run are in the vault already)")
        return [*lines, *(f"cannot be recovered: {item}" for item in self.lost)]

    @property
    def actions(self) -> tuple[Take | LeaveOut | Claim | Label, ...]:
        return (*self.takes, *self.left_out, *self.claims, *self.labels)

    def document(self) -> dict[str, Any]:
        return {
            "changes": len(self.actions),
            "actions": [str(action) for action in self.actions],
            "held": list(self.held),
            "lost": [{"name": item.name, "why": item.why, "then": item.then} for item in self.lost],
        }


def planned(facts: Facts, vault: Vault) -> Adoption:
    """What is to be done, given the facts; raises SecretConflict."""
    made = _Planning(facts, vault)
    for row in SECRETS:
        made.consider(row)
    return Adoption(
        tuple(made.takes.values()),
        tuple(made.left_out),
        tuple(_claims(facts, made)),
        tuple(made.labels),
        tuple(made.held),
        tuple(made.lost),
    )


@dataclass
class _Planning:
    """One row of the catalogue after the other, each below those that it is made of."""

    facts: Facts
    vault: Vault
    takes: dict[str, Take] = field(default_factory=dict)
    left_out: list[LeaveOut] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    own: set[str] = field(default_factory=set)
    """Names of values that are in Docker secrets of this stack's own making."""

    def consider(self, row: Secret) -> None:
        name = row.name
        readings = [reading for reading in self.facts.readings if reading.name == name]
        values, spoilt = self._values(row, readings)
        strange = {title: value for title, value in values.items() if not self._knows(name, value)}
        distinct = list(strange.values())
        if distinct and (name in self.vault or any(value != distinct[0] for value in distinct)):
            raise self._conflict(name, readings)
        unread = self._highest_unread(name, readings)
        if values:
            self._take(row, strange or values, readings, unread)
            self._label(name, values)
        elif name not in self.vault:
            if unread and all(reading.ended for reading in readings):
                self.left_out.append(LeaveOut(name, unread, object_name(self.facts.stack, name, unread)))
            self._miss(row, readings, spoilt)

    def _values(self, row: Secret, readings: list[Reading]) -> tuple[dict[str, Sensitive], str]:
        """What was read, by Docker secret, and what is wrong with a value that cannot serve."""
        values, spoilt = {}, ""
        for reading in readings:
            if reading.value is None:
                continue
            item = self.facts.objects.get(reading.object)
            if item is not None and item.labels.get(STACK) == self.facts.stack:
                values[reading.object] = reading.value  # to the byte as a vault had it
                self.own.add(row.name)
                continue
            try:
                values[reading.object] = checked(row, reading.value)
            except MaterialError as error:
                spoilt = error.why
        return values, spoilt

    def _number(self, title: str) -> int:
        """The generation of a Docker secret under this stack's own name, 0 for any other."""
        item, found = self.facts.objects.get(title), named(self.facts.stack, title)
        if item is None or found is None or item.labels.get(STACK, self.facts.stack) != self.facts.stack:
            return 0
        return found[1]

    def _held(self, name: str) -> tuple[int, ...]:
        return self.vault.generations(name) if name in self.vault else ()

    def _knows(self, name: str, value: Sensitive) -> bool:
        return any(self.vault.value(name, number) == value for number in self._held(name))

    def _highest_unread(self, name: str, readings: list[Reading]) -> int:
        """The highest number of a Docker secret that nothing running has and the vault does not know; 0 without one."""
        mounted, held = {reading.object for reading in readings if not reading.ended}, self._held(name)
        found = (named(self.facts.stack, title) for title in self.facts.objects if title not in mounted)
        return max((item[1] for item in found if item and item[0] == name and item[1] not in held), default=0)

    def _take(self, row: Secret, values: Mapping[str, Sensitive], readings: list[Reading], unread: int) -> None:
        """Take the value as the generation that it has in the swarm, if it can be that, or else as the first free one.

        What the vault holds already is taken once more only where the swarm has gone beyond its numbers.
        """
        name = row.name
        title = max(values, key=self._number)
        value, number, newest = values[title], self._number(title), max(self._held(name), default=0)
        if newest >= max(number, unread, 1):
            self.held.append(name)
            return
        following = self.vault.following(name)
        generation = number if number > unread and number >= following else max(unread + 1, following)
        origin = self._origin(row, value)
        if newest:
            value, origin = self.vault.value(name), self.vault.entry(name).origin
        source = next(reading.source for reading in readings if reading.object == title)
        self.takes[name] = Take(name, generation, origin, value, source)

    def _label(self, name: str, values: Mapping[str, Sensitive]) -> None:
        """Label the Docker secrets that are the vault's generations of that number, where they do not say so."""
        take, held = self.takes.get(name), self._held(name)
        for title, value in values.items():
            number = self._number(title)
            item = self.facts.objects.get(title)
            if item is None or not number:
                continue
            if number in held and self.vault.value(name, number) == value:
                wanted = labels_of(self.facts.stack, self.vault, name, number)
                if any(item.labels.get(label) != text for label, text in wanted.items()):
                    self.labels.append(Label(item, name, number))
            elif take is not None and take.generation == number:
                self.labels.append(Label(item, name, number))

    def _origin(self, row: Secret, value: Sensitive) -> Origin:
        """So that what follows from a variable or from other values goes on following."""
        parts = {part: self._newest(part) for part in needs(row.source) if part in self.takes or part in self.vault}
        if isinstance(row.source, FromVariable | Derived | Alias | VerificationKey | TrustedCertificates):
            try:
                if generate(row, parts, Choices(variables=self.facts.variables)) == value:
                    return Origin.CHOSEN if isinstance(row.source, FromVariable) else Origin.DERIVED
            except MaterialError:
                pass  # something that it would follow from is not there
        return Origin.IMPORTED

    def _newest(self, name: str) -> Sensitive:
        return self.takes[name].value if name in self.takes else self.vault.value(name)

    def _miss(self, row: Secret, readings: list[Reading], spoilt: str) -> None:
        """Say of a value that the stack needs, or that only a vault has, that it is not to be had."""
        components = set(self.facts.components)
        if spoilt:
            self.lost.append(Lost(row.name, spoilt, "it cannot be used as it is"))
        elif not all(reading.ended for reading in readings):
            why = next(reading.why for reading in readings if not reading.ended)
            self.lost.append(Lost(row.name, why, "see to that and run this again, before anything is deployed"))
        elif row.name in LASTING and components & {*LASTING[row.name][0]} and not components & set(row.components):
            self.lost.append(Lost(row.name, "only the vault had it", LASTING[row.name][1]))
        elif set(row.components) & components and not isinstance(row.source, FOLLOWS):
            why = f"{', '.join(readings[0].services)} had it, and has ended" if readings else "no service has it"
            self.lost.append(Lost(row.name, why, "the next deploy makes another"))

    def _conflict(self, name: str, readings: list[Reading]) -> SecretConflict:
        where = " and ".join(f"{', '.join(reading.services)} ({reading.object})" for reading in readings)
        if name in self.vault:
            return SecretConflict(
                f"nothing was adopted: the vault holds another {name} than {where}",
                why="what the vault holds is never replaced",
                fix="if the vault is right, invoke deploy; if what runs is right, name another place for a vault in "
                "FLOWKIT_VAULT, and run this again",
            )
        return SecretConflict(
            f"nothing was adopted: {name} is not the same everywhere: {where}",
            why="only one of them can be right",
            fix="wait until the services are updated, or have them mount the same secret; then run this again",
        )


def _claims(facts: Facts, made: _Planning) -> Iterator[Claim]:
    """The data of databases that this stack's own secrets are for: nobody else's passwords are on it."""
    for data in facts.data:
        if data.claim is None and _is_there(data) and set(data.place.database.secrets) <= made.own:
            yield Claim(data.place, data.identifier, sample=facts.sample and data.place.database.name == "flowdb")


def _is_there(data: Data) -> bool:
    return data.content in {Content.DATABASE, Content.HIDDEN}
