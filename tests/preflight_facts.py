"""Facts of a machine on which everything is right, to be spoilt one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from secrets_quickstart.catalog.databases import FLOWAUTH, FLOWDB, FLOWETL
from secrets_quickstart.checks.check import Status
from secrets_quickstart.checks.data import Content, Data, Place
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_custody import CustodyFacts, HeldCertificate
from secrets_quickstart.checks.facts_engine import ClientFacts, EngineFacts
from secrets_quickstart.checks.facts_images import ImageFacts
from secrets_quickstart.checks.facts_machine import FEATURES, KernelFacts, MachineFacts
from secrets_quickstart.checks.facts_storage import DirectoryFacts, DiskFacts, HostsFacts
from secrets_quickstart.checks.facts_swarm import (
    NetworkFacts,
    NodeFacts,
    Owned,
    Publication,
    SecretFacts,
    SwarmFacts,
)
from secrets_quickstart.checks.facts_wanted import PublishedPort, Wanted
from secrets_quickstart.host.resources import plan_flowdb
from secrets_quickstart.material.certificates import CertificateFacts
from secrets_quickstart.swarm.engine import SwarmMembership

GB = 1 << 30
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HERE = NodeFacts("n1", "one", "192.0.2.1", ready=True, active=True, manager=True, reachable=True)
DATA_HERE = replace(HERE, labels={"flowkit.data": "true"})
THERE = NodeFacts("n2", "two", "192.0.2.2", ready=True, active=True, manager=False, reachable=True)
DISK = DiskFacts(
    Path("/"), "ext4", read_only=False, total=500 * GB, free=300 * GB, inodes=10**7, free_inodes=9 * 10**6, device=1
)
LEAF = HeldCertificate(
    "cert-flowkit.pem",
    CertificateFacts(
        names=("flowkit.api",),
        not_before=NOW - timedelta(days=10),
        not_after=NOW + timedelta(days=300),
        issuer="CN=Somebody",
        serial="1",
        fingerprint="AA",
        is_authority=False,
    ),
    lacking=(),
    fits_key=True,
    ours=False,
)
SECRET = SecretFacts("flowkit_REDIS_PASSWORD_g1", "flowkit", "REDIS_PASSWORD", 1, "aa", "v1")
PLACE = Place(FLOWDB, Path("/srv/flowdb"), "flowkit_flowdb_data")
FLOWDB_DATA = Data(PLACE, Content.DATABASE, "7", {"identifier": "7"}, imported=False)
FLOWAUTH_DATA = replace(FLOWDB_DATA, place=Place(FLOWAUTH, None, "flowkit_flowauth_postgres_data"))
AIRFLOW_DATA = replace(FLOWDB_DATA, place=Place(FLOWETL, None, "flowkit_flowetl_db_data"))

SOUND = PreflightFacts(
    wanted=Wanted(
        stack="flowkit",
        components=("flowdb", "flowmachine", "flowapi"),
        services=("flowdb", "redis", "flowmachine", "cache_cleaner", "flowapi"),
        ports=(
            PublishedPort("FLOWDB_HOST_PORT", "flowdb", 9000),
            PublishedPort("REDIS_HOST_PORT", "redis", 6379),
            PublishedPort("FLOWAPI_HOST_PORT", "flowapi", 9090),
        ),
        images_needed=("flowdb", "redis"),
        address_pool="10.88.0.0/16",
        memory_limits={"FLOWMACHINE_MEMORY_LIMIT": 2 * GB, "REDIS_MEMORY_LIMIT": GB},
        data_label="flowkit.data",
    ),
    engine=EngineFacts(
        id="E1",
        version=(20, 10, 24),
        api=(1, 41),
        os_type="linux",
        architecture="x86_64",
        local=True,
        skew=0.01,
        root=Path("/var/lib/docker"),
        storage_driver="overlay2",
        rootless=False,
        selinux=False,
        live_restore=False,
        memory_limits=True,
        cpu_limits=True,
        ipv4_forwarding=True,
        bridge_netfilter=True,
        cpus=8,
        memory=32 * GB,
        membership=SwarmMembership("active", manager=True, error="", node_id="n1", address="192.0.2.1"),
        address_pools=("10.88.0.0/16",),
        open_files=1_048_576,
    ),
    client=ClientFacts("/usr/bin/docker", (20, 10, 24), deploys_stacks=True, engine_id="E1"),
    swarm=SwarmFacts(
        nodes=(DATA_HERE,),
        services=(Owned("flowkit_redis", "flowkit"), Owned("web_nginx", "web")),
        volumes=(Owned("flowkit_flowdb_data", "flowkit"),),
        networks=(NetworkFacts("flowkit_flowdb", "flowkit", "overlay", "swarm", ("10.88.1.0/24",)),),
        secrets=(SECRET,),
        publications=(
            Publication(6379, "tcp", "flowkit_redis", "flowkit"),
            Publication(80, "tcp", "web_nginx", "web"),
        ),
    ),
    kernel=KernelFacts("6.1.0", dict.fromkeys(FEATURES, True)),
    machine=MachineFacts(
        cpus=8,
        load=1.0,
        memory=32 * GB,
        available=30 * GB,
        swap=4 * GB,
        swap_used=0,
        memory_pressure=0.0,
        overcommit=1,
        huge_pages="madvise",
        ephemeral_ports=(32768, 60999),
        synchronised=True,
        now=NOW,
        starts_engine=True,
        addresses=("127.0.0.1", "192.0.2.1"),
        routes=(("eth0", IPv4Network("192.0.2.0/24")),),
        mtu=1500,
    ),
    sizing=plan_flowdb(32 * GB, 8, {}),
    data_disk=DISK,
    engine_disk=DISK,
    logs_disk=DISK,
    directories=(
        DirectoryFacts(
            "FLOWDB_DATA_DIR",
            PLACE.directory or Path(),
            "directory",
            writable=True,
            uid=1000,
            gid=1000,
            owner=1000,
            owner_group=1000,
            mode=0o700,
            entries=("PG_VERSION", "base"),
            postgresql="15",
        ),
        DirectoryFacts("FLOWDB_ETL_DIR", Path("/srv/etl"), "missing", writable=False, uid=1000, gid=1000),
    ),
    hosts=HostsFacts(Path("/etc/hosts"), writable=True, wanted={"flowkit.api": "127.0.0.1"}, missing=("flowkit.api",)),
    images=ImageFacts(missing=()),
    custody=CustodyFacts(
        path=Path("/home/me/.flowkit/flowkit/vault"),
        exists=True,
        id="v1",
        fingerprints={("REDIS_PASSWORD", 1): "aa", ("FLOWDB_POSTGRES_PASSWORD", 1): "bb"},
        certificates=(LEAF,),
    ),
    beside={"redis": GB // 128, "flowmachine": GB // 4, "flowapi": GB // 8},
    data=(FLOWDB_DATA, FLOWAUTH_DATA),
)


def but(facts: Any = SOUND, /, **changes: Any) -> Any:
    """The facts with some things changed: `but(engine__version=(19, 3))`."""
    for path, value in changes.items():
        first, _, rest = path.partition("__")
        facts = replace(facts, **{first: but(getattr(facts, first), **{rest: value}) if rest else value})
    return facts


@dataclass(frozen=True)
class Case:
    """Facts that one check finds wanting."""

    check: str
    status: Status
    says: str
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.check}: {self.says}"


def obstacle(check: str, says: str, **changes: Any) -> Case:
    return Case(check, Status.OBSTACLE, says, changes)


def warning(check: str, says: str, **changes: Any) -> Case:
    return Case(check, Status.WARNING, says, changes)


def skipped(check: str, says: str, **changes: Any) -> Case:
    return Case(check, Status.SKIPPED, says, changes)


def fine(check: str, says: str, **changes: Any) -> Case:
    return Case(check, Status.OK, says, changes)
