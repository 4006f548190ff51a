"""Where services are asked: by what the swarm publishes, and where their tasks run."""

from datetime import UTC, datetime

import pytest

from secrets_quickstart.checks.verification_places import Places, world
from secrets_quickstart.checks.verification_world import Address, Unasked
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.settings import load
from secrets_quickstart.vault import Vault
from tests.fakes import FakeEngine

ACME = {"DOMAIN_NAME": "flowauth.test", "FLOWAUTH_CERTIFICATE": "acme", "EMAIL_ADDRESS": "a@flowauth.test"}
WHEN = datetime(2026, 1, 1, tzinfo=UTC).isoformat()


class Api:
    """One service with one task, and a program that can be run in it."""

    def __init__(self, ports=(), node="node1", state="running", replicas=1):
        self.ports, self.node, self.state, self.replicas = ports, node, state, replicas
        self.ran = []
        self.network = "n1"
        self.is_global = False

    def services(self, filters):
        template = {"ContainerSpec": {"Image": "flowkit/db:1"}, "Networks": [{"Target": self.network}]}
        spec = {"Name": "s_db", "TaskTemplate": template, "EndpointSpec": {"Ports": list(self.ports)}}
        spec["Mode"] = {"Global": {}} if self.is_global else {"Replicated": {"Replicas": self.replicas}}
        return [{"ID": "db", "Spec": spec, "Version": {"Index": 1}}]

    def tasks(self, filters):
        status = {"State": self.state, "Timestamp": WHEN, "ContainerStatus": {"ContainerID": "c1"}}
        task = {"ID": "t", "ServiceID": "db", "NodeID": self.node, "DesiredState": "running", "Status": status}
        return [{**task, "CreatedAt": WHEN, "Spec": {}}][: self.replicas]

    def nodes(self):
        return []

    def inspect_task(self, task):
        own = {"Network": {"ID": "n1", "Spec": {"Name": "s_db"}}, "Addresses": ["10.0.1.2/24"]}
        mesh = {"Network": {"ID": "n0", "Spec": {"Name": "ingress"}}, "Addresses": ["10.0.0.9/24"]}
        return {"ID": task, "NetworksAttachments": [mesh, own]}

    def inspect_node(self, node):
        if node == "node2":
            return {"Status": {"Addr": "192.0.2.2"}}
        return {"Status": {"Addr": "0.0.0.0"}, "ManagerStatus": {"Addr": "192.0.2.1:2377"}}

    def exec_create(self, container, argv):
        self.ran.append((container, argv))
        return {"Id": "e"}

    def exec_start(self, started, stream, demux):
        return iter([(b"ou", None), (b"t", None)])

    def exec_inspect(self, started):
        return {"ExitCode": 3}


class Edge(Api):
    """The same, with FlowAuth's edge for its service."""

    def services(self, filters):
        [service] = super().services(filters)
        return [{**service, "Spec": {**service["Spec"], "Name": "s_edge"}}]


class Engine(FakeEngine):
    def __init__(self, api, host="unix:///run/docker.sock"):
        super().__init__()
        self._the_api, self._host = api, host

    @property
    def api(self):
        return self._the_api

    @property
    def host(self):
        return self._host


def places(api, **engine):
    return Places(Engine(api, **engine), "s")


PORT = {"TargetPort": 5432, "PublishedPort": 9000, "PublishMode": "host"}


@pytest.mark.parametrize(
    ("api", "engine", "expected"),
    [
        (Api([PORT]), {}, "127.0.0.1"),
        (Api([PORT], node="node2"), {}, "192.0.2.2"),
        (Api([{**PORT, "PublishMode": "ingress"}], node="node2"), {}, "127.0.0.1"),
        (Api([PORT]), {"host": "tcp://192.0.2.1:2376"}, "192.0.2.1"),
    ],
    ids=["this node", "another node", "routing mesh", "a distant engine"],
)
def test_a_service_is_asked_where_its_port_is(api, engine, expected):
    assert places(api, **engine).address("db") == Address(expected, 9000)


def test_a_service_without_a_port_cannot_be_asked():
    with pytest.raises(Unasked, match="publishes no port"):
        places(Api()).address("db")


def test_a_service_that_is_not_deployed_is_an_error_with_a_fix():
    with pytest.raises(ServiceError, match="no service redis in the stack s") as error:
        places(Api()).address("redis")
    assert "deploy" in error.value.fix


def test_a_service_without_a_running_task_is_an_error():
    with pytest.raises(ServiceError, match="no task of db is running"):
        places(Api([PORT], state="starting")).address("db")


def test_a_program_runs_in_the_container_of_this_node():
    api = Api()
    done = places(api).execute("db", ["true", "now"])
    assert api.ran == [("c1", ["true", "now"])]
    assert (done.status, done.stdout, done.stderr) == (3, "out", "")


@pytest.mark.parametrize(
    ("api", "why"),
    [(Api(node="node2"), "another node"), (Api(replicas=0), "0 replicas")],
)
def test_where_there_is_no_container_here_nothing_is_run(api, why):
    with pytest.raises(Unasked, match=why):
        places(api).execute("db", ["true"])
    assert not api.ran


def test_a_service_is_counted_by_what_is_asked_for():
    assert places(Api(replicas=3, state="starting")).replicas("db") == 3


def test_a_service_on_each_node_is_counted_by_its_tasks():
    api = Api()
    api.is_global = True
    assert places(api).replicas("db") == 1


@pytest.mark.parametrize("network", ["n1", "s_db"], ids=["by its id", "by its name"])
def test_a_task_is_reached_on_the_networks_that_its_service_asked_for(network):
    api = Api([PORT])
    api.network = network
    assert places(api).names() == ["db"]
    assert places(api).networks("db") == {network}
    assert places(api).task_addresses("db") == ["10.0.1.2"]


def test_a_service_without_a_running_task_has_no_address():
    assert places(Api(state="starting")).task_addresses("db") == []


@pytest.mark.parametrize(("chosen", "expected"), [({}, False), (ACME, True)], ids=["the vault's", "acquired"])
def test_flowauth_is_asked_at_its_edge(tmp_path, chosen, expected):
    variables = {"HOME": str(tmp_path), "FLOWKIT_STACK": "s", "EDGE_HTTP_PORT": "8080", **chosen}
    known = world(load(tmp_path, variables), Engine(Edge([PORT])), Vault.in_memory())
    door = known.door()
    assert (door.place.host, door.place.name, door.http_port) == (
        "127.0.0.1",
        chosen.get("DOMAIN_NAME", "localhost"),
        8080,
    )
    assert door.from_acme is expected
    assert known.inside is not None
    assert known.inside.names() == ["edge"]
