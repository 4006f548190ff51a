"""The step that deploys the stack: what it plans, for which reasons, and when it asks the client."""

import time
from dataclasses import replace

import pytest

from secrets_quickstart.errors import EngineError, NotConverged
from secrets_quickstart.host import processes
from secrets_quickstart.host.processes import Completed
from secrets_quickstart.steps.stack import Create, Inputs, StackStep, Update, Wait
from secrets_quickstart.swarm import stack, watching
from secrets_quickstart.swarm.stack_files import StackFile, size
from tests.fakes import FakeEngine

TEXT = """
version: "3.8"
services:
  flowdb:
    image: ${FLOWDB_IMAGE:-flowminder/flowdb}:1
    environment:
      CACHE_SIZE:
    secrets: [PASSWORD]
    healthcheck:
      test: ["CMD", "true"]
    ports:
      - target: 5432
        published: ${FLOWDB_HOST_PORT:?set it}
    deploy:
      labels:
        org.flowkit.inputs: ${FLOWDB_INPUTS:-by hand}
      replicas: ${REPLICAS:-1}
      placement:
        constraints:
          - ${DATA_CONSTRAINT:-node.role==manager}
      resources:
        limits:
          memory: ${LIMIT:-2GB}
      update_config:
        monitor: ${MONITOR:-10s}
secrets:
  PASSWORD:
    external: true
    name: ${PASSWORD_SECRET:-PASSWORD}
"""
GIVEN = {"FLOWDB_HOST_PORT": "9000", "PASSWORD_SECRET": "s_PASSWORD_g1"}


class Client:
    """The docker client, whose answers are given; without any it does as it is told."""

    def __init__(self, engine):
        self.engine = engine
        self.calls = []
        self.refusals = []
        self.help = "--compose-file --prune"

    def run(self, argv, **options):
        if "--help" in argv:
            return Completed(tuple(argv), 0, self.help, "")
        self.calls.append((tuple(argv), dict(options["env"])))
        if self.refusals:
            return Completed(tuple(argv), 1, "", self.refusals.pop(0))
        return self.engine.deploy(tuple(argv), options["env"])


@pytest.fixture
def engine():
    made = FakeEngine()
    for generation in (1, 2):
        made.add_secret(f"s_PASSWORD_g{generation}")
    return made


@pytest.fixture
def client(engine, monkeypatch):
    made = Client(engine)
    monkeypatch.setattr(processes, "run", made.run)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(watching, "LONGEST_LOOKAWAY", 0.001)
    return made


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "flowdb.yml").write_text(TEXT)
    file = StackFile(tmp_path / "flowdb.yml")
    return Inputs("s", ("flowdb",), (file,), GIVEN, registry_auth=False, deadline=5)


@pytest.fixture
def deployed(engine, client, inputs):
    carry_out(engine, inputs)
    client.calls.clear()
    return inputs


def plan(engine, inputs, **given):
    step = StackStep(engine, replace(inputs, environment={**inputs.environment, **given}), lambda _: None)
    return step.plan(step.look())


def carry_out(engine, inputs, **given):
    step = StackStep(engine, replace(inputs, environment={**inputs.environment, **given}), lambda _: None)
    actions = step.plan(step.look()).actions
    step.act(actions)
    return actions


def test_what_is_not_there_is_created(engine, client, inputs):
    assert plan(engine, inputs).actions == (Create("flowdb"),)


def test_before_there_is_a_swarm_everything_is_to_be_created(inputs):
    assert plan(FakeEngine(state="inactive"), inputs).actions == (Create("flowdb"),)


def test_what_is_as_it_should_be_is_left_alone_and_the_client_is_not_asked(engine, client, deployed):
    assert carry_out(engine, deployed) == ()
    assert plan(engine, deployed).unchanged[0].reason == "as its stack file says, running 1/1"


@pytest.mark.parametrize(("given", "reason"), [
    ({"FLOWDB_IMAGE": "flowkit/flowdb"}, "image flowminder/flowdb:1 becomes flowkit/flowdb:1"),
    ({"REPLICAS": "2"}, "replicas 1 become 2"),
    ({"CACHE_SIZE": "5"}, "variable CACHE_SIZE: not set becomes 5"),
    ({"PASSWORD_SECRET": "s_PASSWORD_g2"}, "secret PASSWORD: s_PASSWORD_g1 becomes s_PASSWORD_g2"),
    ({"FLOWDB_HOST_PORT": "9001"}, "port 5432: 9000 becomes 9001"),
    ({"LIMIT": "1GB"}, "memory limit 2147483648 becomes 1073741824"),
    ({"DATA_CONSTRAINT": "node.labels.a==b"}, "placement node.role==manager becomes node.labels.a==b"),
    ({"MONITOR": "20s"}, "its stack file, filled in, is another than it was made from"),
])  # fmt: skip
def test_what_an_operator_changed_is_the_reason_for_an_update(engine, client, deployed, given, reason):
    (action,) = plan(engine, deployed, **given).actions
    assert action == Update("flowdb", (reason,))

    carry_out(engine, deployed, **given)

    assert plan(engine, deployed, **given).actions == ()


