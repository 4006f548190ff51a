"""FlowDB and Airflow as they are deployed, and what an operator does with them: each test goes on from the one before.

Airflow runs as a uid that nobody has; its DAGs are in a directory of the host, its logs in a volume and then in one.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from secrets import token_hex

import pytest

from secrets_quickstart.clients.airflow import AirflowClient
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flower import FlowerClient
from secrets_quickstart.clients.http import Place
from secrets_quickstart.operations.rotation import WITH_ITS_SECRETS
from secrets_quickstart.sensitive import Sensitive
from tests.swarm.eventually import eventually
from tests.swarm.leaks import Watch, places, values_of
from tests.swarm.machine import container_of, containers, engine, execute, objects
from tests.swarm.machine import ports as published
from tests.swarm.neighbour import is_untouched, neighbour

pytestmark = pytest.mark.swarm

STACK, FIRST_PORT = "selftest-flowetl", 20000
PORTS = published(FIRST_PORT)
DAY, ROWS = date(2016, 1, 1), 24
DAG = f"""
from datetime import datetime
from airflow.models.dag import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
with DAG("day", schedule=None, start_date=datetime(2016, 1, 1)):
    SQLExecuteQueryOperator(task_id="load", conn_id="flowdb", split_statements=True, sql='''
        CREATE TABLE events.calls_20160101 PARTITION OF events.calls FOR VALUES FROM ('2016-01-01') TO ('2016-01-02');
        INSERT INTO events.calls (msisdn, datetime) SELECT 'x', '2016-01-01'::timestamp + interval '1 h' * n
        FROM generate_series(0, {ROWS - 1}) AS n;
    ''')
"""
"""Has one task, which takes a tenth of the time of those that FlowETL makes of a file."""
UID = 43210
NEW_PASSWORD = f"another, with 'blanks' $HOME {token_hex(4)}"  # which is written nowhere
AIRFLOW = ("flowetl_scheduler", "flowetl_triggerer", "flowetl_webserver", "flowetl_worker", "flowetl_flower")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Directories that an operator made for Airflow."""
    made = tmp_path_factory.mktemp("flowetl")
    (made / "dags").mkdir(mode=0o755)
    (made / "dags" / "day.py").write_text(DAG)
    (made / "logs").mkdir(mode=0o775)
    os.chown(made / "logs", UID, 0)
    return made


@pytest.fixture(scope="module")
def machine(place):
    chosen = {
        "FLOWETL_HOST_USER_ID": str(UID),
        "FLOWETL_HOST_GROUP_ID": "0",
        "FLOWETL_HOST_DAG_DIR": str(place / "dags"),
        "FLOWETL_LOG_DAYS": "3",
    }
    with neighbour(place / "here", STACK, FIRST_PORT, **chosen) as made:
        made.invoke("deploy", "--target", "flowetl")
        yield made


@contextmanager
def airflow(password, user="admin"):
    with AirflowClient(Place("127.0.0.1", int(PORTS["FLOWETL_HOST_PORT"]))) as client:
        client.sign_in(user, Sensitive(password))
        yield client


@pytest.fixture
def password(machine):
    """The administrator's, as it is now."""
    return machine.value("FLOWETL_AIRFLOW_ADMIN_PASSWORD")


def by_service():
    """The running containers' ids; a service that has several has several."""
    found: dict[str, set[str]] = {}
    for item in containers(STACK):
        name = item["Config"]["Labels"]["com.docker.swarm.service.name"].removeprefix(f"{STACK}_")
        found.setdefault(name, set()).add(item["Id"])
    return found


def preparations():
    """The tasks of the job, all of which have to have ended well."""
    tasks = engine().tasks(filters={"service": f"{STACK}_flowetl_init"})
    assert {task["Status"]["State"] for task in tasks} == {"complete"}
    return {task["ID"] for task in tasks}


def in_flowdb(sql):
    return execute(STACK, "flowdb", "psql", "-Atc", sql).strip()


