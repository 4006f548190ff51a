"""What this machine is at this moment, and how that is read; judges nothing."""

from __future__ import annotations

import ctypes
import gzip
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from secrets_quickstart.host import resources

FEATURES = {
    "vxlan": "CONFIG_VXLAN",
    "bridge": "CONFIG_BRIDGE",
    "veth": "CONFIG_VETH",
    "ip_vs": "CONFIG_IP_VS",
}
"""Kernel modules and the option that builds each."""
OF_DOCKER = ("docker", "br-", "veth", "lo")
CLOCK_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that a process of this machine holds."""

    protocol: str
    port: int
    process: str
    """`name (pid n)`, `the kernel`, or "" when only root may know."""

    @property
    def docker(self) -> bool:
        return self.process.startswith(("docker-proxy ", "dockerd ", "the kernel"))


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """The kernel: each feature is there (True), missing (False), or cannot be told (None)."""

    release: str
    features: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """This machine at this moment; sizes in bytes."""

    cpus: int
    load: float
    """Processes that wanted to run, on average over five minutes."""
    memory: int
    available: int
    swap: int
    swap_used: int
    memory_pressure: float | None
    """Per cent of the last five minutes in which work stood still for want of memory; None on older kernels."""
    overcommit: int | None
    huge_pages: str
    ephemeral_ports: tuple[int, int] | None
    synchronised: bool | None
    """Whether something keeps the clock right; None when the kernel does not say."""
    now: datetime
    starts_engine: bool | None
    """Whether systemd starts the engine at boot; None without systemd."""
    addresses: tuple[str, ...] = ()
    routes: tuple[tuple[str, IPv4Network], ...] = ()
    """Interface and destination of each IPv4 route except the default one and Docker's own."""
    mtu: int | None = None
    """The smallest MTU of an interface that leads out; None when there is none."""
    listeners: tuple[Listener, ...] = ()


def kernel_facts(
    proc: Path = Path("/proc"),
    sys: Path = Path("/sys"),
    modules: Path = Path("/lib/modules"),
    boot: Path = Path("/boot"),
) -> KernelFacts:
    """The kernel's features, without loading anything."""
    release = os.uname().release
    options = _kernel_options(proc / "config.gz", boot / f"config-{release}")
    listed = _listed_modules(modules / release)
    loaded = {line.split()[0] for line in _lines(proc / "modules")}
    found: dict[str, bool | None] = {}
    for module, option in FEATURES.items():
        if module in loaded or (sys / "module" / module).exists() or (listed is not None and module in listed):
            found[module] = True
        elif options is not None and options.get(option) != "m":
            found[module] = options.get(option) == "y"
        else:  # a module that is not on the disk, or no telling: the modules may be elsewhere
            found[module] = None if listed is None else False
    return KernelFacts(release, found)


def _kernel_options(*files: Path) -> dict[str, str] | None:
    for file in files:
        with suppress(OSError):
            text = gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()
            return dict(line.split("=", 1) for line in text.splitlines() if line.startswith("CONFIG_"))
    return None


def _listed_modules(folder: Path) -> set[str] | None:
    """Names of the modules that are built in or can be loaded; None when the lists are not there."""
    paths = [line.partition(":")[0] for name in ("modules.builtin", "modules.dep") for line in _lines(folder / name)]
    return {path.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for path in paths} or None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []


