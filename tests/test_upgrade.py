"""Other images for what runs: there and verified, or everything as before, data included.

The databases are models of the real ones, which `tests/swarm/test_upgrade.py` has.
"""

import copy
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from secrets_quickstart.catalog.labels import IMAGE
from secrets_quickstart.checks.check import Status
from secrets_quickstart.errors import NotConverged, PreflightFailed, ServiceError, UsageError, VerificationFailed
from secrets_quickstart.material.sealing import Sealer
from secrets_quickstart.operations import (
    backup,
    rotation,
    rotation_choice,
    upgrade,
    upgrade_data,
    upgrade_plan,
)
from secrets_quickstart.operations.backup_answers import COUNTS
from secrets_quickstart.operations.backup_folder import Backup
from secrets_quickstart.operations.refill import Refill, Spot
from secrets_quickstart.operations.upgrade import Wish
from secrets_quickstart.operations.upgrade_back import WayBack
from secrets_quickstart.operations.upgrade_data import COLUMNS, REVISION
from secrets_quickstart.operations.upgrade_note import UNDER_WAY
from secrets_quickstart.operations.upgrade_plan import Facts, findings
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.swarm import building, containers, images
from tests import deployments
from tests.deployments import ROOT, Killed, World

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


@pytest.fixture
def worlds(tmp_path, monkeypatch):
    count = iter(range(1000))
    return lambda: Upgrading(tmp_path / f"world{next(count)}", monkeypatch)


@pytest.fixture
def world(worlds):
    return worlds().deployed()


def test_services_whose_image_has_changed_get_it_and_nothing_else_is_touched(world):
    untouched = {name for name in world.engine.services if name not in {"s_flowdb", "s_flowauth"}}
    versions = {name: world.engine.services[name]["Version"] for name in untouched}

    done = world.upgrade()

    assert [change.service for change in done.changes] == ["flowdb", "flowauth"]
    now = world.images()
    assert {name for name in now if now[name] != world.before[name]} == {"flowdb", "flowauth"}
    tasks = {task["ServiceID"] for task in world.engine.tasks if task["DesiredState"] == "shutdown"}
    assert tasks & {world.engine.services[name]["ID"] for name in untouched} == {
        world.engine.services["s_flowetl_init"]["ID"]
    }
    assert versions.keys() == untouched
    assert UNDER_WAY not in world.vault().claims
    assert world.deploy().changes == 0


def test_images_and_a_backup_come_before_anything_is_changed(world):
    before = copy.deepcopy(world.engine.services)

    def look():
        world.events.append("update")

    world.does = {"flowdb": look, "flowauth": look}
    world.upgrade()

    assert world.events[:3] == ["build flowdb", "build flowauth", "back up"]
    assert world.events[3:] == ["update"] * len(world.events[3:])
    assert before != world.engine.services


def test_flowdb_is_up_before_what_needs_it_is_touched(world):
    seen = []
    world.does = {"flowdb": lambda: seen.append(world.images()["flowauth"] == world.before["flowauth"])}

    world.upgrade()

    assert seen[0]


def test_a_second_run_has_nothing_to_do_and_writes_nothing(world):
    world.upgrade()
    writes, held = list(world.engine.writes), world.files()
    events = list(world.events)

    done = world.upgrade(passphrase=None)

    assert done.changes == ()
    assert not done.carried_on
    assert (world.engine.writes, world.events) == (writes, events)
    assert {name: held[name] for name in held if "vault.lock" not in name} == {
        name: content for name, content in world.files().items() if "vault.lock" not in name
    }


def test_without_a_passphrase_nothing_is_begun(world):
    with pytest.raises(UsageError, match="a backup comes before an upgrade"):
        world.upgrade(passphrase=None)

    assert world.images() == world.before
    assert world.events in ([], ["build flowdb", "build flowauth"])


def test_a_plan_changes_nothing(world):
    writes = list(world.engine.writes)

    planned = upgrade.plan(world.settings(), Wish())

    assert [change.service for change in planned.changes] == ["flowdb", "flowauth"]
    assert (world.engine.writes, world.events) == (writes, [])