def test_only_workers_are_with_flowdb_and_airflows_own_servers_are_with_airflow_alone(machine):
    api = engine()
    names = {item["Id"]: item["Name"].removeprefix(f"{STACK}_") for item in api.networks()}
    label = {"label": f"com.docker.stack.namespace={STACK}"}
    joined = {
        item["Spec"]["Name"].removeprefix(f"{STACK}_"): {
            names[network["Target"]] for network in item["Spec"]["TaskTemplate"]["Networks"]
        }
        for item in api.services(filters=label)
    }

    of_airflow = {"flowetl_db", "flowetl_redis"}
    assert joined == {
        "flowdb": {"flowdb"},
        "flowetl_db": {"flowetl_db"},
        "flowetl_redis": {"flowetl_redis"},
        **dict.fromkeys(("flowetl_init", *AIRFLOW), of_airflow),
        "flowetl_worker": {"flowdb"} | of_airflow,
        "flowetl_log_cleaner": {"flowetl_logs"},
    }
    running = {
        item["Config"]["Labels"]["com.docker.swarm.service.name"].removeprefix(f"{STACK}_"): {
            name.removeprefix(f"{STACK}_") for name in item["NetworkSettings"]["Networks"] if name.startswith(STACK)
        }
        for item in containers(STACK)
    }
    assert running == {name: networks for name, networks in joined.items() if name != "flowetl_init"}


def test_airflow_runs_as_the_user_that_was_chosen(machine):
    for item in containers(STACK):
        service = item["Config"]["Labels"]["com.docker.swarm.service.name"].removeprefix(f"{STACK}_")
        top = engine().top(item["Id"], ps_args="-eo uid,gid,pid,args")
        users = {tuple(row[:2]) for row in top["Processes"]}
        assert users == ({(str(UID), "0")} if service in {*AIRFLOW, "flowetl_log_cleaner"} else {("999", "999")})


def test_a_second_deploy_changes_nothing_and_prepares_nothing_again(machine):
    before, prepared = objects(STACK), preparations()

    assert machine.json("deploy", "--target", "flowetl")["changes"] == 0

    assert objects(STACK) == before
    assert preparations() == prepared


EXPORTING = """
folder=${FOLDER:-/run/secrets}
for file in $folder/*; do
    name=$(basename $file)
    case $name in
        *_FILE) export ${name%_FILE}=$file ;;
        *) export $name=$(cat $file) || exit 1 ;;
    esac
done
for name in AIRFLOW__CORE__SQL_ALCHEMY_CONN AIRFLOW__DATABASE__SQL_ALCHEMY_CONN FLOWETL_REDIS_PASSWORD \
            FLOWETL_POSTGRES_PASSWORD; do
    [ -n "${!name}" ] || { echo "$name is missing"; exit 1; }
done
for file in $folder/*; do
    name=$(basename $file)
    [ "${!name}" = "$(cat $file)" ] || { echo "$name was cut"; exit 1; }
done
echo through
"""
"""What the official image's entrypoint does with secrets before anything else, and a look at what came of it."""


@pytest.mark.parametrize("service", AIRFLOW)
def test_the_official_entrypoint_would_get_through_with_the_secrets_as_they_are_mounted(machine, service):
    assert execute(STACK, service, "bash", "-c", f"unset ${{!AIRFLOW_*}}; {EXPORTING}") == "through\n"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MORE", "two words", "MORE was cut"),
        ("not-a-name.pem", "word", "not a valid identifier"),
        ("FLOWETL_REDIS_PASSWORD", "", "FLOWETL_REDIS_PASSWORD is missing"),
    ],
)
def test_it_would_not_with_others(machine, name, value, said):
    copy = f"FOLDER=$(mktemp -d); cp /run/secrets/* $FOLDER; rm -f $FOLDER/{name}; printf %s '{value}' >$FOLDER/{name}"

    assert said in execute(STACK, "flowetl_triggerer", "bash", "-c", f"{copy}; {EXPORTING}")


def test_a_dag_of_the_operators_directory_reaches_flowdb(machine, password):
    with airflow(password) as client:
        eventually(client.dags, 120)
        client.unpause("day")
        run = client.trigger("day", DAY)
        eventually(lambda: not client.run("day", run.id).is_active, 120)
        assert client.run("day", run.id).state == "success"

    assert in_flowdb("SELECT count(*) FROM events.calls") == str(ROWS)


def workers(machine):
    flower = Place("127.0.0.1", int(PORTS["FLOWETL_CELERY_PORT"]))
    return FlowerClient(flower, "flower", Sensitive(machine.value("FLOWETL_CELERY_PASSWORD"))).workers()


