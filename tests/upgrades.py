"""A deployment that is upgraded, with models of its databases; `tests/swarm/test_upgrade.py` has real ones.

No test is here.
"""

import copy
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from secrets_quickstart.catalog.labels import IMAGE
from secrets_quickstart.errors import VerificationFailed
from secrets_quickstart.material.sealing import Sealer
from secrets_quickstart.operations import (
    backup,
    rotation,
    upgrade,
    upgrade_data,
)
from secrets_quickstart.operations.backup_answers import COUNTS
from secrets_quickstart.operations.backup_folder import Backup
from secrets_quickstart.operations.refill import Refill, Spot
from secrets_quickstart.operations.upgrade import Wish
from secrets_quickstart.operations.upgrade_back import WayBack
from secrets_quickstart.operations.upgrade_data import COLUMNS, REVISION
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.swarm import building, containers
from tests import deployments
from tests.deployments import ROOT, World

PASSPHRASE = Sensitive("of the tests")
SERVERS = {"flowdb": "flowdb", "flowetl_db": "flowetl", "flowauth_postgres": "flowauth"}
DATA = {
    "flowdb": {"rows": {"events.calls": 100, "etl.staging": 5}, "columns": {"events.calls": "a", "etl.staging": "b"}},
    "flowetl": {"rows": {"public.dag_run": 3}, "columns": {"public.dag_run": "a", "public.job": "b"}},
    "flowauth": {"rows": {'public."user"': 2}, "columns": {'public."user"': "a"}},
}


class Upgrading(World):
    """A deployment whose databases hold something, and whose images have changed."""

    def __init__(self, folder, monkeypatch):
        super().__init__(folder, monkeypatch)
        self.data_of = {name: {**copy.deepcopy(found), "revision": ["1"]} for name, found in DATA.items()}
        self.saved = []
        self.aside = []
        self.aside_at = 0
        """After how many writes something was set aside."""
        self.filled = []
        self.does: dict[str, Callable[[], None]] = {}
        """What a new image does as it starts, by service."""
        self.trouble: list[bool] = []
        self.events: list[str] = []
        world = self

        class Server:
            def __init__(self, _engine, container, _environment):
                self.component = SERVERS[container]

            def wait(self, _deadline, *_at):
                pass

            def ask(self, query):
                key = {COUNTS: "rows", COLUMNS: "columns", REVISION: "revision"}.get(query)
                return copy.deepcopy(world.data_of[self.component][key]) if key else None

        @contextmanager
        def brought_up(spot, _settings, _engine, image, _script):
            world.events.append(f"look at {spot.component}")
            assert not world.runs(spot.component), "two servers on one data directory"
            assert image == world.before[next(name for name, c in SERVERS.items() if c == spot.component)]
            yield Server(None, next(name for name, c in SERVERS.items() if c == spot.component), None)

        monkeypatch.setattr(upgrade_data, "Postgresql", Server)
        monkeypatch.setattr(Spot, "container", brought_up)
        monkeypatch.setattr(upgrade, "Engine", self._engine)
        monkeypatch.setattr(rotation, "Engine", self._engine)
        monkeypatch.setattr(containers, "of_service", lambda _engine, _stack, name: name if self.up(name) else None)
        monkeypatch.setattr(backup, "taken", self._back_up)
        monkeypatch.setattr(Sealer, "with_passphrase", lambda _: None)
        monkeypatch.setattr(Backup, "open", self._open)
        monkeypatch.setattr(WayBack, "_set_aside", self._set_aside)
        monkeypatch.setattr(Refill, "fill", lambda _, spot: self._fill(spot))
        monkeypatch.setattr(building.Builder, "build", self._build)
        put = deployments.Machine._put_service

        def started(engine, stack, name, entry, secrets):
            put(engine, stack, name, entry, secrets)
            if name in self.does and entry["image"] != self.before.get(name):
                self.does[name]()

        monkeypatch.setattr(deployments.Machine, "_put_service", started)
        self.before: dict[str, str] = {}

    def deployed(self, target="flowkit", changed=("flowdb", "flowauth")):
        self.deploy(target)
        self.before = self.images()
        (self.folder / "images").unlink()
        shutil.copytree(ROOT / "images", self.folder / "images", ignore=shutil.ignore_patterns("__pycache__"))
        for name in changed:
            (self.folder / "images" / name / "README.md").write_text("changed")
        return self

    def images(self):
        return {name.removeprefix("s_"): spec["Image"] for name, spec in self.specs().items()}

    def specs(self):
        return {name: item["Spec"]["TaskTemplate"]["ContainerSpec"] for name, item in self.engine.services.items()}

    def up(self, name):
        item = self.engine.services.get(f"s_{name}")
        return item is not None and item["Spec"]["Mode"]["Replicated"]["Replicas"] > 0

    def runs(self, component):
        return self.up(next(name for name, found in SERVERS.items() if found == component))

    def upgrade(self, **wish):
        return upgrade.upgrade(self.settings(), Wish(**{"passphrase": PASSPHRASE, **wish}), "invoke upgrade")

    def crash(self, service):
        """Its tasks are refused by the engine."""

        def refused():
            identifier = self.engine.services[f"s_{service}"]["ID"]
            status = next(task["Status"] for task in reversed(self.engine.tasks) if task["ServiceID"] == identifier)
            status |= {"State": "rejected", "Err": "No such image: x"}

        return refused

    def damage(self, component, **changes):
        def damaged():
            for key, found in changes.items():
                self.data_of[component][key] = found

        return damaged

    def _build(self, recipes, _every):
        for recipe in recipes:
            self.events.append(f"build {recipe.name}")
            self.engine.add_image(recipe.reference, {IMAGE: recipe.name})

    def _back_up(self, _settings, directory, _sealer, _tell):
        assert {self.engine.services[f"s_{name}"]["Spec"]["Mode"]["Replicated"]["Replicas"] for name in SERVERS} == {1}
        self.events.append("back up")
        self.fuse.burn()
        self.saved = [copy.deepcopy(self.data_of)]
        return SimpleNamespace(folder=directory / "s-1", manifest=SimpleNamespace(elsewhere=(), created="at nine"))

    def _open(self, folder, _opener):
        kinds = {name: SimpleNamespace(kind="physical") for name in DATA}
        return SimpleNamespace(folder=folder, manifest=SimpleNamespace(databases=kinds))

    def _set_aside(self, spot, directory):
        self.fuse.burn()
        self.aside_at = self.fuse.burnt
        self.aside.append(copy.deepcopy(self.data_of[spot.component]))
        return Path(directory) / "left"

    def _fill(self, spot):
        self.data_of[spot.component] = {"rows": {}, "columns": {}, "revision": []}
        self.fuse.burn()
        self.filled.append(spot.component)
        self.data_of[spot.component] = copy.deepcopy(self.saved[0][spot.component])

    def _verify(self, settings, wanted, engine, vault):
        super()._verify(settings, wanted, engine, vault)
        if self.trouble and self.trouble.pop(0):
            raise VerificationFailed("the check of FlowAPI failed")
