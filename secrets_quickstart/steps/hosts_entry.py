"""The step that makes `flowkit.api` and `flow.api` known on this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.catalog.hosts import HOST_NAMES
from secrets_quickstart.errors import HostError
from secrets_quickstart.host import hosts_file
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.step import Action, Plan, Unchanged

TURN_OFF = "set FLOWKIT_HOSTS_ENTRY=false to do without"


@dataclass(frozen=True, slots=True)
class HostsFacts:
    """The hosts file as it is now."""

    path: Path
    stack: str
    wanted: Mapping[str, str]
    """Address by name; empty when the operator wants no entry."""
    content: bytes
    writable: bool


@dataclass(frozen=True, slots=True)
class WriteHosts:
    """Put the block into the file, or take it out."""

    path: Path
    before: bytes
    after: bytes
    line: str
    """What is new in it, for people; "" for taking the block out."""

    def __str__(self) -> str:
        return f"{self.path}: add {self.line}" if self.line else f"{self.path}: take our lines out"


def by_hand(path: Path, wanted: Mapping[str, str]) -> str:
    """The command that somebody with the right to can use in our place."""
    lines = "\\n".join(line.replace("\t", " ") for line in hosts_file.lines_for(wanted))
    return f"printf '{lines}\\n' | sudo tee -a {shlex.quote(str(path))}"


class HostsEntryStep:
    name = "hosts"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def look(self) -> HostsFacts:
        path = self._settings["FLOWKIT_HOSTS_FILE"]
        wanted = dict.fromkeys(HOST_NAMES, self._settings["FLOWKIT_HOSTS_ADDRESS"])
        return HostsFacts(
            path=path,
            stack=self._settings.stack,
            wanted=wanted if self._settings["FLOWKIT_HOSTS_ENTRY"] else {},
            content=hosts_file.read(path) if self._settings["FLOWKIT_HOSTS_ENTRY"] else b"",
            writable=os.access(path, os.W_OK),
        )

    def plan(self, facts: HostsFacts) -> Plan:
        """Raises HostError if a line that is not ours gives one of the names another address."""
        subject = str(facts.path)
        if not facts.wanted:
            return Plan(unchanged=(Unchanged(subject, "FLOWKIT_HOSTS_ENTRY is false"),))
        foreign = hosts_file.elsewhere(facts.content, facts.stack, facts.wanted)
        if foreign:
            name, addresses = next(iter(foreign.items()))
            raise HostError(
                f"{name} is another machine in {facts.path}",
                why=f"a line there says {addresses[0]}, and FLOWKIT_HOSTS_ADDRESS {facts.wanted[name]}",
                fix=f"take the name out of that line, or {TURN_OFF}",
            )
        after = hosts_file.with_entries(facts.content, facts.stack, facts.wanted)
        if after == facts.content or not hosts_file.missing(
            hosts_file.without_entries(facts.content, facts.stack), facts.wanted
        ):
            return Plan(unchanged=(Unchanged(subject, f"has {' and '.join(facts.wanted)} already"),))
        if not facts.writable:
            reason = f"we may not write it; run: {by_hand(facts.path, facts.wanted)}"
            return Plan(unchanged=(Unchanged(subject, reason),))
        line = ", ".join(line.replace("\t", " ") for line in hosts_file.lines_for(facts.wanted))
        return Plan(actions=(WriteHosts(facts.path, facts.content, after, line),))

    def plan_removal(self, facts: HostsFacts) -> Plan:
        """Taking our block out again."""
        after = hosts_file.without_entries(facts.content, facts.stack)
        if after == facts.content:
            return Plan(unchanged=(Unchanged(str(facts.path), "has no lines of ours"),))
        return Plan(actions=(WriteHosts(facts.path, facts.content, after, ""),))

    def act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, WriteHosts):
                by_others = by_hand(action.path, dict.fromkeys(HOST_NAMES, self._settings["FLOWKIT_HOSTS_ADDRESS"]))
                fix = f"run: {by_others}" if action.line else f"take our lines out of {action.path} with an editor"
                hosts_file.write(action.path, action.before, action.after, fix=fix)