def test_a_second_worker_answers_and_nothing_else_is_started_again(machine):
    before, prepared = by_service(), preparations()

    machine.invoke("deploy", "--target", "flowetl", FLOWETL_WORKER_COUNT="2")

    after = by_service()
    assert before["flowetl_worker"] < after["flowetl_worker"]
    assert len(after["flowetl_worker"]) == len(workers(machine)) == 2
    assert {**after, "flowetl_worker": before["flowetl_worker"]} == before
    assert preparations() == prepared


def test_another_password_of_the_administrator_is_taken_over_and_one_worker_is_enough_again(machine, password):
    before, prepared = by_service(), preparations()
    machine.invoke("secrets.import", "FLOWETL_AIRFLOW_ADMIN_PASSWORD", "-", stdin=f"{NEW_PASSWORD}\n".encode())

    with Watch() as watch:
        machine.invoke("deploy", "--target", "flowetl")

    eventually(lambda: len(by_service()["flowetl_worker"]) == 1)  # the other one finishes what it has begun
    after = by_service()
    assert after["flowetl_worker"] < before["flowetl_worker"]
    assert {**after, "flowetl_worker": before["flowetl_worker"]} == before
    assert len(preparations() - prepared) == 1
    assert watch.hits({"old": password, "new": NEW_PASSWORD}) == []
    with airflow(NEW_PASSWORD) as client:
        assert client.slots("postgres_etl") == 4
    with pytest.raises(Refused), airflow(password):
        pass


def airflow_says(*arguments):
    """What Airflow's command prints in the scheduler's container."""
    return execute(STACK, "flowetl_scheduler", "python", "-c", WITH_ITS_SECRETS, "airflow", *arguments)


def test_with_every_secret_renewed_airflow_reads_what_it_kept_encrypted(machine):
    airflow_says("variables", "set", "kept", "as it was")
    names = machine.json("secrets.rotate", "--all", "--dry-run", expect=2)["names"]
    before = {name: machine.value(name) for name in names}
    assert {"AIRFLOW__CORE__FERNET_KEY", "FLOWETL_POSTGRES_PASSWORD", "FLOWETL_REDIS_PASSWORD"} < {*names}

    machine.invoke("secrets.rotate", "--all")

    assert not any(machine.value(name) == before[name] for name in names)
    assert len(machine.value("AIRFLOW__CORE__FERNET_KEY")) == 44, "the new key alone"
    assert airflow_says("variables", "get", "kept").splitlines()[-1] == "as it was"
    with airflow(machine.value("FLOWETL_AIRFLOW_ADMIN_PASSWORD")) as client:
        assert client.slots("postgres_etl") == 4
    assert machine.json("deploy", "--target", "flowetl")["changes"] == 0


def check(service, *before):
    """The status of the service's own health check, run now; 124 when it has not been content for some seconds."""
    [container] = by_service()[service]
    test = engine().inspect_container(container)["Config"]["Healthcheck"]["Test"][1:]
    started = engine().exec_create(container, [*before, *test])
    engine().exec_start(started["Id"])
    return engine().exec_inspect(started["Id"])["ExitCode"]


def signal_all(service, name):
    """To all of a service's processes but the first, which only looks after them."""
    execute(STACK, service, "sh", "-c", f"kill -{name} -1")


def test_a_service_whose_processes_stand_still_is_not_taken_for_healthy(machine):
    asked = ("flowetl_webserver", "flowetl_worker", "flowetl_flower")
    with ThreadPoolExecutor(len(asked)) as pool:
        assert [*pool.map(lambda name: check(name, "timeout", "20"), asked)] == [0, 0, 0]
        try:
            for name in asked:
                signal_all(name, "STOP")
            assert [*pool.map(lambda name: check(name, "timeout", "6"), asked)] == [124, 124, 124]
        finally:
            for name in asked:
                signal_all(name, "CONT")
        assert [*pool.map(lambda name: check(name, "timeout", "20"), asked)] == [0, 0, 0]


@pytest.fixture(scope="module")
def hanging(machine):
    """The scheduler's container, in which nothing moves any more; the next tests go on until that is found."""
    container = container_of(STACK, "flowetl_scheduler")
    signal_all("flowetl_scheduler", "STOP")
    return container


def in_logs(command):
    """As Airflow, where its logs are."""
    return execute(STACK, "flowetl_worker", "sh", "-c", f"cd /opt/airflow/logs && {command}")


