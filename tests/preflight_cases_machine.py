"""What the checks of the machine, its disks and its images find wanting, and what they let pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from secrets_quickstart.checks.data import Content
from secrets_quickstart.checks.facts_storage import HostsFacts
from secrets_quickstart.checks.facts_swarm import Owned
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.host.resources import plan_flowdb
from tests.preflight_facts import DISK, FLOWAUTH_DATA, FLOWDB_DATA, GB, NOW, SOUND, fine, obstacle, skipped, warning

DATA, ETL = SOUND.directories
NOT_ROOTS = replace(DATA, creatable=False)
ROOT_OF_DISK = replace(DATA, postgresql="", entries=("lost+found",))
TOO_MUCH = plan_flowdb(32 * GB, 8, {"SHARED_BUFFERS_SIZE": 64 * GB})
HOSTS = SOUND.hosts
NO_DATABASE: dict[str, Any] = {
    "directories": (),
    "data": (replace(FLOWDB_DATA, content=Content.NOTHING), FLOWAUTH_DATA),
}
NOT_BUILT: dict[str, Any] = {"images__missing": ("flowdb",), "images__without_base": True}
WITHOUT_FLOWDB = ("flowmachine",)

WITH_FLOWETL = ("flowdb", "flowetl")
AIRFLOW = {"flowetl_webserver": GB // 4, "flowetl_worker": 450 << 20}
SMALL = plan_flowdb(4 * GB, 2, {}, 2 * GB)
LOGS = replace(ETL, variable="FLOWETL_HOST_LOG_DIR", path=Path("/srv/logs"), kind="directory", writable=True, owner=0)

CASES = (
    warning("cpus", "one CPU", machine__cpus=1),
    fine("cpus", "8 CPUs", machine__cpus=1, engine__local=False),
    warning("cpus-parallel", "MAX_CPUS is 32", sizing=plan_flowdb(32 * GB, 8, {"MAX_CPUS": 32})),
    warning("load", "40 processes wait", machine__load=40.0),
    obstacle("memory", "1.0 GB", machine__memory=GB),
    warning("memory", "3.0 GB", machine__memory=3 * GB),
    obstacle("memory-plan", "SHARED_BUFFERS_SIZE", sizing=TOO_MUCH),
    skipped("memory-plan", "not deployed", sizing=TOO_MUCH, wanted__components=WITHOUT_FLOWDB),
    warning("memory-available", "4.0 GB are available", machine__available=4 * GB),
    obstacle("memory-available", "0.2 GB are available", machine__available=GB // 5),
    fine(
        "memory-available",
        "has its memory",
        machine__available=GB,
        swarm__services=(Owned("flowkit_flowdb", "flowkit"),),
    ),
    warning("memory-beside", "3.0 GB when they have", sizing=SMALL, beside={"flowmachine": 3 * GB}),
    warning("memory-beside", "of which Airflow's 0.7 GB", sizing=SMALL, beside={**AIRFLOW, "flowmachine": 2 * GB}),
    warning("memory-beside", "leaves 0.2 GB", sizing=plan_flowdb(4 * GB, 2, {"FLOWDB_MEMORY_LIMIT": 15 * GB // 4})),
    warning(
        "memory-beside",
        "leaves 1.0 GB",
        machine__memory=GB,
        beside=AIRFLOW | {"flowetl_flower": GB},
        wanted__components=("flowauth",),
    ),
    fine("memory-beside", "2.0 GB of 2.0 GB", sizing=SMALL, beside={"flowmachine": 2 * GB}),
    warning("memory-limits", "together may take 54.0 GB", wanted__memory_limits={"FLOWMACHINE_MEMORY_LIMIT": 30 * GB}),
    warning("memory-shared", "FLOWDB_SHM_SIZE is 1.0 GB", sizing=plan_flowdb(32 * GB, 8, {"FLOWDB_SHM_SIZE": GB})),
    warning("memory-pressure", "25 %", machine__memory_pressure=25.0),
    skipped("memory-pressure", "", machine__memory_pressure=None),
    warning("swap", "3.0 GB of 4.0 GB", machine__swap_used=3 * GB),
    fine("swap", "no swap", machine__swap=0),
    warning("overcommit", "is 0", machine__overcommit=0),
    warning("overcommit", "is 2", machine__overcommit=2),
    fine("overcommit", "", machine__overcommit=0, wanted__services=("flowdb",)),
    warning("huge-pages", "always on", machine__huge_pages="always"),
    obstacle("clock", "1970", machine__now=NOW.replace(year=1970)),
    obstacle("clock", "2106", machine__now=NOW.replace(year=2106)),
    warning("clock-kept", "nothing keeps", machine__synchronised=False),
    skipped("clock-kept", "", machine__synchronised=None),
    warning("boot", "does not start", machine__starts_engine=False),
    skipped("boot", "systemd", machine__starts_engine=None),
    obstacle("disk-data", "needs 1.0 GB", data_disk=replace(DISK, free=GB // 2)),
    obstacle("disk-data", "needs 2.0 GB", data_disk=replace(DISK, free=GB), **NO_DATABASE),
    warning("disk-data", "15.0 GB free", data_disk=replace(DISK, free=15 * GB)),
    obstacle("disk-data", "500 inodes", data_disk=replace(DISK, free_inodes=500)),
    warning("disk-data", "100000 inodes", data_disk=replace(DISK, free_inodes=100_000)),
    obstacle("disk-data", "read-only", data_disk=replace(DISK, read_only=True)),
    fine("disk-data", "", data_disk=replace(DISK, inodes=0, free_inodes=0)),  # btrfs counts none
    warning("disk-data-kind", "nfs4", data_disk=replace(DISK, kind="nfs4")),
    warning("disk-data-kind", "tmpfs", data_disk=replace(DISK, kind="tmpfs")),
    warning("disk-data-kind", "fuse.sshfs", data_disk=replace(DISK, kind="fuse.sshfs")),
    obstacle("disk-engine", "images needs 3.0 GB", engine_disk=replace(DISK, free=GB), images__missing=("flowdb",)),
    obstacle("disk-engine", "containers", engine_disk=replace(DISK, free=GB // 4)),
    warning("disk-engine", "logs", engine_disk=replace(DISK, free=GB)),
    skipped("disk-engine", "no engine", engine_disk=Unknown("no engine answers")),
    obstacle(
        "disk-logs",
        "Airflow's logs needs 0.5 GB",
        logs_disk=replace(DISK, free=GB // 4),
        wanted__components=WITH_FLOWETL,
    ),
    warning("disk-logs", "4.0 GB free", logs_disk=replace(DISK, free=4 * GB), wanted__components=WITH_FLOWETL),
    fine("disk-logs", "", wanted__components=WITH_FLOWETL),
    skipped("disk-logs", "not deployed", logs_disk=replace(DISK, free=1)),
    skipped("disk-logs", "no engine", logs_disk=Unknown("no engine answers"), wanted__components=WITH_FLOWETL),
    obstacle("directories", "belongs to uid 0, and 1000 writes", directories=(replace(LOGS, entries=("scheduler",)),)),
    fine("directories", "/srv/logs", directories=(replace(LOGS, entries=("lost+found",)),)),
    obstacle("directories", "is not a directory", directories=(replace(DATA, kind="other"),)),
    obstacle("directories", "may not be made", directories=(replace(ETL, creatable=False),)),
    obstacle("directories", "a database of uid 999", directories=(replace(DATA, owner=999),)),
    obstacle("directories", "belongs to uid 0", directories=(replace(NOT_ROOTS, owner=0, postgresql="", entries=()),)),
    obstacle(
        "directories",
        "cannot be read",
        directories=(replace(ETL, kind="directory", owner=0, owner_group=0, mode=0o750),),
    ),
    fine("directories", "", directories=(replace(ETL, kind="directory", owner=0, owner_group=1000, mode=0o750),)),
    fine("directories", "", directories=(replace(ETL, kind="directory", owner=0, owner_group=0, mode=0o755),)),
    fine("directories", "", directories=(replace(ETL, kind="directory", owner=1000, mode=0o500),)),
    warning("directories", "may not be looked at", directories=(replace(DATA, kind="hidden"),)),
    obstacle("data-directory", "official image", directories=(ROOT_OF_DISK,), wanted__images="official"),
    warning("data-directory", "official image", directories=(ROOT_OF_DISK,), wanted__images="auto"),
    fine("data-directory", "empty", directories=(ROOT_OF_DISK,)),
    fine(
        "data-directory",
        "the start of one",
        directories=(replace(DATA, postgresql="", entries=(".flowdb-unfinished", "base")),),
    ),
    obstacle("data-directory", "photos", directories=(replace(DATA, postgresql="", entries=("photos",)),)),
    fine("data-directory", "empty", directories=(replace(DATA, postgresql="", entries=()),)),
    obstacle("hosts-entry", "is 192.0.2.9", hosts__elsewhere={"flowkit.api": "192.0.2.9"}),
    obstacle(
        "hosts-entry",
        "cannot be read",
        hosts=HostsFacts(Path("/etc/hosts"), False, {}, (), {}, "it cannot be read", "mend it"),
    ),
    warning("hosts-entry", "lacks our names", hosts__writable=False),
    fine("hosts-entry", "are in", hosts__missing=()),
    obstacle(
        "images", "folder images/redis is missing", images=Unknown("the folder images/redis is missing", "restore")
    ),
    fine("images", "to come: flowdb", images__missing=("flowdb",)),
    obstacle("images-base", "mmdebstrap", **NOT_BUILT, images__bootstrap=False),
    warning("images-base", "hangs on a registry", **NOT_BUILT, images__bootstrap=False, wanted__images="auto"),
    fine("images-base", "mmdebstrap", **NOT_BUILT),
    skipped("images-base", "does not have to be made", images__bootstrap=False),
    obstacle("images-build", "no docker command", **NOT_BUILT, images__builder="no docker command line here can build"),
    warning("images-build", "registry", **NOT_BUILT, images__builder="no docker command", wanted__images="auto"),
    fine("images-build", "can build", **NOT_BUILT),
    skipped("images-build", "nothing", images__builder="no docker command"),
    obstacle(
        "images-registry",
        "it times out",
        images__missing=("flowdb",),
        images__registry="registry.example.org",
        images__refusal="registry.example.org: it times out",
        images__fix="see to it",
        wanted__images="official",
    ),
    fine("images-registry", "has them", images__registry="registry.example.org", wanted__images="official"),
    warning("images-airflow-group", "is 1000", wanted__airflow_group=1000, wanted__images="auto"),
    fine("images-airflow-group", "1000", wanted__airflow_group=1000),
    fine("images-airflow-group", "0", wanted__airflow_group=0, wanted__images="official"),
    skipped("images-airflow-group", "not deployed"),
    skipped("images-registry", "cannot be listed", images=Unknown("the images cannot be listed")),
)
