"""The local FlowETL image on a real engine: Airflow's services, their secrets, and a day loaded into FlowDB."""

import json
import re
from datetime import date
from functools import partial
from urllib.parse import quote

import httpx
import pytest

from secrets_quickstart.checks.verification_flowetl import ASKING
from secrets_quickstart.clients import airflow_log
from secrets_quickstart.clients.airflow import AirflowClient
from secrets_quickstart.clients.airflow_records import Dag, Health
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.clients.flower import FlowerClient
from secrets_quickstart.clients.http import Place
from secrets_quickstart.sensitive import Sensitive
from tests.swarm.eventually import eventually
from tests.swarm.flowetl_containers import ADMIN_PASSWORD, FLOWER_PASSWORD, PASSWORD, ROLES, SECRET_KEY, Deployment

pytestmark = pytest.mark.swarm

DAG = '''
from datetime import datetime
from flowetl.util import create_dag
dag = create_dag(
    dag_id="calls", cdr_type="calls", start_date=datetime(2016, 1, 1), schedule_interval=None, retries=0,
    filename="/etl/CALLS_{{ ds_nodash }}.csv",
    fields={"msisdn": "TEXT", "event_time": "TIMESTAMPTZ", "msisdn_counterpart": "TEXT", "duration": "NUMERIC",
            "cell_id": "TEXT", "outgoing": "BOOLEAN"},
    extract_sql="""SELECT NULL::TEXT id, outgoing, event_time AS datetime, duration, NULL::TEXT network, msisdn,
        msisdn_counterpart, cell_id AS location_id, NULL::TEXT imsi, NULL::TEXT imei, NULL::NUMERIC(8) tac,
        NULL::NUMERIC operator_code, NULL::NUMERIC country_code FROM {{ staging_table }}""",
    data_present_poke_interval=2, flux_check_poke_interval=2, flux_check_wait_interval=1,
)
'''
"""The word that Airflow looks for by default is not in it."""
ROWS = 500


def sign_in(client, password):
    page = client.get("/login/").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    client.post("/login/", data={"username": "admin", "password": password, "csrf_token": token and token[1]})
    return client.get("/api/v1/pools/postgres_etl")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("flowetl"))
    (made.dags / "calls.py").write_text(DAG)
    lines = ["msisdn,event_time,msisdn_counterpart,duration,cell_id,outgoing"]
    lines += [f"{n % 50:032x},2016-01-01 {n % 24:02}:00:00+00,{n % 70:032x},{n},c{n % 7},{n % 2}" for n in range(ROWS)]
    (made.etl / "CALLS_20160101.csv").write_text("\n".join(lines) + "\n")
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def running(deployment):
    """All of it, the services before what they need."""
    deployment.start_roles()
    deployment.start_servers()
    eventually(lambda: b"it is empty" in deployment.roles["scheduler"].logs(), 120)
    status, log = deployment.prepare()
    assert status == 0, log
    for role in ROLES:
        eventually(partial(deployment.healthy, role), 300)
    return deployment


def test_services_that_came_first_waited_and_none_was_started_again(running):
    for role, container in running.roles.items():
        container.reload()
        assert container.attrs["RestartCount"] == 0
        assert (b"not prepared yet" in container.logs()) == (role != "flower")


def test_a_check_tells_its_own_service_from_others(running):
    assert not running.healthy("triggerer", where="worker")
    assert not running.healthy("worker", where="triggerer")
    assert not running.healthy("scheduler", where="webserver")


def test_the_services_see_each_other(running):
    with running.client() as client:
        health = client.get("/health").json()
    assert [health[name]["status"] for name in ("metadatabase", "scheduler", "triggerer")] == ["healthy"] * 3


def test_the_administrator_signs_in_with_that_password_only(running):
    with running.client() as client:
        assert sign_in(client, "admin").status_code == 403
    with running.client() as client:
        pool = sign_in(client, ADMIN_PASSWORD).json()
    assert pool["name"] == "postgres_etl"
    assert pool["slots"] == 4


def airflow_client(running):
    return AirflowClient(Place("127.0.0.1", int(running.port(running.roles["webserver"], 8080))))


def test_the_commands_clients_understand_it(running):
    with airflow_client(running) as client:
        assert client.health() == Health("healthy", "healthy", "healthy")
        with pytest.raises(Refused):
            client.sign_in("admin", Sensitive("another"))
        with pytest.raises(Forbidden):
            client.dags()
    with airflow_client(running) as client:
        client.sign_in("admin", Sensitive(ADMIN_PASSWORD))
        assert (client.slots("postgres_etl"), client.slots("another")) == (4, None)
        assert eventually(client.dags, 120) == (Dag("calls", "calls", is_paused=True, schedule=""),)
        assert client.import_failures() == ()
    flower = Place("127.0.0.1", int(running.port(running.roles["flower"], 5555)))
    assert len(FlowerClient(flower, "flower", Sensitive(FLOWER_PASSWORD)).workers()) == 1
    with pytest.raises(Refused):
        FlowerClient(flower, "flower", Sensitive("another")).workers()


def test_a_day_that_fails_says_why_and_can_be_run_again(running):
    day = date(2016, 1, 2)
    with airflow_client(running) as client:
        client.sign_in("admin", Sensitive(ADMIN_PASSWORD))
        client.unpause("calls")

        def ended(run):
            seen = client.run("calls", run.id)
            return None if seen.is_active else seen

        run = client.trigger("calls", day)
        assert client.trigger("calls", day).id == run.id
        assert eventually(partial(ended, run), 120).state == "failed"
        [failed] = client.tasks_in({"failed"}, ["calls"])
        assert failed.has_failed
        assert "CALLS_20160102.csv" in airflow_log.reason(client.log(failed))[0]
        again = client.clear(run)
        assert again.is_active
        assert eventually(partial(ended, run), 120).ended > run.logical
        assert [seen.day for seen in client.runs(["calls"], day, day)] == [day]
        assert {task.state for task in client.tasks(run)} == {"failed", "upstream_failed"}