def has_been_cleaned():
    """Whether a round of the cleaner takes what is old, and leaves the rest."""
    in_logs(
        "mkdir -p dag_id=x/old dag_id=x/empty dag_id=x/new && touch -d '5 days ago' dag_id=x/old/1.log dag_id=x/empty"
        " && touch -d '2 days ago' dag_id=x/new/1.log && touch dag_id=x/old/2.log"
    )
    engine().kill(container_of(STACK, "flowetl_log_cleaner"))  # each begins with a round
    eventually(lambda: "old/1.log" not in in_logs("find dag_id=x"))
    return in_logs("find dag_id=x -type f -o -type d -empty | sort").split() == [
        "dag_id=x/new/1.log",
        "dag_id=x/old/2.log",
    ]


def test_logs_go_after_so_many_days_and_newer_ones_stay(machine, hanging):
    assert "scheduler" in in_logs("ls")
    assert has_been_cleaned()


@pytest.mark.parametrize("name", ["webserver", "scheduler"])
def test_a_log_of_several_tasks_with_much_to_say_is_whole_and_has_an_end(machine, name):
    label = {"label": f"com.docker.swarm.service.name={STACK}_flowetl_{name}"}
    ids = [item["Id"] for item in engine().containers(all=True, filters=label)]
    written = [line for each in ids for line in engine().logs(each).decode().splitlines()]
    assert len(ids) > 1

    shown = machine.invoke("logs", f"flowetl_{name}").stdout.splitlines()

    assert not {*written} - {*shown}
    assert len(shown) >= len(written) > 100


def test_no_value_is_where_it_should_not_be(machine, hanging):
    values = values_of(machine)
    assert {"FLOWETL_REDIS_PASSWORD", "AIRFLOW__CELERY__BROKER_URL", "AIRFLOW_CONN_FLOWDB"} <= set(values)

    everywhere = [*places(machine), ("Airflow's logs", in_logs("cat $(find . -type f)"))]
    hits = [(place, name) for place, text in everywhere for name, value in values.items() if value in text]

    assert hits == []


def test_a_scheduler_that_hangs_is_found_and_replaced(machine, hanging):
    eventually(lambda: not {hanging} & by_service().get("flowetl_scheduler", {hanging}), 180)

    with airflow(machine.value("FLOWETL_AIRFLOW_ADMIN_PASSWORD")) as client:
        eventually(lambda: client.health().scheduler == "healthy")
    log = [task["Status"].get("Err", "") for task in engine().tasks(filters={"service": f"{STACK}_flowetl_scheduler"})]
    assert any("unhealthy" in reason for reason in log)


def test_down_and_up_again_keep_runs_people_and_days_and_logs_may_go_to_a_directory(machine, place):
    days = "SELECT count(*), min(datetime)::date FROM events.calls"
    with airflow(machine.value("FLOWETL_AIRFLOW_ADMIN_PASSWORD")) as client:
        ada = {"username": "ada", "password": "pw", "email": "a@b.c", "first_name": "A", "last_name": "L"}
        made = client._client.post("/auth/fab/v1/users", json={**ada, "roles": [{"name": "Admin"}]})
        assert made.status_code == 200, made.text
        runs = client.runs(["day"], DAY, DAY)
    loaded = in_flowdb(days)
    assert loaded == f"{ROWS}|2016-01-01"

    machine.invoke("down")
    assert objects(STACK)["services"] == {}
    machine.variables["FLOWETL_HOST_LOG_DIR"] = str(place / "logs")
    machine.invoke("deploy", "--target", "flowetl")

    with airflow("pw", "ada") as client:
        assert client.runs(["day"], DAY, DAY) == runs != ()
    with airflow(machine.value("FLOWETL_AIRFLOW_ADMIN_PASSWORD")):
        pass
    assert in_flowdb(days) == loaded


def test_logs_go_from_a_directory_as_well(machine, place):
    assert (place / "logs" / "scheduler").is_dir()
    assert has_been_cleaned()
    assert {path.stat().st_uid for path in (place / "logs").rglob("*")} == {UID}


def test_a_purge_leaves_nothing_but_the_operators_own_directories(machine, place):
    machine.invoke("purge", "--stack", STACK)

    assert is_untouched(machine)
    assert not [*containers(STACK)]
    assert (place / "dags" / "day.py").exists()
    assert (place / "logs" / "dag_id=x" / "new" / "1.log").exists()
