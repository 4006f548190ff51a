"""What verification finds in Airflow, its workers and Flower."""

import json
import subprocess
import sys

import pytest

from secrets_quickstart.checks import verification_flowetl as flowetl
from secrets_quickstart.checks.check import Obstacle, Ok, Warn
from secrets_quickstart.checks.verification_world import Address, Unasked, World
from secrets_quickstart.clients.airflow import TooManyAttempts
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.swarm.containers import Execution
from tests import airflow_in_memory as fake

SECRETS = {
    flowetl.ADMIN: fake.ADMIN,
    flowetl.ADMIN_PASSWORD: fake.PASSWORD,
    flowetl.FLOWER: fake.FLOWER,
    flowetl.FLOWER_PASSWORD: fake.FLOWER_PASSWORD,
}


class Worker:
    """The stack's containers, in one of which a program answers this."""

    def __init__(self, stdout, status=0, logs="[1000000000, 0, 0]"):
        self.done = {flowetl.ASKING: Execution(status, stdout, ""), flowetl.LOOKING: Execution(status, logs, "")}

    def execute(self, name, argv):
        assert (name, argv[:2]) == ("flowetl_worker", ["python", "-c"])
        return self.done[argv[2]]


class Stack:
    def __init__(self, airflow, ports):
        self.airflow, self.ports = airflow, ports
        self.secrets = dict(SECRETS)
        self.slots, self.workers, self.inside = 4, 1, None

    @property
    def world(self):
        def nowhere(*_):
            raise AssertionError

        return World(
            secret=lambda name: Sensitive(self.secrets[name]) if name in self.secrets else None,
            address=lambda name: Address("127.0.0.1", self.ports[name]),
            flowmachine=nowhere,
            published=nowhere,
            our_flowapi=nowhere,
            inside=self.inside,
            replicas={"flowetl_worker": self.workers}.__getitem__,
            etl_slots=self.slots,
        )


@pytest.fixture
def stack(monkeypatch):
    """With no patience: what is waited for is waited for once."""
    monkeypatch.setattr(flowetl, "PATIENCE", 0.0)
    monkeypatch.setattr(flowetl, "RATE", 0.0)
    monkeypatch.setattr(flowetl, "EVERY", 0.01)
    airflow = fake.Airflow()
    with airflow.served() as web, airflow.flower_served() as flower:
        yield Stack(airflow, {"flowetl_webserver": web, "flowetl_flower": flower})


@pytest.mark.parametrize("row", flowetl.CHECKS, ids=lambda row: row.name)
def test_every_check_passes_where_all_is_well(stack, row):
    stack.inside = Worker('some word of a library\n["flowdb", true, true]\n')
    assert isinstance(row.ask(stack.world), Ok)


@pytest.mark.parametrize("part", ["metadatabase", "scheduler", "triggerer"])
@pytest.mark.parametrize("state", ["unhealthy", None])
def test_a_part_that_is_not_healthy_is_named(stack, part, state):
    stack.airflow.states[part] = state
    outcome = flowetl.is_healthy(stack.world)
    assert isinstance(outcome, Obstacle)
    assert ("database" if part == "metadatabase" else part) in outcome.detail


def test_a_heartbeat_that_takes_a_moment_is_waited_for(stack, monkeypatch):
    monkeypatch.setattr(flowetl, "PATIENCE", 10.0)
    stack.airflow.states["scheduler"] = "unhealthy"
    monkeypatch.setattr("time.sleep", lambda _: stack.airflow.states.update(scheduler="healthy"))
    assert isinstance(flowetl.is_healthy(stack.world), Ok)


@pytest.mark.parametrize(
    ("heard", "wanted", "kind"),
    [
        ({}, 1, Obstacle),
        ({"a": 0.1, "b": 90.0}, 2, Obstacle),
        ({"a": 0.1, "b": 0.2}, 2, Ok),
        ({"a": 0.1, "b": 0.1}, 1, Warn),
    ],
)
def test_as_many_workers_have_to_answer_as_there_should_be(stack, heard, wanted, kind):
    stack.airflow.workers, stack.workers = heard, wanted
    assert isinstance(flowetl.workers_answer(stack.world), kind)


def test_another_password_than_the_vaults_is_an_obstacle(stack):
    stack.secrets[flowetl.ADMIN_PASSWORD] = stack.secrets[flowetl.FLOWER_PASSWORD] = "of another vault"
    for ask in (flowetl.admin_signs_in, flowetl.workers_answer):
        with pytest.raises(Refused) as error:
            ask(stack.world)
        assert "of another vault" not in f"{error.value}{error.value.fix}"


def test_a_page_that_takes_any_password_is_an_obstacle(stack):
    stack.airflow.takes_any_password = True
    outcome = flowetl.refuses_a_wrong_password(stack.world)
    assert isinstance(outcome, Obstacle)
    assert "made up a moment ago" in outcome.detail