def test_an_image_that_does_not_start_is_taken_back_and_what_was_written_meanwhile_is_kept(world):
    specs = copy.deepcopy(world.specs())

    def refused():
        world.data_of["flowauth"]["rows"] = {'public."user"': 3}
        world.crash("flowauth")()

    world.does = {"flowauth": refused}
    with pytest.raises(NotConverged, match="the former version runs again: flowauth does not come up"):
        world.upgrade()

    assert world.specs() == specs
    assert world.filled == []
    assert world.data_of["flowauth"]["rows"] == {'public."user"': 3}
    assert UNDER_WAY not in world.vault().claims


def test_what_comes_after_a_component_that_fails_is_never_touched(world):
    versions = {name: item["Version"] for name, item in world.engine.services.items() if "flowauth" in name}
    world.does = {"flowdb": world.crash("flowdb")}

    with pytest.raises(NotConverged):
        world.upgrade()

    assert {name: world.engine.services[name]["Version"] for name in versions} == versions


def test_rows_that_the_new_version_has_lost_come_back_and_what_it_left_is_set_aside(world):
    world.does = {"flowdb": world.damage("flowdb", rows={"events.calls": 99})}

    with pytest.raises(VerificationFailed, match=r"events\.calls of flowdb has 99 rows, and had 100") as caught:
        world.upgrade()

    assert "FlowDB was restored as of at nine" in str(caught.value)
    assert "/left" in str(caught.value)
    assert world.data_of["flowdb"]["rows"] == DATA["flowdb"]["rows"]
    assert [found["rows"] for found in world.aside] == [{"events.calls": 99}]
    assert world.images() == world.before
    assert world.filled == ["flowdb"]


def test_tables_that_were_migrated_before_something_else_failed_come_back(world):
    world.does = {"flowauth": world.damage("flowauth", revision=["2"])}
    world.trouble = [True]

    with pytest.raises(VerificationFailed, match="the former version runs again: the check of FlowAPI failed"):
        world.upgrade()

    assert world.filled == ["flowauth"]
    assert world.data_of["flowauth"]["revision"] == ["1"]


def test_tables_that_a_service_migrated_before_the_swarm_took_it_back_come_back_too(world):
    before = copy.deepcopy(world.engine.services["s_flowauth"]["Spec"])

    def migrated_and_taken_back():
        world.data_of["flowauth"]["revision"] = ["2"]
        world.engine.put_specification(before)

    world.does = {"flowauth": migrated_and_taken_back}
    world.trouble = [True]
    with pytest.raises(VerificationFailed, match="FlowAuth's database was restored as of at nine"):
        world.upgrade()

    assert world.filled == ["flowauth"]
    assert world.data_of["flowauth"]["revision"] == ["1"]


def test_a_migration_that_keeps_what_counts_is_no_loss(world):
    world.does = {"flowauth": world.damage("flowauth", revision=["2"], columns={'public."user"': "other"})}

    world.upgrade()

    assert world.data_of["flowauth"]["revision"] == ["2"]
    assert world.filled == []


def test_a_database_that_another_component_has_harmed_comes_back_too(worlds):
    world = worlds().deployed(changed=("flowetl",))
    world.does = {"flowetl_worker": world.damage("flowdb", rows={"events.calls": 1})}

    with pytest.raises(VerificationFailed, match=r"events\.calls of flowdb has 1 rows"):
        world.upgrade()

    assert world.filled == ["flowdb"]
    assert world.images() == world.before
    assert world.data_of["flowdb"]["rows"] == DATA["flowdb"]["rows"]


def test_cut_off_before_any_write_the_next_run_comes_to_the_same_end(worlds):
    whole = worlds().deployed()
    whole.fuse.set(0)
    whole.upgrade()
    writes = whole.fuse.burnt

    for number in range(1, writes + 1, 3):
        world = worlds().deployed()
        world.fuse.set(number)
        with pytest.raises(Killed):
            world.upgrade()
        world.fuse.set(0)

        world.upgrade()

        assert world.images() == whole.images(), number
        assert UNDER_WAY not in world.vault().claims, number
        assert world.upgrade(passphrase=None).changes == (), number
        assert world.deploy().changes == 0, number
    assert writes > 10


