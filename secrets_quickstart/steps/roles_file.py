"""The file of roles, such as docs/roles.yml: read, checked, and turned into scopes; FlowAuth is not asked.

Every value is read as the text that is written: `no` is a name, and 2027-12-31 a date only where one is expected.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from secrets_quickstart.clients.flowauth_records import span
from secrets_quickstart.errors import SettingsError, UsageError

if TYPE_CHECKING:
    import yaml

LARGEST_FILE = 1 << 20
LONGEST_NAME = 75
"""Characters that FlowAuth has room for."""
LONGEST_LIFE = timedelta(minutes=2**31 - 1)
ALL = "*"

LIMITS = ("longest_token_life", "latest_token_expiry")
FILE_KEYS = (*LIMITS, "roles")
ROLE_KEYS = ("actions", "units", "queries", "scopes", "members", *LIMITS)

_LIFE = re.compile(r"(\d{1,10})([mhdw])", re.ASCII)
_MINUTES = {"m": 1, "h": 60, "d": 1440, "w": 10080}


@dataclass(frozen=True, slots=True)
class LimitsRule:
    """What the file says of tokens' lives; None where it says nothing, and FlowAuth keeps what it has."""

    longest_life: timedelta | None = None
    latest_expiry: datetime | None = None


UNSAID = LimitsRule()


@dataclass(frozen=True, slots=True)
class RoleRule:
    """One role, as it is written.  Units, queries and scopes may be patterns with `*` and `?`."""

    name: str
    actions: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    queries: tuple[str, ...] = (ALL,)
    scopes: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    limits: LimitsRule = UNSAID


@dataclass(frozen=True, slots=True)
class RolesFile:
    """The roles of one FlowAPI, and the limits that none of them exceeds."""

    source: str
    """What it is called in errors."""
    limits: LimitsRule = UNSAID
    roles: tuple[RoleRule, ...] = ()

    def resolve(self, known: Collection[str]) -> dict[str, frozenset[str]]:
        """The scopes of each role, out of those that a FlowAPI knows.

        Raises SettingsError that names everything in the file that is none of them, or matches none.
        """
        mistakes: list[str] = []
        found = {rule.name: frozenset(_scopes(rule, known, mistakes)) for rule in self.roles}
        if mistakes:
            raise _refusal(mistakes, self.source, "it; FlowAPI's scopes are in its specification (x-security-scopes)")
        return found


