"""What the engine and its command are, and how that is read; judges nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.errors import EngineError, ProcessError
from secrets_quickstart.host import processes
from secrets_quickstart.swarm.engine import Engine, SwarmMembership, parse_time, parse_version, translated


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The engine, as it describes itself."""

    id: str
    version: tuple[int, ...]
    api: tuple[int, ...]
    os_type: str
    architecture: str
    local: bool
    """Whether it is reached over a socket of this machine, so that our machine is its machine."""
    skew: float
    """Seconds that its clock is ahead of ours."""
    root: Path
    storage_driver: str
    rootless: bool
    selinux: bool
    live_restore: bool
    memory_limits: bool
    cpu_limits: bool
    ipv4_forwarding: bool
    bridge_netfilter: bool
    cpus: int
    memory: int
    membership: SwarmMembership
    address_pools: tuple[str, ...] = ()
    open_files: int | None = None
    """The daemon's own limit, which its containers inherit; None when it may not be read."""


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """The docker command."""

    path: str
    version: tuple[int, ...]
    deploys_stacks: bool
    engine_id: str
    """The engine that it speaks to, or "" when it reaches none."""
    reason: str = ""
    """What it said when it reached none."""


def engine_facts(engine: Engine) -> EngineFacts | Unknown:
    """The engine, asked twice; Unknown when it does not answer."""
    try:
        with translated("no Docker Engine answers"):
            version = dict(engine.client.version())
        before = datetime.now(UTC)
        info = engine.info()
        after = datetime.now(UTC)
    except EngineError as error:
        return Unknown(str(error), error.fix)
    return described(info, version, before + (after - before) / 2, local=engine.host.startswith("unix://"))


def described(info: Mapping[str, Any], version: Mapping[str, Any], now: datetime, *, local: bool) -> EngineFacts:
    """The facts in what an engine answers to `info` and `version`; `now` is our time when it was asked."""
    options = " ".join(info.get("SecurityOptions") or ())
    swarm = info.get("Swarm") or {}
    cluster = swarm.get("Cluster") or {}
    return EngineFacts(
        id=str(info.get("ID", "")),
        version=parse_version(str(version.get("Version", ""))),
        api=parse_version(str(version.get("ApiVersion", ""))),
        os_type=str(info.get("OSType", "")),
        architecture=str(info.get("Architecture", "")),
        local=local,
        skew=(parse_time(info["SystemTime"]) - now).total_seconds() if info.get("SystemTime") else 0.0,
        root=Path(info.get("DockerRootDir") or "/var/lib/docker"),
        storage_driver=str(info.get("Driver", "")),
        rootless="name=rootless" in options,
        selinux="name=selinux" in options,
        live_restore=bool(info.get("LiveRestoreEnabled")),
        memory_limits=bool(info.get("MemoryLimit")),
        cpu_limits=bool(info.get("CpuCfsQuota")),
        ipv4_forwarding=bool(info.get("IPv4Forwarding", True)),
        # engines from 28 on do not report it any more: they see to it themselves
        bridge_netfilter=bool(info.get("BridgeNfIptables", True)),
        cpus=int(info.get("NCPU", 0)),
        memory=int(info.get("MemTotal", 0)),
        membership=SwarmMembership(
            state=swarm.get("LocalNodeState", ""),
            manager=bool(swarm.get("ControlAvailable")),
            error=swarm.get("Error", ""),
            node_id=swarm.get("NodeID", ""),
            address=swarm.get("NodeAddr", ""),
        ),
        address_pools=tuple(cluster.get("DefaultAddrPool") or ()),
        open_files=_open_files() if local else None,
    )


def _open_files(pid_file: Path = Path("/run/docker.pid")) -> int | None:
    """The open-file limit of the engine's process, which its containers get."""
    import psutil

    try:
        return int(psutil.Process(int(pid_file.read_text())).rlimit(psutil.RLIMIT_NOFILE)[1])
    except (OSError, ValueError, psutil.Error):
        return None


def client_facts(engine: Engine, environment: Mapping[str, str]) -> ClientFacts | Unknown:
    """The docker command that `stack deploy` will be given to, asked three things at once."""
    path = processes.find("docker")
    if path is None:
        return Unknown("there is no docker command", "install it: apt-get install docker.io")
    chosen = {**environment, "DOCKER_HOST": engine.host}

    def ask(*arguments: str) -> processes.Completed | None:
        try:
            return processes.run([path, *arguments], env=chosen, check=False, timeout=10)
        except ProcessError:
            return None

    with ThreadPoolExecutor(3) as pool:
        version = pool.submit(ask, "--version")
        stacks = pool.submit(ask, "stack", "deploy", "--help")
        identity = pool.submit(ask, "info", "--format", "{{json .}}")
        return said(path, version.result(), stacks.result(), identity.result())


def said(
    path: str,
    version: processes.Completed | None,
    stacks: processes.Completed | None,
    identity: processes.Completed | None,
) -> ClientFacts:
    """The facts in what the docker command printed; None stands for a call that did not come back."""
    number = version.stdout.partition("version ")[2] if version is not None else ""
    try:
        info = json.loads(identity.stdout) if identity is not None else {}
    except json.JSONDecodeError:
        info = {}
    complaints = info.get("ServerErrors") or ([identity.stderr.strip()] if identity is not None else ["no answer"])
    return ClientFacts(
        path=path,
        version=parse_version(number),
        deploys_stacks=stacks is not None and stacks.status == 0 and "--compose-file" in stacks.stdout,
        engine_id=str(info.get("ID", "")),
        reason=next((line for text in complaints for line in str(text).splitlines()), ""),
    )
