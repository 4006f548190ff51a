"""What an upgrade would change, and what stands in its way: facts, and tables of rows over them.  Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.databases import FLOWAUTH, FLOWETL
from secrets_quickstart.catalog.images import FLOWKIT_RELEASE
from secrets_quickstart.catalog.upgrades import MILESTONES, Milestone
from secrets_quickstart.checks.check import Check, Finding, Obstacle, Ok, Outcome, finding
from secrets_quickstart.checks.data import Place, look
from secrets_quickstart.operations import flowauth_tables, upgrade_data
from secrets_quickstart.operations.deployment import Deployment
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import images, services
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault


@dataclass(frozen=True, slots=True)
class Change:
    """A service that gets another image."""

    service: str
    component: str
    old: str
    """"" for a service that is new."""
    new: str

    def __str__(self) -> str:
        return f"{self.service}: {self.old or 'nothing'} becomes {self.new}"

    def document(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is deployed, and what is wanted."""

    running: Mapping[str, str]
    """Images by service."""
    wanted: Mapping[str, str]
    old_tables: frozenset[str] = frozenset()
    """Components whose database is of before their milestone."""
    dumped: frozenset[str] = frozenset()
    """Those of them of which there is a dump."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """In the order in which they are made."""
        return tuple(
            Change(service.name, part.name, self.running.get(service.name, ""), self.wanted[service.name])
            for part in COMPONENTS
            for service in part.services
            if self.wanted.get(service.name, self.running.get(service.name)) != self.running.get(service.name)
        )


def facts(settings: Settings, engine: Engine, vault: Vault, deployment: Deployment) -> Facts:
    """As they are now; `settings` are those that run, `deployment` is the one that is wanted."""
    found = services.state(engine, settings.stack).services
    running = {name: service.image for name, service in found.items()}
    seen = Facts(running, deployment.references())
    touched = {change.component for change in seen.changes}
    old, dumped = set(), set()
    airflow, flowauth = (Place.of(settings, database) for database in (FLOWETL, FLOWAUTH))
    if airflow is not None and "flowetl" in touched:
        data = look(engine, airflow, vault)
        old |= {"flowetl"} if data.outdated else set()
        dumped |= {"flowetl"} if data.dumped else set()
    if flowauth is not None and "flowauth" in touched:
        tables = flowauth_tables.census(upgrade_data.running(settings, engine, flowauth))
        note = flowauth_tables.Note.read(settings.state_dir / flowauth_tables.NOTE)
        old |= {"flowauth"} if tables.is_old else set()
        dumped |= {"flowauth"} if note is not None else set()
    return Facts(running, seen.wanted, frozenset(old), frozenset(dumped))


def findings(found: Facts) -> tuple[Finding, ...]:
    """What every row of the table finds."""
    return tuple(finding(check.name, check.judge(found)) for check in CHECKS)


def afterwards(found: Facts) -> tuple[str, ...]:
    """What is left to do for people when it is done."""
    return tuple(row.afterwards for row in MILESTONES if row.afterwards and _is_passed(row, found))


def release(reference: str) -> tuple[int, ...] | None:
    """The release that an image is of, by its name; None for one that is called otherwise, such as `latest`."""
    tag = reference.partition("@")[0].rpartition("/")[2].partition(":")[2]
    text = FLOWKIT_RELEASE if images.is_local(reference) else tag
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return None if found is None else tuple(int(part or 0) for part in found.groups())


def _is_passed(row: Milestone, found: Facts) -> bool:
    """Whether older tables get to know the release that changes them, or one that does not say which it is."""
    if row.component not in found.old_tables:
        return False
    after = [release(change.new) for change in _of_flowkit(found) if change.component == row.component]
    return any(number is None or number >= (release(f":{row.release}") or ()) for number in after)


def _milestone(row: Milestone, found: Facts) -> Outcome:
    if not _is_passed(row, found):
        return Ok()
    if row.component in found.dumped:
        return Ok("there is a dump")
    return Obstacle(row.what, row.fix)


def _forwards(found: Facts) -> Outcome:
    """FlowKit's components change their tables as they start, and none of them changes them back."""
    for change in _of_flowkit(found):
        old, new = release(change.old), release(change.new)
        if change.old and old is not None and new is not None and new < old:
            return Obstacle(
                f"{change.service} is of {_text(old)}, and {_text(new)} is older",
                "name a later release; a backup that was made with the older one leads back to it (invoke restore)",
            )
    return Ok()


def _source(found: Facts) -> Outcome:
    for change in found.changes:
        if change.service == "flowdb" and change.old and images.is_local(change.old) != images.is_local(change.new):
            old, new = ("a local", "an official") if images.is_local(change.old) else ("an official", "a local")
            return Obstacle(
                f"FlowDB's data was made by {old} image, and is not for {new} one",
                "let FLOWKIT_IMAGES say what it said when FlowDB was deployed",
            )
    return Ok()


def _of_flowkit(found: Facts) -> list[Change]:
    """Those whose images have FlowKit's releases."""
    named = {service.name: service.image for part in COMPONENTS for service in part.services}
    return [change for change in found.changes if named[change.service] not in {"postgres", "redis", "edge"}]


def _text(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))


CHECKS: tuple[Check[Facts], ...] = (
    Check("release", "Is it a later release?", _forwards),
    Check("source of FlowDB", "Is the data for the new FlowDB?", _source),
    *(
        Check(f"{row.component} {row.release}", "Do older tables need a step of their own?", partial(_milestone, row))
        for row in MILESTONES
    ),
)
