"""A run of every command that has `--json`, on a machine in memory; no test is here.

What asks FlowKit's services is replaced by what it would return, as the operations' own classes; what asks the swarm,
the vault and the disk is real, on the fake engine.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from invoke.context import Context

import secrets_quickstart
from secrets_quickstart import settings as settings_module
from secrets_quickstart.catalog.rotation import AFTERWARDS
from secrets_quickstart.checks import preflight, verification
from secrets_quickstart.checks.check import Finding, Status
from secrets_quickstart.clients.flowauth_records import Limits, Role, User
from secrets_quickstart.clients.flowdb import FlowdbClient
from secrets_quickstart.operations import (
    airflow_migration,
    backup,
    backup_verify,
    etl_days,
    etl_following,
    etl_runs,
    flowauth_tables,
    library_users,
    links,
    migration,
    restore,
    rotation,
    upgrade,
    users,
)
from secrets_quickstart.operations.backup_answers import Comparison
from secrets_quickstart.operations.backup_manifest import DatabasePart, Manifest, Part
from secrets_quickstart.operations.deploy import Outcome
from secrets_quickstart.operations.deployment import order
from secrets_quickstart.operations.upgrade_plan import Change
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.links_plan import UpdateScopes
from secrets_quickstart.steps.step import Plan, Unchanged
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.registry import Official
from secrets_quickstart.tasks import (
    backups,
    certs,
    deploying,
    doctor,
    etl,
    flowauth,
    hosts,
    images,
    people,
    removing,
    secrets_of_stack,
    swarm,
    upgrading,
    verify,
    watching,
)
from tests.deployments import World
from tests.preflight_facts import but

DAY, WHEN = date(2016, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)
FINDINGS = (Finding("a", Status.OK, "well", ""), Finding("b", Status.OBSTACLE, "not well", "mend it"))
MANIFEST = Manifest(
    stack="s", created="2026-01-01T00:00:00+00:00", flowkit="1.34.0", components=("flowdb",), services={},
    environment=(), elsewhere=("flowauth",), databases={"flowdb": DatabasePart("physical", "15.20", "5", ({}, {}))},
    files={"files.age": Part(5, "ab")},
)  # fmt: skip
COMPARED = {
    "flowdb": Comparison(3, 40, {"day": "2016-01-07", "subscribers": 400}, ()),
    "flowetl": Comparison(3, 40, None, ()),
}
COUNTED = {
    "cpu_stats": {"cpu_usage": {"total_usage": 9}, "system_cpu_usage": 90, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 0}, "system_cpu_usage": 0},
    "memory_stats": {"usage": 9, "limit": 90},
}


class Case:
    """A machine on which the commands find their settings, and an engine."""

    def __init__(self, folder: Path, monkeypatch: Any, forget: Callable[[], object]) -> None:
        """`forget` takes away what was printed up to then."""
        self.folder, self.forget = folder, forget
        self.world = World(folder / "world", monkeypatch)
        self.replace = monkeypatch.setattr
        self.replace(settings_module, "load", lambda _: self.world.settings())
        self.replace(FlowdbClient, "query", _answers)
        for found in pkgutil.walk_packages(secrets_quickstart.__path__, "secrets_quickstart."):
            importlib.import_module(found.name)
        for name, module in list(sys.modules.items()):
            if name.startswith("secrets_quickstart.") and getattr(module, "Engine", None) is Engine:
                self.replace(module, "Engine", lambda _: self.world.engine)

    def deployed(self, target: str = "flowkit") -> Case:
        self.world.deploy(target)
        self.world.engine.add_containers()
        return self

    def file(self, content: str) -> str:
        path = self.folder / "file"
        path.write_text(content)
        path.chmod(0o600)
        return str(path)

    def returning(self, module: Any, name: str, result: Any) -> None:
        """Have an operation come to this."""
        self.replace(module, name, lambda *_, **__: result)


def _answers(_client: Any, statement: Any, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
    return [("calls", DAY, "ingested", WHEN)] if statement == etl_days.RECORDS else [(5, 1, 80, 70)]


def _run(command: Any, **options: Any) -> None:
    command(Context(), json=True, **options)


def _quickstart(_case: Case) -> None:
    _run(deploying.quickstart)


def _deploy(_case: Case) -> None:
    _run(deploying.deploy, target="flowdb")


def _deploy_dry(_case: Case) -> None:
    _run(deploying.deploy, target="flowdb", dry_run=True)


def _plan(case: Case) -> None:
    case.deployed("flowdb")
    _run(deploying.plan, target="flowmachine")


def _verify(case: Case) -> None:
    case.deployed("flowdb").returning(verification, "run", FINDINGS)
    _run(verify.verify)


def _doctor(case: Case) -> None:
    case.returning(preflight, "gather", but(machine__cpus=1, engine__rootless=True))
    _run(doctor.doctor)


def _status(case: Case) -> None:
    case.deployed()
    _run(watching.status)


def _status_unknown(case: Case) -> None:
    case.world.engine.state = "inactive"
    _run(watching.status)


def _top(case: Case) -> None:
    engine = case.deployed("flowmachine").world.engine
    engine.tasks[0]["NodeID"] = "node2"
    engine.add_containers()
    engine.stats = {item["Id"]: COUNTED for item in engine.containers}
    _run(watching.top)


def _logs(case: Case) -> None:
    case.world.deploy("flowdb")
    case.world.engine.write(case.world.engine.tasks[0]["ID"], "written\n")
    _run(watching.logs, service="flowdb")


def _audit(case: Case) -> None:
    deploying.deploy(Context(), target="flowdb")
    case.forget()
    _run(watching.audit_)


def _down(case: Case) -> None:
    case.world.deploy("flowdb")
    _run(removing.down)


def _purge(case: Case) -> None:
    case.world.deploy("flowdb")
    _run(removing.purge, stack="s")


def _certs_status(case: Case) -> None:
    case.deployed()
    _run(certs.status)


def _hosts_plan(_case: Case) -> None:
    _run(hosts.plan)


def _swarm_status(case: Case) -> None:
    case.deployed("flowdb")
    _run(swarm.status)


def _images_build(case: Case) -> None:
    case.world.engine.images.pop()
    _run(images.build, dry_run=True)


def _images_pull(case: Case) -> None:
    source = SimpleNamespace(
        official=lambda row, tag: Official(row, row.official, tag, "sha256:" + "ab" * 32), pull=lambda *_: None
    )
    case.returning(images, "_registry", source)
    _run(images.pull, names="flowdb")


def _images_list(case: Case) -> None:
    case.world.engine.images.pop()
    _run(images.list_)


def _images_prune(case: Case) -> None:
    case.world.engine.add_image("flowkit/redis:local-of-old", {"org.flowkit.image": "redis"})
    _run(images.prune, dry_run=True)


def _secrets_list(case: Case) -> None:
    case.deployed("flowdb")
    _run(secrets_of_stack.list_, all=True)


def _secrets_status(case: Case) -> None:
    case.deployed("flowdb").world.engine.secrets.popitem()
    _run(secrets_of_stack.status)


def _secrets_adopt(case: Case) -> None:
    case.deployed("flowdb").world.settings().vault_path.unlink()
    case.world.settings().vault_key_file.unlink()
    _run(secrets_of_stack.adopt, dry_run=True)


def _secrets_rotate(case: Case) -> None:
    case.returning(rotation, "rotate", rotation.Rotated(tuple(AFTERWARDS), 12.345))
    _run(secrets_of_stack.rotate, all=True)


def _secrets_rotate_dry(case: Case) -> None:
    case.deployed("flowdb")
    _run(secrets_of_stack.rotate, all=True, dry_run=True)


def _backup_make(case: Case) -> None:
    case.returning(backup, "backup", backup.Made(Path("/backups/new"), MANIFEST, (Path("/backups/old"),)))
    _run(backups.make, directory="/backups", passphrase_file=case.file("a long passphrase of ours\n"))


def _backup_verify(case: Case) -> None:
    case.returning(backup_verify, "verify", backup_verify.Verified(MANIFEST, COMPARED))
    _run(backups.verify, folder="/backups/new", passphrase_file=case.file("a long passphrase of ours\n"))


def _restore(case: Case) -> None:
    done = restore.Restored(case.world.settings(), MANIFEST, order("flowdb"), COMPARED, Outcome((), verified=True))
    case.returning(restore, "restore", done)
    _run(backups.restore, folder="/backups/new", passphrase_file=case.file("a long passphrase of ours\n"))


CHANGES = (Change("flowdb", "flowdb", "flowkit/flowdb:old", "flowkit/flowdb:new"),)


def _upgrade(case: Case) -> None:
    case.returning(upgrade, "upgrade", upgrade.Upgraded(CHANGES, "/backups/new", 1.234, afterwards=("tell them",)))
    _run(upgrading.upgrade)


def _upgrade_dry(case: Case) -> None:
    case.returning(upgrade, "plan", upgrade.Planned(CHANGES, interrupted=True))
    _run(upgrading.upgrade, dry_run=True)


def _users_add(case: Case) -> None:
    access = library_users.Access("ada", Sensitive("x"), "flowkit.example.org", 9000, 6379, Sensitive("y"))
    case.returning(library_users, "add", access)
    _run(people.add, name="ada")


def _users_list(case: Case) -> None:
    rows = [library_users.LibraryUser("ada", "2026-01-01T00:00:00+00:00", can_log_in=True, sessions=2)]
    case.returning(library_users, "listed", rows)
    _run(people.list_)


def _flowauth_link(case: Case) -> None:
    todo = Plan((UpdateScopes("api", ("one",), ("two",)),), (Unchanged("role analyst", "as it is written"),))
    case.returning(links, "link", links.Linked("api", todo))
    _run(flowauth.link)


def _flowauth_users(case: Case) -> None:
    role = Role("api", "analyst", Limits(timedelta(30), WHEN), frozenset(), frozenset({"ada"}))
    ada = User("ada", is_admin=True, has_two_factor=False, must_have_two_factor=True)
    case.returning(users, "listed", [users.Row(ada, (role,))])
    _run(flowauth.users)


def _flowauth_migrate(case: Case) -> None:
    old, new = (flowauth_tables.Census(frozenset({"user", "server", name}), ("ada",)) for name in ("group", "roles"))
    done = migration.Migrated(("dump",), old, new, Path("/dump"), FINDINGS, ("link it again",))
    case.returning(migration, "migrate", done)
    _run(flowauth.migrate, yes=True)


def _etl_init(case: Case) -> None:
    _run(etl.init, directory=str(case.folder / "dags"))


def _etl_sample(case: Case) -> None:
    _run(etl.sample, date="2016-01-01", type=["topups"], directory=str(case.folder), rows=500)


def _etl_run(case: Case) -> None:
    failure = etl_following.Failure("extract", 1, ("a line",))
    failed = etl_runs.Ended("calls", DAY, "load_calls", "", is_loaded=False, ended_well=False, detail="extract failed",
                            tasks=4, failures=(failure,))  # fmt: skip
    loaded = etl_runs.Ended("sms", DAY, "load_sms", "a", is_loaded=True, ended_well=True, detail="loaded", rows="500")
    case.returning(etl_runs, "run", [failed, loaded])
    _run(etl.run, date="2016-01-01")


def _etl_status(case: Case) -> None:
    loaded = etl_days.Day("calls", DAY, etl_days.State.LOADED, "", WHEN, "load_calls", "a", {"count_added_rows": "5"})
    case.returning(etl_days, "status", [loaded, etl_days.Day("sms", DAY, etl_days.State.MISSING)])
    _run(etl.status)


DUMPED = airflow_migration.Dumped(("dump",), airflow_migration.Census(1, 2, 3), Path("/dump"), ("deploy",))


def _etl_dump_airflow(case: Case) -> None:
    case.returning(airflow_migration, "dump", DUMPED)
    _run(etl.dump_airflow)


def _etl_restore_airflow(case: Case) -> None:
    case.returning(airflow_migration, "restore", DUMPED)
    _run(etl.restore_airflow, dump="/dump", yes=True)


CASES: dict[str, tuple[Callable[[Case], None], ...]] = {
    "quickstart": (_quickstart,),
    "deploy": (_deploy, _deploy_dry),
    "plan": (_plan,),
    "verify": (_verify,),
    "doctor": (_doctor,),
    "status": (_status, _status_unknown),
    "top": (_top,),
    "logs": (_logs,),
    "audit": (_audit,),
    "down": (_down,),
    "purge": (_purge,),
    "certs.status": (_certs_status,),
    "hosts.plan": (_hosts_plan,),
    "swarm.status": (_swarm_status,),
    "images.build": (_images_build,),
    "images.pull": (_images_pull,),
    "images.list": (_images_list,),
    "images.prune": (_images_prune,),
    "secrets.list": (_secrets_list,),
    "secrets.status": (_secrets_status,),
    "secrets.adopt": (_secrets_adopt,),
    "secrets.rotate": (_secrets_rotate, _secrets_rotate_dry),
    "backup.make": (_backup_make,),
    "backup.verify": (_backup_verify,),
    "restore": (_restore,),
    "upgrade": (_upgrade, _upgrade_dry),
    "users.add": (_users_add,),
    "users.list": (_users_list,),
    "flowauth.link": (_flowauth_link,),
    "flowauth.users": (_flowauth_users,),
    "flowauth.migrate": (_flowauth_migrate,),
    "etl.init": (_etl_init,),
    "etl.sample": (_etl_sample,),
    "etl.run": (_etl_run,),
    "etl.status": (_etl_status,),
    "etl.dump-airflow": (_etl_dump_airflow,),
    "etl.restore-airflow": (_etl_restore_airflow,),
}
