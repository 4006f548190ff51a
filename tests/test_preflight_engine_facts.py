"""How preflight reads what the engine, its command and its swarm say."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from secrets_quickstart.checks.facts_engine import EngineFacts, client_facts, described, engine_facts, said
from secrets_quickstart.checks.facts_swarm import (
    container_publications,
    network,
    node,
    publications,
    secret,
    silent,
    swarm_facts,
)
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.errors import EngineError
from secrets_quickstart.host.processes import Completed
from secrets_quickstart.swarm.engine import Engine
from tests.preflight_facts import SOUND, but

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
INFO: dict[str, Any] = {
    "ID": "E1",
    "SystemTime": "2026-06-01T12:00:03.500000001Z",
    "OSType": "linux",
    "Architecture": "x86_64",
    "Driver": "overlay2",
    "DockerRootDir": "/data/docker",
    "SecurityOptions": ["name=seccomp,profile=default", "name=rootless", "name=selinux"],
    "MemoryLimit": True,
    "CpuCfsQuota": False,
    "IPv4Forwarding": True,
    "NCPU": 4,
    "MemTotal": 8 << 30,
    "Swarm": {
        "LocalNodeState": "active",
        "ControlAvailable": True,
        "Error": "",
        "NodeID": "n1",
        "NodeAddr": "192.0.2.1",
        "Cluster": {"DefaultAddrPool": ["10.88.0.0/16"]},
    },
}
VERSION = {"Version": "20.10.24+dfsg1", "ApiVersion": "1.41"}


def completed(stdout: str = "", stderr: str = "", status: int = 0) -> Completed:
    return Completed(("docker",), status, stdout, stderr)


def test_an_engine_is_described_by_what_it_says():
    facts = described(INFO, VERSION, NOW, local=False)
    assert (facts.id, facts.version, facts.api, str(facts.root)) == ("E1", (20, 10, 24), (1, 41), "/data/docker")
    assert (facts.rootless, facts.selinux, facts.memory_limits, facts.cpu_limits) == (True, True, True, False)
    assert facts.skew == pytest.approx(3.5)
    assert facts.membership.usable
    assert facts.address_pools == ("10.88.0.0/16",)


def test_newer_engines_that_say_nothing_about_the_bridge_are_not_blamed():
    assert described(INFO, VERSION, NOW, local=False).bridge_netfilter
    assert not described({**INFO, "BridgeNfIptables": False}, VERSION, NOW, local=False).bridge_netfilter


class DeadEngine(Engine):
    """An engine that nobody answers for."""

    @property
    def client(self) -> Any:
        raise EngineError("the Docker Engine cannot be reached", why="no such file", fix="start it")


def test_an_engine_that_does_not_answer_is_unknown_with_a_fix():
    facts = engine_facts(DeadEngine({}))
    assert facts == Unknown("the Docker Engine cannot be reached: no such file", "start it")
    assert swarm_facts(Engine({}), facts) == Unknown("no engine answers")


def test_the_docker_command_says_its_version_its_engine_and_what_it_can():
    facts = said(
        "/usr/bin/docker",
        completed("Docker version 28.2.2, build e6534b4\n"),
        completed("Usage: docker stack deploy\n  -c, --compose-file strings"),
        completed(json.dumps({"ID": "E1"})),
    )
    assert (facts.version, facts.deploys_stacks, facts.engine_id, facts.reason) == ((28, 2, 2), True, "E1", "")


@pytest.mark.parametrize(
    "answer",
    [
        completed(json.dumps({"ID": "", "ServerErrors": ["Cannot connect"], "ClientInfo": {}}), status=1),
        completed("", "Cannot connect", status=1),
    ],
)
def test_a_docker_command_that_reaches_no_engine_says_why(answer):
    facts = said("docker", completed("Docker version 28.2.2"), completed(status=1), answer)
    assert (facts.engine_id, facts.reason, facts.deploys_stacks) == ("", "Cannot connect", False)


def test_a_program_that_says_nothing_sensible_is_no_docker_command():
    facts = said("docker", completed("podman version 4"), completed(status=125), None)
    assert (facts.version, facts.deploys_stacks, facts.engine_id) == ((4,), False, "")


def test_without_a_docker_command_on_the_path_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(client_facts(Engine({}), {}), Unknown)


def test_a_docker_command_is_asked_with_the_engine_that_we_speak_to(monkeypatch, tmp_path):
    fake = tmp_path / "docker"
    fake.write_text(
        '#!/bin/sh\ncase "$1" in\n--version) echo "Docker version 24.0.1, build x";;\n'
        'stack) echo "--compose-file";;\ninfo) echo "{\\"ID\\": \\"$DOCKER_HOST\\"}";;\nesac\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    facts = client_facts(Engine({"DOCKER_HOST": "unix:///x.sock"}), {"PATH": "/usr/bin:/bin"})
    assert not isinstance(facts, Unknown)
    assert (facts.path, facts.engine_id, facts.version) == (str(fake), "unix:///x.sock", (24, 0, 1))
    assert facts.deploys_stacks


def entry(name: str = "two", address: str = "192.0.2.2", **more: Any) -> dict[str, Any]:
    return {
        "ID": "n2",
        "Description": {"Hostname": name},
        "Status": {"State": "ready", "Addr": address},
        "Spec": {"Availability": "drain", "Role": "worker", "Labels": {"flowkit.data": "true"}},
        **more,
    }


def test_a_managers_address_is_the_one_that_other_managers_use():
    worker = node(entry())
    assert (worker.address, worker.active, worker.manager, worker.reachable) == ("192.0.2.2", False, False, True)
    manager = node(entry(address="0.0.0.0", ManagerStatus={"Addr": "192.0.2.3:2377", "Reachability": "unreachable"}))
    assert (manager.address, manager.reachable) == ("192.0.2.3", False)


def test_ports_of_services_and_of_containers_go_by_the_names_that_people_know():
    service = {
        "Spec": {
            "Name": "shop_web",
            "Labels": {"com.docker.stack.namespace": "shop"},
            "EndpointSpec": {"Ports": [{"PublishedPort": 80, "TargetPort": 8080}, {"TargetPort": 9}]},
        }
    }
    assert [(item.port, item.protocol, item.holder, item.stack) for item in publications([service])] == [
        (80, "tcp", "shop_web", "shop")
    ]
    containers: list[dict[str, Any]] = [
        {"Names": ["/db"], "Ports": [{"PublicPort": 5432, "Type": "tcp", "IP": ip} for ip in ("0.0.0.0", "::")]},
        {"Names": ["/x.1.abc"], "Labels": {"com.docker.swarm.service.name": "x_y"}, "Ports": [{"PublicPort": 1}]},
        {"Names": ["/idle"], "Ports": None},
    ]
    assert [(item.port, item.holder) for item in container_publications(containers)] == [(5432, "db"), (1, "x_y")]


def test_a_network_without_addresses_has_no_subnets():
    assert network({"Name": "host", "IPAM": {"Config": None}}).subnets == ()
    assert network({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}]}}).subnets == ("10.0.0.0/24",)


def test_a_secret_is_known_by_its_labels_and_only_by_ours():
    ours = secret(
        {
            "Name": "flowkit_A_g2",
            "Labels": {
                "org.flowkit.stack": "flowkit",
                "org.flowkit.name": "A",
                "org.flowkit.generation": "2",
                "org.flowkit.fingerprint": "ff",
                "org.flowkit.vault": "v",
            },
        }
    )
    assert (ours.stack, ours.of, ours.generation, ours.fingerprint, ours.vault) == ("flowkit", "A", 2, "ff", "v")
    assert secret({"Name": "A"}).generation is None
    assert secret({"Name": "A", "Labels": {"org.flowkit.generation": "two"}}).generation is None


class FakeApi:
    """What an engine lists."""

    def __init__(self, nodes: list[dict[str, Any]]) -> None:
        self._nodes = nodes

    def nodes(self) -> list[dict[str, Any]]:
        return self._nodes

    def services(self) -> list[dict[str, Any]]:
        return [{"Spec": {"Name": "s"}}]

    def secrets(self) -> list[dict[str, Any]]:
        return [{"Spec": {"Name": "x"}}]

    def networks(self) -> list[dict[str, Any]]:
        return [{"Name": "bridge"}]

    def volumes(self) -> dict[str, Any]:
        return {"Volumes": None}

    def containers(self) -> list[dict[str, Any]]:
        return []


def facts_of_swarm(nodes: list[dict[str, Any]], engine: EngineFacts | Unknown = SOUND.engine) -> Any:
    return swarm_facts(SimpleNamespace(api=FakeApi(nodes)), engine)  # type: ignore[arg-type]


def test_ports_of_other_nodes_that_do_not_answer_are_named():
    with socket.socket() as listening, socket.socket() as bound:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        bound.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in (listening, bound)]
        assert silent([("two", "127.0.0.1", port) for port in ports]) == (f"two:{ports[1]}",)


def test_this_node_and_those_that_are_down_are_not_asked():
    down = entry(address="192.0.2.9", Status={"State": "down", "Addr": "192.0.2.9"})
    assert facts_of_swarm([{**entry(), "ID": "n1"}, down]).unreachable == ()


def test_without_a_swarm_only_what_the_engine_has_by_itself_is_listed():
    none_yet = but(SOUND.engine, membership__state="inactive")
    facts = facts_of_swarm([], none_yet)
    assert (facts.services, facts.secrets) == ((), ())
    assert [item.name for item in facts.networks] == ["bridge"]


def test_the_swarm_of_a_worker_cannot_be_read():
    worker = but(SOUND.engine, membership__manager=False)
    assert isinstance(facts_of_swarm([], worker), Unknown)