def test_cut_off_anywhere_on_the_way_back_it_still_comes_back(worlds):
    def broken():
        world = worlds().deployed()
        world.does = {"flowdb": world.damage("flowdb", rows={"events.calls": 99})}
        return world

    whole = broken()
    whole.fuse.set(0)
    with pytest.raises(VerificationFailed):
        whole.upgrade()

    for number in range(whole.aside_at - 4, whole.fuse.burnt + 1):
        world = broken()
        world.fuse.set(number)
        with pytest.raises((Killed, VerificationFailed)):
            world.upgrade()
        world.fuse.set(0)

        if UNDER_WAY in world.vault().claims:
            with pytest.raises((ServiceError, VerificationFailed), match="the former version runs again"):
                world.upgrade()

        assert world.images() == world.before, number
        assert world.data_of["flowdb"]["rows"] == DATA["flowdb"]["rows"], number
        assert all(found["rows"] == {"events.calls": 99} for found in world.aside), number
        assert UNDER_WAY not in world.vault().claims, number


def test_going_back_that_fails_too_is_carried_on_by_the_next_run(world):
    world.trouble = [True, True]
    with pytest.raises(VerificationFailed, match="the upgrade failed, and so did going back"):
        world.upgrade()

    with pytest.raises(ServiceError, match="had failed, and the former version runs again"):
        world.upgrade()

    assert world.images() == world.before
    assert UNDER_WAY not in world.vault().claims
    world.upgrade()
    assert world.images() != world.before


def test_a_database_that_was_restored_is_not_touched_again_by_the_run_that_carries_on(world):
    world.does = {"flowdb": world.damage("flowdb", rows={"events.calls": 99})}
    world.verification = [VerificationFailed("the check of FlowDB failed")]
    with pytest.raises(VerificationFailed, match="so did going back"):
        world.upgrade()
    events = list(world.events)

    with pytest.raises(ServiceError, match="FlowDB was restored as of at nine"):
        world.upgrade()

    assert (world.filled, world.events) == (["flowdb"], events)
    assert world.images() == world.before


def test_what_has_failed_is_taken_back_by_the_next_run_even_if_it_would_work_now(world, monkeypatch):
    def killed(*_):
        raise Killed

    world.trouble = [True]
    with monkeypatch.context() as patched:
        patched.setattr(WayBack, "go", killed)
        with pytest.raises(Killed):
            world.upgrade()

    with pytest.raises(ServiceError, match="had failed, and the former version runs again"):
        world.upgrade()

    assert world.images() == world.before


def test_a_database_on_which_nothing_new_ran_goes_on_running(worlds):
    world = worlds().deployed(changed=("flowapi",))
    world.trouble = [True]

    with pytest.raises(VerificationFailed, match="the former version runs again"):
        world.upgrade()

    assert [event for event in world.events if event.startswith("look at")] == []
    assert world.images() == world.before


def test_nobody_else_changes_the_stack_while_an_upgrade_waits_to_be_carried_on(world):
    world.fuse.set(0)
    world.does = {"flowdb": lambda: (_ for _ in ()).throw(Killed())}
    with pytest.raises(Killed):
        world.upgrade()
    world.does = {}

    for command in (
        world.deploy,
        lambda: rotation.rotate(world.settings(), rotation_choice.Wish(everything=True), "invoke secrets.rotate"),
    ):
        with pytest.raises(UsageError, match="an upgrade was interrupted"):
            command()
    assert upgrade.plan(world.settings(), Wish()).interrupted
    assert world.upgrade().carried_on


@pytest.mark.parametrize("mode", ["local", "auto"])
def test_local_images_have_no_tag(world, mode):
    settings, wish = world.settings(FLOWKIT_IMAGES=mode), Wish("1.35.0", passphrase=PASSPHRASE)

    for command in (lambda: upgrade.upgrade(settings, wish, "invoke upgrade"), lambda: upgrade.plan(settings, wish)):
        with pytest.raises(UsageError, match="local images have no tag to choose"):
            command()

    assert (world.images(), world.events) == (world.before, [])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "CONTAINER_TAG=1.35.0\n"),
        ("A=1\nexport CONTAINER_TAG = 1.34.0\n# CONTAINER_TAG\n", "A=1\nCONTAINER_TAG=1.35.0\n# CONTAINER_TAG\n"),
        ("A=1", "A=1\nCONTAINER_TAG=1.35.0\n"),
    ],
)
def test_the_release_goes_into_the_settings(tmp_path, content, expected):
    path = tmp_path / ".env"
    if content is not None:
        path.write_text(content)

    upgrade.keep_tag(path, "1.35.0")

    assert path.read_text() == expected