def test_a_flower_that_takes_anybody_is_an_obstacle(stack):
    stack.airflow.flower_is_open = True
    assert isinstance(flowetl.flower_refuses_a_wrong_password(stack.world), Obstacle)


def test_an_airflow_that_listens_to_nobody_has_refused_nothing(stack):
    stack.airflow.attempts = fake.ATTEMPTS
    with pytest.raises(TooManyAttempts):
        flowetl.refuses_a_wrong_password(stack.world)


def test_it_is_asked_again_when_it_listens_again(stack, monkeypatch):
    monkeypatch.setattr(flowetl, "RATE", 10.0)
    stack.airflow.attempts = fake.ATTEMPTS
    monkeypatch.setattr("time.sleep", lambda _: setattr(stack.airflow, "attempts", 0))
    assert isinstance(flowetl.admin_signs_in(stack.world), Ok)


def test_one_verification_gives_one_wrong_password_and_stays_below_the_limit(stack):
    stack.inside = Worker('["flowdb", true, true]')
    for row in flowetl.CHECKS:
        row.ask(stack.world)
    assert stack.airflow.attempts <= fake.ATTEMPTS // 2


@pytest.mark.parametrize(
    ("pools", "slots", "detail"),
    [({}, 4, "there is no pool postgres_etl"), ({"postgres_etl": 4}, 7, "has 4 slots, not 7")],
)
def test_the_pool_has_to_be_there_as_large_as_configured(stack, pools, slots, detail):
    stack.airflow.pools, stack.slots = pools, slots
    outcome = flowetl.pool_is_there(stack.world)
    assert isinstance(outcome, Obstacle)
    assert detail in outcome.detail


def test_a_dag_file_that_cannot_be_read_is_a_warning_with_its_reason(stack):
    stack.airflow.import_errors = [
        {"filename": "/opt/airflow/dags/calls.py", "stack_trace": "Traceback\nNameError: dg"}
    ]
    outcome = flowetl.files_can_be_read(stack.world)
    assert isinstance(outcome, Warn)
    assert outcome.detail == "calls.py: NameError: dg"


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (["flowetl", False, True], "flowetl is no superuser"),
        (["flowdb", True, False], "no foreign server csv_fdw"),
        (['FATAL:  password authentication failed for user "flowdb"'], "password authentication failed"),
        (["AirflowNotFoundException"], "AirflowNotFoundException"),
        ({}, "another form"),
    ],
)
def test_a_worker_that_does_not_reach_flowdb_as_tasks_need_it_is_an_obstacle(stack, answer, detail):
    stack.inside = Worker(json.dumps(answer))
    outcome = flowetl.worker_reaches_flowdb(stack.world)
    assert isinstance(outcome, Obstacle)
    assert detail in outcome.detail


@pytest.mark.parametrize("stdout", ["", "bash: python: not found"])
def test_a_worker_in_which_nothing_can_be_tried_is_an_obstacle(stack, stdout):
    stack.inside = Worker(stdout, 127)
    assert "status 127" in flowetl.worker_reaches_flowdb(stack.world).detail


@pytest.mark.parametrize(
    ("disk", "detail"),
    [
        ([1 << 20, 0, 0], "1 MB free"),
        ([1 << 40, 50_000, 12], "12 inodes free"),
        ([1 << 40], "another form"),
    ],
)
def test_a_disk_on_which_tasks_cannot_write_their_logs_is_an_obstacle(stack, disk, detail):
    stack.inside = Worker("", logs=json.dumps(disk))
    outcome = flowetl.logs_have_room(stack.world)
    assert isinstance(outcome, Obstacle)
    assert detail in outcome.detail


def test_a_worker_that_cannot_look_at_its_logs_is_an_obstacle(stack):
    stack.inside = Worker("", 127, logs="")
    assert "status 127" in flowetl.logs_have_room(stack.world).detail


def test_the_worker_looks_at_the_disk_of_a_folder_that_there_is(tmp_path):
    program = flowetl.LOOKING.replace("/opt/airflow/logs", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert [type(number) for number in json.loads(done.stdout)] == [int] * 3


@pytest.mark.parametrize("name", list(SECRETS))
def test_without_the_vaults_value_nothing_is_guessed(stack, name):
    del stack.secrets[name]
    ask = flowetl.admin_signs_in if name.startswith("FLOWETL_AIRFLOW") else flowetl.workers_answer
    with pytest.raises(Unasked, match=name):
        ask(stack.world)


def test_an_airflow_that_is_not_there_is_an_error(stack):
    def gone(name):
        raise ServiceError(f"no task of {name} is running")

    world = stack.world
    object.__setattr__(world, "address", gone)
    with pytest.raises(ServiceError, match="flowetl_webserver"):
        flowetl.is_healthy(world)
