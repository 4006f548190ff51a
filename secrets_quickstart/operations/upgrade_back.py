"""The way back from an upgrade: the services as they were, and the databases if they are not; `upgrade` says when.

A database is looked at by the former server, without a network, while no service of its component runs.  It is kept,
with all that was written since, if nothing was lost and its tables are the former release's.  Else its files are set
aside, sealed, and the backup takes their place.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from secrets_quickstart import audit, report
from secrets_quickstart.catalog.components import COMPONENTS, SERVICES
from secrets_quickstart.checks.data import Place, places
from secrets_quickstart.errors import EngineError, NotConverged, ServiceError
from secrets_quickstart.material.sealing import Opener, Sealer
from secrets_quickstart.operations import backup_folder, upgrade_data
from secrets_quickstart.operations.amounts import Meter
from secrets_quickstart.operations.backup import LOGICAL
from secrets_quickstart.operations.backup_folder import Backup
from secrets_quickstart.operations.deployment import Order
from secrets_quickstart.operations.postgresql import SERVER
from secrets_quickstart.operations.refill import HELD, Refill, Spot
from secrets_quickstart.operations.restore import know_again, spot
from secrets_quickstart.operations.upgrade_note import Former, UnderWay
from secrets_quickstart.report import Tell
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import copies, services
from secrets_quickstart.swarm.convergence import Expectation
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import Service
from secrets_quickstart.swarm.watching import events, looks, wait_until_up
from secrets_quickstart.vault import Vault

TRIES = 10
BETWEEN = 0.5
"""Seconds between two tries to update a service that the swarm itself is taking back."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """From wherever an upgrade has come to where it began; what it has done already is not done again."""

    settings: Settings
    """Those that ran."""
    engine: Engine
    vault: Vault
    order: Order
    passphrase: Sensitive
    tell: Tell

    def go(self, under_way: UnderWay) -> UnderWay:
        """Return when everything runs as it did; what was found out on the way is in the note."""
        for place in places(self.settings, self.order.components):
            component = place.database.component
            if component not in under_way.cleared and component in under_way.answers:
                under_way = self._clear(under_way, place)
                under_way = replace(under_way, cleared=(*under_way.cleared, component))
                under_way.note(self.vault)
        self._put_back(under_way.services)
        return under_way

    def _clear(self, under_way: UnderWay, place: Place) -> UnderWay:
        """See that a component's database is as it was."""
        component = place.database.component
        before = under_way.answers[component]
        own = [service.name for part in COMPONENTS if part.name == component for service in part.services]
        if not self._is_touched(under_way, own) and not self._lacks_something(place, before):
            return under_way
        there = replace(spot(self.settings, place), image=under_way.services[place.database.service].image)
        self._stop(own)
        backup = Backup.open(Path(under_way.backup), self._opener)
        if component not in under_way.restored:
            report.say(f"upgrade: looking at what is in the {place}")
            harm = self._harm(there, before)
            if not harm:
                report.say(f"upgrade: nothing is missing in the {place}")
                return under_way
            for line in harm:
                report.say(f"upgrade: {line}")
            audit.note(f"upgrade: restore {component} into the {place}, after setting aside what is there")
            aside = self._set_aside(there, backup.folder.parent)
            told = (
                f"{place.database.title} was restored as of {under_way.created} ({harm[0]}); "
                f"what it held instead, with all that was written since, is in {aside}"
            )
            under_way = replace(under_way, restored={**under_way.restored, component: told})
            under_way.note(self.vault)
        Refill(self.settings, self.engine, backup, self.tell).fill(there)
        if backup.manifest.databases[component].kind == LOGICAL:
            know_again(self.vault, self.engine, place)
        return under_way

    def _is_touched(self, under_way: UnderWay, names: Collection[str]) -> bool:
        """Whether any of these services has run anything else since, be it that the swarm has taken that back."""
        state, former = services.state(self.engine, self.settings.stack), under_way.services
        for name in names:
            service, before = state.services.get(name), former.get(name)
            if service is None:
                continue
            if before is None or any(service.spec[part] != before.spec[part] for part in ("TaskTemplate", "Mode")):
                return True
            if any(task.spec["ContainerSpec"]["Image"] != before.image for task in state.tasks_of(service)):
                return True
        return False

    def _lacks_something(self, place: Place, before: Mapping[str, Any]) -> bool:
        """Of a database whose own services are as they were: others work on it too."""
        try:
            now = upgrade_data.answers(upgrade_data.running(self.settings, self.engine, place))
        except ServiceError:
            return True
        return bool(upgrade_data.lost(place.database.component, before, now))

    def _harm(self, there: Spot, before: Mapping[str, Any]) -> tuple[str, ...]:
        """What is not as it was, in words."""
        try:
            with there.container(self.settings, self.engine, there.image, SERVER) as database:
                database.wait(self.settings.deadline, "--host=127.0.0.1")
                return upgrade_data.altered(there.component, before, upgrade_data.answers(database))
        except (ServiceError, EngineError) as problem:
            self.engine.membership()  # raises if it is the engine that is in trouble
            return (f"the former server does not start on the data of {there.component}: {problem}",)

    def _set_aside(self, there: Spot, directory: Path) -> Path:
        """Every file of it in a new folder, sealed as the backup is."""
        title = f"{self.settings.stack}-{there.component}-left"
        sealer = Sealer.with_passphrase(self.passphrase)
        with (
            there.container(self.settings, self.engine, there.image, HELD) as held,
            backup_folder.drafted(directory, title, sealer) as (draft, final),
            copies.files(held) as stream,
        ):
            draft.seal(f"{there.component}.tar.age", stream, Meter(self.tell, f"{there.component}, set aside"))
        report.say(f"upgrade: what {there.component} held is in {final}")
        return final

    def _opener(self, key: bytes | None) -> Opener:
        return Opener.with_passphrase(self.passphrase, key or b"")

    def _stop(self, names: Collection[str]) -> None:
        """Return when no container of these services is left."""
        for name in names:
            if name in self._services():
                audit.note(f"upgrade: stop {name}")
                self._put(name, replicas=0)
        with events(self.engine) as happened:
            end = time.monotonic() + self.settings.deadline
            for left in looks(lambda: self._containers(names), happened, end):
                self.tell(dict.fromkeys(left, "being stopped"))
                if not left:
                    return
        raise NotConverged("not everything stopped in time", why=", ".join(left), fix="run this again")

    def _containers(self, names: Collection[str]) -> list[str]:
        found = services.containers(self.engine, self.settings.stack)
        return [name for name, running in found if running and name in names]

    def _put_back(self, former: Mapping[str, Former]) -> None:
        since = self.engine.now()
        for name, service in self._services().items():
            if name not in former:
                audit.note(f"upgrade: remove the new service {name}")
                services.remove(self.engine, service)
            elif service.spec != former[name].spec:
                audit.note(f"upgrade: put {name} back to {former[name].image}")
                self._put(name, former[name].spec)
        expected = {
            name: Expectation(SERVICES[name].needs, SERVICES[name].runs_once) for name in former if name in SERVICES
        }
        stack, deadline = self.settings.stack, self.settings.deadline
        wait_until_up(self.engine, stack, expected, since=since, deadline=deadline, tell=self.tell)

    def _put(self, name: str, spec: Mapping[str, Any] | None = None, *, replicas: int | None = None) -> None:
        """The swarm may be taking the service back at the same time: then it is looked at and told again."""
        for _ in range(TRIES):
            service = self._services()[name]
            wanted = dict(service.spec if spec is None else spec)
            if replicas is not None and "Replicated" in wanted["Mode"]:
                wanted["Mode"] = {"Replicated": {"Replicas": replicas}}
            if wanted == service.spec or services.put(self.engine, service, wanted):
                return
            time.sleep(BETWEEN)
        raise EngineError(f"the service {name} cannot be updated", why="it changes all the time", fix="run this again")

    def _services(self) -> Mapping[str, Service]:
        return services.state(self.engine, self.settings.stack).services