OFFICIAL = {"flowdb": "flowminder/flowdb:1.34.0@sha256:1", "flowetl_init": "flowminder/flowetl:1.16.0@sha256:1"}


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        (Facts(OFFICIAL, OFFICIAL), None),
        (Facts(OFFICIAL, {"flowdb": "flowminder/flowdb:1.35.0@sha256:2"}), None),
        (Facts(OFFICIAL, {"flowdb": "flowminder/flowdb:1.33.0@sha256:2"}), "release"),
        (Facts(OFFICIAL, {"flowdb": "flowminder/flowdb:latest@sha256:2"}), None),
        (Facts(OFFICIAL, {"flowdb": "flowkit/flowdb:local-1"}), "source of FlowDB"),
        (Facts({"flowdb": "flowkit/flowdb:local-1"}, {"flowdb": "flowkit/flowdb:local-2"}), None),
        (Facts(OFFICIAL, {"flowetl_init": "a:5/x/flowetl:1.34.0"}, frozenset({"flowetl"})), "flowetl 1.17.0"),
        (Facts(OFFICIAL, {"flowetl_init": "x/flowetl:1.16.1"}, frozenset({"flowetl"})), None),
        (Facts(OFFICIAL, {"flowetl_init": "x/flowetl:latest"}, frozenset({"flowetl"})), "flowetl 1.17.0"),
        (Facts(OFFICIAL, {"flowetl_init": "x/flowetl:1.34.0"}, *[frozenset({"flowetl"})] * 2), None),
        (
            Facts({"flowauth": "x/flowauth:1.18.0"}, {"flowauth": "x/flowauth:1.18.1"}, frozenset({"flowauth"})),
            "flowauth 1.18.1",
        ),
    ],
)
def test_what_is_known_of_upgrades_stands_in_the_way_of_those_it_is_about(found, refused):
    obstacles = [item for item in findings(found) if item.status is Status.OBSTACLE]

    assert [item.check for item in obstacles] == ([] if refused is None else [refused])
    assert all(item.detail and item.fix for item in obstacles)


def test_what_stands_in_the_way_is_said_before_anything_is_changed(world, monkeypatch):
    monkeypatch.setattr(upgrade_plan, "release", lambda reference: (1, int(reference in world.before.values())))
    writes = list(world.engine.writes)

    with pytest.raises(PreflightFailed, match="is older"):
        world.upgrade()

    assert (world.engine.writes, world.events) == (writes, [])


def test_who_migrated_is_told_to_check_it():
    found = Facts({"flowauth": "x/flowauth:1.18.0"}, {"flowauth": "x/flowauth:1.34.0"}, *[frozenset({"flowauth"})] * 2)

    assert ["flowauth.migrate" in text for text in upgrade_plan.afterwards(found)] == [True]


BEFORE = {"rows": {"events.calls": 5, "etl.x": 9}, "columns": {"events.calls": "a", "etl.x": "b"}, "revision": []}


@pytest.mark.parametrize(
    ("change", "lost", "altered"),
    [
        ({}, 0, 0),
        ({"rows": {"events.calls": 6}}, 0, 0),
        ({"rows": {"events.calls": 4, "etl.x": 9}}, 1, 1),
        ({"rows": {}}, 0, 0),
        ({"rows": {}, "columns": {"etl.x": "b"}}, 1, 2),
        ({"columns": {"events.calls": "other", "etl.x": "b"}}, 0, 1),
        ({"columns": {"events.calls": "a", "new": "n"}}, 0, 0),
        ({"revision": ["2"]}, 0, 1),
    ],
)
def test_what_a_database_has_lost_is_told_from_what_comes_and_goes(change, lost, altered):
    now = {**BEFORE, **change}

    assert len(upgrade_data.lost("flowdb", BEFORE, now)) == lost
    assert len(upgrade_data.altered("flowdb", BEFORE, now)) == altered


def test_an_images_release_is_read_from_its_name():
    assert upgrade_plan.release("host:5000/flowminder/flowdb:1.34.0@sha256:abc") == (1, 34, 0)
    assert upgrade_plan.release("flowminder/flowdb:latest") is None
    assert upgrade_plan.release(f"{images.PREFIX}/flowdb:local-abc") is not None