def read(path: Path, today: date) -> RolesFile:
    """Raises UsageError for a file that cannot be read, SettingsError that lists all mistakes in it at once."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read", why=error.strerror or str(error), fix="name another, such as docs/roles.yml"
        ) from None
    return parse(content, path.name, today)


def parse(content: bytes, source: str, today: date) -> RolesFile:
    """Raises SettingsError that lists all mistakes at once; a date that is before `today` is one."""
    import yaml

    if len(content) > LARGEST_FILE:
        raise _refusal(["it is larger than a megabyte"], source, "it")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(content, Loader=loader)
    except RecursionError:
        raise _refusal(["it is nested too deep"], source, "it") from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or "it is not UTF-8")
        mistake = f"line {mark.line + 1}: {problem}" if mark else problem
        raise _refusal([mistake], source, "its form (YAML)") from None
    reader = _Reader(source, today)
    found = reader.file(root)
    if reader.mistakes:
        raise _refusal(reader.mistakes, source, "it; docs/roles.yml explains every key")
    return found


def _refusal(mistakes: Sequence[str], source: str, what: str) -> SettingsError:
    count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    why = "\n  ".join(["", *mistakes]) if len(mistakes) > 1 else mistakes[0]
    return SettingsError(f"{source} holds {count}", why=why, fix=f"correct {what}")


@dataclass(slots=True)
class _Reader:
    """Walks along YAML's nodes, and notes what is wrong with each."""

    source: str
    today: date
    mistakes: list[str] = field(default_factory=list)

    def file(self, root: yaml.Node | None) -> RolesFile:
        members = {} if root is None else self._mapping(root, "the file", FILE_KEYS)
        limits = self._limits(members, "the server")
        if "roles" not in members:
            self.mistakes.append("there is no roles:")
            return RolesFile(self.source, limits)
        roles = self._mapping(members["roles"], "roles", None)
        return RolesFile(self.source, limits, tuple(self._role(name, node, limits) for name, node in roles.items()))

    def _role(self, name: str, node: yaml.Node, server: LimitsRule) -> RoleRule:
        self._check_name(node, name, "role")
        members = self._mapping(node, f"role {name}", ROLE_KEYS)
        texts = {key: self._texts(members[key], f"{name}: {key}") for key in members if key not in LIMITS}
        for word in texts.get("members", ()):
            self._check_name(members["members"], word, "user")
        if "queries" in texts and "units" not in texts:
            self._note(members["queries"], f"role {name}: queries are of no use without units")
        elif "units" in texts and not texts.get("actions") and not texts.get("scopes"):
            self._note(node, f"role {name}: units are of no use without actions")
        elif not any(texts.get(key) for key in ("actions", "units", "scopes")):
            self._note(node, f"role {name} allows nothing: it has no actions, units or scopes")
        limits = self._limits(members, f"role {name}")
        self._check_within(node, name, limits, server)
        return RoleRule(
            name,
            actions=texts.get("actions", ()),
            units=_patterns(texts.get("units", ())),
            queries=_patterns(texts.get("queries", (ALL,))),
            scopes=texts.get("scopes", ()),
            members=texts.get("members", ()),
            limits=limits,
        )

    def _limits(self, members: Mapping[str, yaml.Node], whose: str) -> LimitsRule:
        life, latest = (members.get(key) for key in LIMITS)
        return LimitsRule(
            None if life is None else self._life(life, whose), None if latest is None else self._day(latest, whose)
        )

    def _life(self, node: yaml.Node, whose: str) -> timedelta | None:
        text = self._text(node, f"{whose}: longest_token_life")
        match = _LIFE.fullmatch(text or "")
        if match is None:
            if text is not None:
                self._note(node, f"{whose}: longest_token_life: {text!r} is no time such as 30m, 12h, 7d or 4w")
            return None
        minutes = int(match[1]) * _MINUTES[match[2]]
        if not 1 <= minutes <= LONGEST_LIFE // timedelta(minutes=1):
            self._note(node, f"{whose}: longest_token_life: {text} is not from 1m to {span(LONGEST_LIFE)}")
            return None
        return timedelta(minutes=minutes)

    def _day(self, node: yaml.Node, whose: str) -> datetime | None:
        text = self._text(node, f"{whose}: latest_token_expiry")
        if text is None:
            return None
        try:
            day = date.fromisoformat(text if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else "")
        except ValueError:
            self._note(node, f"{whose}: latest_token_expiry: {text!r} is no day such as 2030-12-31")
            return None
        if day < self.today:
            self._note(node, f"{whose}: latest_token_expiry: {text} has passed, and no token could be made")
            return None
        return end_of(day)

    def _check_within(self, node: yaml.Node, name: str, role: LimitsRule, server: LimitsRule) -> None:
        if role.longest_life and server.longest_life and role.longest_life > server.longest_life:
            self._note(node, f"role {name}: longest_token_life is beyond the server's {span(server.longest_life)}")
        if role.latest_expiry and server.latest_expiry and role.latest_expiry > server.latest_expiry:
            self._note(node, f"role {name}: latest_token_expiry is beyond the server's {server.latest_expiry:%Y-%m-%d}")

    def _check_name(self, node: yaml.Node, name: str, what: str) -> None:
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
            self._note(node, f"{name[:90]!r} is no {what}'s name: 1 to {LONGEST_NAME} characters on one line")

    def _mapping(self, node: yaml.Node, what: str, known: Collection[str] | None) -> dict[str, yaml.Node]:
        """Its members by key; those that are unknown, or there twice, are noted and left out."""
        import yaml

        if not isinstance(node, yaml.MappingNode):
            self._note(node, f"{what} is not of the form key: value")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if not name:
                self._note(key, f"{what} has a key that is no text")
            elif name in found:
                self._note(key, f"{what}: {name} is there twice")
            elif known is not None and name not in known:
                self._note(key, f"{what}: there is no {name}{nearest(name, known)}")
            else:
                found[name] = value
        return found

    def _texts(self, node: yaml.Node, what: str) -> tuple[str, ...]:
        """A list, or one text in its place."""
        import yaml

        rows = node.value if isinstance(node, yaml.SequenceNode) else [node]
        texts = [self._text(row, what) for row in rows]
        return tuple(dict.fromkeys(text for text in texts if text is not None))

    def _text(self, node: yaml.Node, what: str) -> str | None:
        import yaml

        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self._note(
                node, f"{what}: a word is missing here" if isinstance(node, yaml.ScalarNode) else f"{what} nests"
            )
            return None
        return str(node.value).strip()

    def _note(self, node: yaml.Node, text: str) -> None:
        self.mistakes.append(f"line {node.start_mark.line + 1}: {text}")


def end_of(day: date) -> datetime:
    """Its last second, UTC: what "until that day" means."""
    return datetime.combine(day, time(23, 59, 59), UTC)


def nearest(word: str, known: Iterable[str]) -> str:
    """What may have been meant, as the end of a sentence."""
    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _patterns(words: Sequence[str]) -> tuple[str, ...]:
    return (ALL,) if "all" in words else tuple(words)


def _scopes(rule: RoleRule, known: Collection[str], mistakes: list[str]) -> Iterator[str]:
    """Those that the rule allows; what matches none is noted."""
    triplets = {scope: scope.split(":", 2) for scope in known if scope.count(":") >= 2}
    units = {unit for unit, _, _ in triplets.values()}
    kinds = {kind for _, kind, _ in triplets.values()}
    actions = set(known) - triplets.keys()
    wanted_actions = _matching(rule.name, "action", rule.actions, actions, mistakes)
    wanted_units = _matching(rule.name, "unit", rule.units, units, mistakes)
    wanted_kinds = _matching(rule.name, "query", rule.queries, kinds, mistakes) if rule.units else set()
    yield from wanted_actions
    combined = {scope for scope, (unit, kind, _) in triplets.items() if unit in wanted_units and kind in wanted_kinds}
    if wanted_units and wanted_kinds and not combined:
        mistakes.append(f"role {rule.name}: no query in queries has a unit in units")
    yield from combined
    yield from _matching(rule.name, "scope", rule.scopes, set(known), mistakes)


def _matching(role: str, what: str, patterns: Iterable[str], known: set[str], mistakes: list[str]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        matching = {word for word in known if fnmatchcase(word, pattern)}
        if not matching:
            mistakes.append(f"role {role}: this FlowAPI knows no {what} {pattern}{nearest(pattern, sorted(known))}")
        found |= matching
    return found