@pytest.mark.parametrize("change", [
    lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Image="other:1"),
    lambda spec: spec["TaskTemplate"]["ContainerSpec"]["Env"].append("CACHE_SIZE=7"),
    lambda spec: spec["TaskTemplate"]["Resources"]["Limits"].update(MemoryBytes=1),
    lambda spec: spec["TaskTemplate"].update(Resources={}),
    lambda spec: spec["TaskTemplate"]["Placement"]["Constraints"].clear(),
    lambda spec: spec["TaskTemplate"]["ContainerSpec"]["Secrets"].clear(),
    lambda spec: spec["EndpointSpec"]["Ports"].clear(),
    lambda spec: spec["Mode"]["Replicated"].update(Replicas=3),
    lambda spec: spec["Labels"].pop("org.flowkit.inputs"),
])  # fmt: skip
def test_what_somebody_changed_by_hand_is_put_right(engine, client, deployed, change):
    change(engine.services["s_flowdb"]["Spec"])

    assert isinstance(carry_out(engine, deployed)[0], Update)
    assert plan(engine, deployed).actions == ()


def test_what_is_deployed_but_not_up_is_waited_for_and_not_deployed_again(engine, client, deployed):
    engine.tasks[0]["Status"]["State"] = "starting"
    (action,) = plan(engine, deployed).actions
    assert isinstance(action, Wait)
    assert str(action) == "wait for flowdb: starting, not healthy yet"

    with pytest.raises(NotConverged):
        carry_out(engine, replace(deployed, deadline=0.05))

    assert client.calls == []


def test_an_order_with_reasons_is_a_line_for_people():
    assert str(Update("flowdb", ("a", "b"))) == "update the service flowdb: a; b"


def test_the_client_is_told_all_files_the_engine_and_nothing_of_ours_but_the_variables(engine, client, inputs):
    carry_out(engine, inputs)

    argv, environment = client.calls[0]
    assert argv[:5] == ("docker", "stack", "deploy", "--resolve-image", "never")
    assert argv[-3:] == ("--compose-file", str(inputs.files[0].path), "s")
    assert environment.keys() == {*GIVEN, "FLOWDB_INPUTS", "DOCKER_HOST"}


def test_newer_clients_are_told_not_to_wait_themselves(engine, client, inputs):
    client.help += " --detach"

    carry_out(engine, inputs)

    assert "--detach=true" in client.calls[0][0]


def test_a_login_is_handed_on_only_where_there_is_one(engine, client, inputs):
    carry_out(engine, replace(inputs, registry_auth=True))
    assert "--with-registry-auth" in client.calls[0][0]


@pytest.mark.parametrize("race", ["network s_net not found", "rpc error: update out of sequence"])
def test_a_race_with_a_removal_or_somebody_elses_update_is_tried_again(engine, client, inputs, race):
    client.refusals += [race, race]

    carry_out(engine, inputs)

    assert len(client.calls) == 3


def test_a_race_that_does_not_end_is_given_up(engine, client, inputs):
    client.refusals += ["network s_net not found"] * 99

    with pytest.raises(EngineError, match="not found"):
        carry_out(engine, inputs)

    assert len(client.calls) == stack.TRIES


@pytest.mark.parametrize("said", ["service flowdb: secret not found: s_PASSWORD_g9", "invalid reference format"])
def test_what_will_not_get_better_is_not_tried_again(engine, client, inputs, said):
    client.refusals += [said]

    with pytest.raises(EngineError, match=said):
        carry_out(engine, inputs)

    assert len(client.calls) == 1


@pytest.mark.parametrize(("text", "number"), [
    ("18GB", 18 << 30), ("512m", 512 << 20), ("1.5g", 3 << 29), (0, 0), ("0", 0), ("64 kB", 64 << 10), ("7b", 7),
    ("2TiB", 2 << 40),
])  # fmt: skip
def test_sizes_are_read_as_the_client_reads_them(text, number):
    assert size(text) == number