def test_verification_asks_flowdb_through_a_worker(running):
    done = running.roles["worker"].exec_run(["python", "-c", ASKING], demux=True)
    assert json.loads(done.output[0].decode().splitlines()[-1]) == ["flowdb", True, True]


def test_flower_asks_for_its_own_password(running):
    url = f"http://127.0.0.1:{running.port(running.roles['flower'], 5555)}"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, auth=("flower", "wrong")).status_code == 401
    assert httpx.get(url, auth=("flower", FLOWER_PASSWORD), follow_redirects=True).status_code == 200
    reply = httpx.get(f"{url}/api/workers?refresh=1", auth=("flower", FLOWER_PASSWORD))
    assert len(reply.json()) == 1


def test_a_day_is_loaded_by_flowetls_own_dag(running):
    with running.client() as client:
        sign_in(client, ADMIN_PASSWORD)
        eventually(lambda: client.get("/api/v1/dags/calls").status_code == 200, 120)
        code = (
            "from airflow.models.dag import DagModel; from airflow.api.client.local_client import Client; "
            "from airflow.utils.timezone import parse; DagModel.get_current('calls').set_is_paused(False);"
            " Client(None).trigger_dag('calls', execution_date=parse('2016-01-01'))"
        )
        assert running.roles["worker"].exec_run(["python", "-c", code]).exit_code == 0

        def state():
            found = client.get("/api/v1/dags/calls/dagRuns/manual__2016-01-01T00:00:00+00:00").json()
            return found["state"] if found["state"] in ("success", "failed") else None

        assert eventually(state, 300) == "success"
    assert running.ask_flowdb("SELECT count(*), sum(duration) FROM events.calls") == (ROWS, ROWS * (ROWS - 1) // 2)
    assert str(running.ask_flowdb("SELECT max(cdr_date) FROM etl.available_dates")[0]) == "2016-01-01"


def test_no_password_is_in_an_argument_an_environment_or_a_log(running):
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    secret = (PASSWORD, quote(PASSWORD, safe=""), ADMIN_PASSWORD, FLOWER_PASSWORD, SECRET_KEY)
    for role, container in running.roles.items():
        seen = container.exec_run(["sh", "-c", look]).output.decode()
        assert "AIRFLOW_CONFIG=" in seen
        for place, text in (
            ("/proc", seen),
            ("log", container.logs().decode()),
            ("docker", json.dumps(container.attrs)),
        ):
            assert not [value for value in secret if value in text], (role, place)
    written = running.roles["worker"].exec_run(["grep", "-rhF", "-m1", quote(PASSWORD, safe=""), "/opt/airflow/logs"])
    assert written.output == b""


def test_preparing_again_takes_over_what_changed(running):
    running.secret("FLOWETL_AIRFLOW_ADMIN_PASSWORD", "another one")
    running.secret("FLOWETL_AIRFLOW_PG_POOL_SLOT_COUNT", "7")
    status, log = running.prepare()
    assert status == 0, log
    with running.client() as client:
        assert sign_in(client, ADMIN_PASSWORD).status_code == 403
    with running.client() as client:
        assert sign_in(client, "another one").json()["slots"] == 7
    assert "another one" not in log


def test_any_secret_is_a_variable_unless_its_name_is_none(running):
    running.secret("MY_OWN", "two  words\nand a line $HOME")
    seen = json.loads(running.run("python", "-c", "import json, os; print(json.dumps(dict(os.environ)))"))
    assert seen["MY_OWN"] == "two  words\nand a line $HOME"
    assert "cert-flowkit.pem" not in seen


def test_airflow_takes_the_secrets_that_the_entrypoint_leaves_to_it(running):
    """Else they would be in neither place."""
    code = """
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager
ProvidersManager().initialize_providers_configuration()
print(*sorted(f"AIRFLOW__{section}__{key}".upper() for section, key in conf.sensitive_config_values))
"""
    wanted = set(running.run("python", "-c", code).split()) - {"AIRFLOW__SECRETS__BACKEND_KWARGS"}
    listed = running.run(
        "python", "-c", "from flowetl_service.mounted import *; print(*OPTIONS, *OTHER_NAMES[DATABASE])"
    )
    assert wanted == set(listed.split()) - {"AIRFLOW_DATABASE__SQL_ALCHEMY_CONN"}
    configuration = running.run("sh", "-c", "cat $AIRFLOW_CONFIG")
    assert wanted - {"AIRFLOW__CORE__SQL_ALCHEMY_CONN"} == set(re.findall(r"_secret = (\S+)", configuration))


def test_nothing_starts_without_its_configuration_and_all_of_it_is_named(running):
    for role, command in ROLES.items():
        container = running.start(f"lonely-{role}", running.image, command)
        assert container.wait(timeout=60)["StatusCode"] == 1
        log = container.logs().decode()
        assert log.count("\n") == 1
        assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in log


def test_the_image_holds_no_secret_and_no_key_of_its_own(running):
    history = json.dumps(running.engine.api.history(running.image))
    assert "BEGIN" not in history
    assert "PRIVATE" not in history
    assert (
        running.run("sh", "-c", "ls -A /etc/ssl/certs /etc/ssl/private 2>/dev/null | grep -v :$ || true").strip() == ""
    )