def machine_facts(ports: Collection[int], proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> MachineFacts:
    """The machine as it is now, with those listeners that hold one of `ports`."""
    import psutil

    has = resources.look(proc)
    swap = psutil.swap_memory()
    routes, leading_out = routing(_lines(proc / "net" / "route"))
    return MachineFacts(
        cpus=has.cpus,
        load=psutil.getloadavg()[1],
        memory=has.memory,
        available=has.available,
        swap=swap.total,
        swap_used=swap.used,
        memory_pressure=pressure(_lines(proc / "pressure" / "memory")),
        overcommit=next(iter(_numbers(proc / "sys/vm/overcommit_memory")), None),
        huge_pages=chosen(_lines(sys / "kernel/mm/transparent_hugepage/enabled")),
        ephemeral_ports=_pair(_numbers(proc / "sys/net/ipv4/ip_local_port_range")),
        synchronised=_synchronised(),
        now=datetime.now(UTC),
        starts_engine=starts_engine(),
        addresses=tuple(
            entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries
        ),
        routes=routes,
        mtu=min((mtu for name in leading_out for mtu in _numbers(sys / "class/net" / name / "mtu")), default=None),
        listeners=tuple(_listeners(ports)),
    )


def _numbers(file: Path) -> list[int]:
    return [int(word) for line in _lines(file) for word in line.split() if word.isdigit()]


def _pair(numbers: list[int]) -> tuple[int, int] | None:
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def pressure(lines: list[str]) -> float | None:
    """The share of five minutes in which some task waited for memory, from /proc/pressure/memory."""
    for line in lines:
        kind, *fields = line.split()
        for field in fields:
            name, _, value = field.partition("=")
            if (kind, name) == ("some", "avg300"):
                return float(value)
    return None


def chosen(lines: list[str]) -> str:
    """The word in brackets: `always [madvise] never` is madvise."""
    return next((word.strip("[]") for line in lines for word in line.split() if word.startswith("[")), "")


def routing(lines: list[str]) -> tuple[tuple[tuple[str, IPv4Network], ...], set[str]]:
    """The routes in /proc/net/route but for the default one and Docker's, and the interfaces that lead out."""
    routes: list[tuple[str, IPv4Network]] = []
    leading_out: set[str] = set()
    for line in lines[1:]:
        interface, destination, _, _, _, _, _, mask, *_ = line.split()
        if int(mask, 16) == 0:
            leading_out.add(interface)
        elif not interface.startswith(OF_DOCKER):
            routes.append((interface, IPv4Network((_address(destination), str(_address(mask))))))
    return tuple(routes), leading_out


def _address(text: str) -> IPv4Address:
    """The kernel prints addresses as the number that they are in this machine's byte order, which is the little one."""
    return IPv4Address(bytes.fromhex(text)[::-1])


def _synchronised() -> bool | None:
    """Whether the kernel's clock is disciplined.  With no modes set, adjtimex only reads."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != CLOCK_UNSYNCHRONISED)


def starts_engine(run: Path = Path("/run"), etc: Path = Path("/etc")) -> bool | None:
    """Whether systemd has been told to start Docker; None where something else starts services."""
    if not (run / "systemd/system").is_dir():
        return None
    units = ("docker.service", "docker.socket", "snap.docker.dockerd.service")
    wanted = {path.name for path in (etc / "systemd/system").glob("*.wants/*")}
    return any(unit in wanted for unit in units)


def _listeners(ports: Collection[int]) -> Iterator[Listener]:
    import socket

    import psutil

    try:
        found = psutil.net_connections("inet")
    except psutil.Error:
        return
    seen: set[tuple[str, int, int | None]] = set()
    for entry in found:
        listens = entry.type == socket.SOCK_DGRAM or entry.status == psutil.CONN_LISTEN
        if not entry.laddr or entry.laddr.port not in ports or not listens or entry.raddr:
            continue
        protocol = "udp" if entry.type == socket.SOCK_DGRAM else "tcp"
        if (protocol, entry.laddr.port, entry.pid) in seen:
            continue  # one for IPv4 and one for IPv6
        seen.add((protocol, entry.laddr.port, entry.pid))
        process = _process(entry.pid)
        if process is not None:
            yield Listener(protocol, entry.laddr.port, process)


def _process(pid: int | None) -> str | None:
    """Who it is; None if it has ended since it was seen, as the proxy of a container that keeps falling over does."""
    import psutil

    if pid is None:  # root sees every process: what has none is the kernel's own, such as VXLAN's port
        return "the kernel" if os.geteuid() == 0 else ""
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return f"a process (pid {pid})"
