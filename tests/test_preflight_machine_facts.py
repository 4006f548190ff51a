"""How preflight reads this machine: kernel, memory, routes, listeners, disks, directories, hosts file."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import psutil
import pytest

from secrets_quickstart.checks.facts_machine import (
    chosen,
    kernel_facts,
    machine_facts,
    pressure,
    routing,
    starts_engine,
)
from secrets_quickstart.checks.facts_storage import directories_of, directory_facts, disk_facts, existing, hosts_facts
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.checks.preflight import wanted
from secrets_quickstart.settings import load

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun1\t0000580A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


@pytest.fixture
def kernel(tmp_path):
    """A kernel about which nothing is known; `tell` adds to it."""
    folders = {name: tmp_path / name for name in ("proc", "sys", "modules", "boot")}
    for folder in folders.values():
        folder.mkdir()

    class Kernel:
        def config(self, text: str) -> None:
            (folders["proc"] / "config.gz").write_bytes(gzip.compress(text.encode()))

        def boot_config(self, text: str) -> None:
            (folders["boot"] / f"config-{os.uname().release}").write_text(text)

        def modules(self, **files: str) -> None:
            folder = folders["modules"] / os.uname().release
            folder.mkdir()
            for name, text in files.items():
                (folder / f"modules.{name}").write_text(text)

        def loaded(self, text: str) -> None:
            (folders["proc"] / "modules").write_text(text)

        def has(self, feature: str) -> bool | None:
            return kernel_facts(**folders).features[feature]

    return Kernel()


def test_of_a_kernel_that_tells_nothing_nothing_is_claimed(kernel):
    assert kernel.has("vxlan") is None


def test_what_is_built_in_is_there_and_what_is_not_set_is_missing(kernel):
    kernel.config("CONFIG_VXLAN=y\n# CONFIG_IP_VS is not set\n")
    assert kernel.has("vxlan") is True
    assert kernel.has("ip_vs") is False


def test_a_module_has_to_be_on_the_disk(kernel):
    kernel.boot_config("CONFIG_VXLAN=m\nCONFIG_IP_VS=m\n")
    assert kernel.has("vxlan") is None  # the modules may be elsewhere, as in a container
    kernel.modules(
        dep="kernel/drivers/net/vxlan/vxlan.ko.zst: kernel/net/x.ko\n", builtin="kernel/net/8021q/8021q.ko\n"
    )
    assert kernel.has("vxlan") is True
    assert kernel.has("ip_vs") is False


def test_without_a_configuration_the_list_of_modules_counts(kernel):
    kernel.modules(dep="", builtin="kernel/drivers/net/veth.ko\n")
    assert kernel.has("veth") is True
    assert kernel.has("vxlan") is False


def test_a_loaded_module_is_there_whatever_else_is_said(kernel):
    kernel.config("# CONFIG_IP_VS is not set\n")
    kernel.loaded("ip_vs 221184 0 - Live 0x0\n")
    assert kernel.has("ip_vs") is True


def test_the_words_and_numbers_of_the_kernel_are_read():
    assert chosen(["always [madvise] never"]) == "madvise"
    assert chosen([]) == ""
    assert pressure(["some avg10=1.00 avg60=2.00 avg300=3.25 total=9", "full avg300=1.00"]) == 3.25
    assert pressure([]) is None


def test_routes_leave_out_the_default_one_and_dockers():
    routes, leading_out = routing(ROUTES.splitlines())
    assert routes == (("eth0", IPv4Network("192.0.2.0/24")), ("tun1", IPv4Network("10.88.0.0/16")))
    assert leading_out == {"eth0"}


def test_docker_starts_with_the_machine_when_systemd_was_told_so(tmp_path):
    run, etc = tmp_path / "run", tmp_path / "etc"
    assert starts_engine(run, etc) is None
    (run / "systemd/system").mkdir(parents=True)
    assert starts_engine(run, etc) is False
    wants = etc / "systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "docker.service").touch()
    assert starts_engine(run, etc) is True


def test_a_listener_is_found_with_the_process_that_holds_the_port():
    with socket.socket() as listening, socket.socket() as connected:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        connected.connect(("127.0.0.1", port))
        facts = machine_facts({port, connected.getsockname()[1]})
    assert [(item.protocol, item.port) for item in facts.listeners] == [("tcp", port)]
    assert f"(pid {os.getpid()})" in facts.listeners[0].process


def test_a_process_that_ends_while_it_is_looked_at_holds_no_port_any_more(monkeypatch):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        [seen] = [entry for entry in psutil.net_connections("inet") if entry.laddr and entry.laddr.port == port]

        monkeypatch.setattr(psutil, "net_connections", lambda _: [seen._replace(pid=ended.pid)])
        assert machine_facts({port}).listeners == ()
        monkeypatch.setattr(psutil, "net_connections", lambda _: [seen])
        assert [item.port for item in machine_facts({port}).listeners] == [port]


def test_this_machine_has_cpus_memory_a_clock_and_addresses():
    facts = machine_facts(())
    assert facts.cpus >= 1
    assert 0 < facts.available <= facts.memory
    assert facts.now.tzinfo is not None
    assert "127.0.0.1" in facts.addresses


def test_the_disk_of_a_directory_that_is_still_to_be_made_is_that_of_the_one_above(tmp_path):
    facts = disk_facts(tmp_path / "a" / "b")
    assert not isinstance(facts, Unknown)
    assert facts.path == tmp_path.resolve()
    assert 0 < facts.free <= facts.total
    assert facts.kind
    assert existing(tmp_path / "a" / "b") == tmp_path


def test_proc_is_not_taken_for_the_disk_it_lies_on():
    facts = disk_facts(Path("/proc"))
    assert not isinstance(facts, Unknown)
    assert facts.kind == "proc"


def test_a_directory_is_described_and_a_database_in_it_known_by_its_version(tmp_path):
    (tmp_path / "PG_VERSION").write_text("15\n")
    tmp_path.chmod(0o700)
    facts = directory_facts("FLOWDB_DATA_DIR", tmp_path, 1000, 1000, writable=True)
    assert (facts.kind, facts.postgresql, facts.mode, facts.owner) == ("directory", "15", 0o700, os.geteuid())
    assert facts.entries == ("PG_VERSION",)


def test_only_the_first_few_names_are_kept(tmp_path):
    for number in range(9):
        (tmp_path / str(number)).touch()
    assert len(directory_facts("X", tmp_path, 1, 1, writable=True).entries) == 5


def test_a_file_in_the_place_of_a_directory_is_seen_also_further_up(tmp_path):
    (tmp_path / "file").touch()
    assert directory_facts("X", tmp_path / "file", 1, 1, writable=True).kind == "other"
    assert directory_facts("X", tmp_path / "file" / "data", 1, 1, writable=True).kind == "other"
    assert directory_facts("X", tmp_path / "new" / "data", 1, 1, writable=True).kind == "missing"


def test_the_hosts_file_is_held_against_our_names(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost flowkit.api\n192.0.2.9 flow.api\n")
    facts = hosts_facts(load(tmp_path, {"FLOWKIT_HOSTS_FILE": str(hosts)}))
    assert not isinstance(facts, Unknown)
    assert (facts.missing, dict(facts.elsewhere)) == (("flow.api",), {"flow.api": "192.0.2.9"})


def test_a_hosts_file_that_cannot_be_used_is_a_problem_with_a_fix(tmp_path):
    absent = hosts_facts(load(tmp_path, {"FLOWKIT_HOSTS_FILE": str(tmp_path / "none")}))
    assert not isinstance(absent, Unknown)
    assert absent.problem
    assert absent.fix
    broken = tmp_path / "hosts"
    broken.write_text("# BEGIN flowkit-quickstart flowkit\n")
    found = hosts_facts(load(tmp_path, {"FLOWKIT_HOSTS_FILE": str(broken)}))
    assert not isinstance(found, Unknown)
    assert found.problem


def test_no_hosts_entry_is_looked_for_when_none_is_wanted(tmp_path):
    assert isinstance(hosts_facts(load(tmp_path, {"FLOWKIT_HOSTS_ENTRY": "false"})), Unknown)


def test_the_directories_of_what_is_deployed_are_looked_at_with_their_services_user(tmp_path):
    folders = {
        name: str(tmp_path / name)
        for name in ("FLOWDB_DATA_DIR", "FLOWDB_ETL_DIR", "FLOWETL_HOST_DAG_DIR", "FLOWETL_HOST_LOG_DIR")
    }
    chosen = load(tmp_path, {**folders, "FLOWETL_HOST_USER_ID": "1234"})
    found = {item.variable: (item.uid, item.gid, item.writable) for item in directories_of(chosen, ("flowetl",))}
    assert found == {"FLOWETL_HOST_DAG_DIR": (1234, 0, False), "FLOWETL_HOST_LOG_DIR": (1234, 0, True)}
    both = [item.variable for item in directories_of(chosen, ("flowdb", "flowetl"))]
    assert both == list(folders)
    assert directories_of(load(tmp_path, {}), ("flowauth",)) == ()


def test_anybody_may_make_a_directory_that_is_only_read(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    missing = tmp_path / "dags"
    assert directory_facts("FLOWETL_HOST_DAG_DIR", missing, 50000, 0, writable=False).creatable
    assert not directory_facts("FLOWETL_HOST_LOG_DIR", missing, 50000, 0, writable=True).creatable


def test_what_flowetl_brings_is_wanted(tmp_path):
    want = wanted(load(tmp_path, {"FLOWETL_CELERY_PORT": "5556"}), ("flowdb", "flowetl"))
    numbers = {port.variable: port.number for port in want.ports}
    assert (numbers["FLOWETL_HOST_PORT"], numbers["FLOWETL_CELERY_PORT"]) == (8080, 5556)
    assert want.airflow_group == 0
    assert wanted(load(tmp_path, {}), ("flowdb",)).airflow_group is None
