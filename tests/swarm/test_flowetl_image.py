"""The local FlowETL image on a real engine: Airflow's services, their secrets, and a day loaded into FlowDB.

Takes the newest local images of flowetl, flowdb, postgres and redis, unless FLOWETL_IMAGE and so on name others.
"""

import contextlib
import json
import re
import uuid
from datetime import date
from functools import partial
from urllib.parse import quote

import docker
import httpx
import psycopg
import pytest
from cryptography.fernet import Fernet

from secrets_quickstart.checks.verification_flowetl import ASKING
from secrets_quickstart.clients import airflow_log
from secrets_quickstart.clients.airflow import AirflowClient
from secrets_quickstart.clients.airflow_records import Dag, Health
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.clients.flower import FlowerClient
from secrets_quickstart.clients.http import Place
from secrets_quickstart.sensitive import Sensitive
from tests.swarm.eventually import eventually
from tests.swarm.pages.flowauth_deployment import newest_image

pytestmark = pytest.mark.swarm

PASSWORD = "p@s:s/w#r%d?& $HOME"  # of every server; quoted in URLs
ADMIN_PASSWORD = "two words, 'quoted' $HOME"
FLOWER_PASSWORD = "flower-password-4711"
SECRET_KEY = "a secret  key with blanks"
USER = "43210:54321"
ROLES = {
    "scheduler": ["scheduler"],
    "webserver": ["webserver"],
    "worker": ["celery", "worker"],
    "triggerer": ["triggerer"],
    "flower": ["celery", "flower"],
}
HTTP = "import sys, urllib.request as u; sys.exit(u.urlopen(sys.argv[1], timeout=9).status != 200)"
HEARTBEAT = """
import re, socket, sys, psycopg2
with open("/run/secrets/AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") as file:
    url = re.sub("^postgresql[+][a-z0-9]+", "postgresql", file.read().strip())
with psycopg2.connect(url, connect_timeout=5) as connection, connection.cursor() as cursor:
    cursor.execute(
        "SELECT 1 FROM job WHERE job_type = %s AND hostname = %s AND state = 'running'"
        " AND latest_heartbeat > now() - interval '30 s'",
        [sys.argv[1], socket.getfqdn()],
    )
    sys.exit(cursor.fetchone() is None)
"""
CHECKS = {
    "scheduler": [HEARTBEAT, "SchedulerJob"],
    "triggerer": [HEARTBEAT, "TriggererJob"],
    "webserver": [HTTP, "http://127.0.0.1:8080/health"],
    "flower": [HTTP, "http://127.0.0.1:5555/healthcheck"],
    "worker": [
        """
import socket, sys
from celery import Celery
with open("/run/secrets/AIRFLOW__CELERY__BROKER_URL") as file:
    app = Celery(broker=file.read().strip())
sys.exit(not app.control.ping(["celery@" + socket.gethostname()], timeout=5))
"""
    ],
}
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


class Deployment:
    """Airflow's services with their servers and FlowDB, as plain containers on a network of their own."""

    def __init__(self, folder):
        self.engine = docker.from_env()
        self.image = newest_image(self.engine, "flowetl")
        self.folder = folder
        self.secrets, self.dags, self.etl = (folder / name for name in ("secrets", "dags", "etl"))
        for made in (self.secrets, self.dags, self.etl):
            made.mkdir()
            made.chmod(0o755)
        for above in (folder, *list(folder.parents)[:3]):  # for a uid that is not ours
            above.chmod(above.stat().st_mode | 0o011)
        self.logs = self.engine.volumes.create(f"etlimg-test-{uuid.uuid4().hex[:8]}")
        self.network = self.engine.networks.create(f"etlimg-test-{uuid.uuid4().hex[:8]}")
        self.containers = []
        self.roles = {}
        quoted = quote(PASSWORD, safe="")
        database = f"postgresql://flowetl:{quoted}@flowetl_db:5432/flowetl"
        for name, value in {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://:{quoted}@flowetl_redis:6379/0",
            "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
            "AIRFLOW__WEBSERVER__SECRET_KEY": SECRET_KEY,
            "AIRFLOW__CELERY__FLOWER_BASIC_AUTH": f"flower:{FLOWER_PASSWORD}",
            "AIRFLOW_CONN_FLOWDB": f"postgres://flowdb:{quoted}@flowdb:5432/flowdb",
            "FLOWETL_AIRFLOW_ADMIN_USERNAME": "admin",
            "FLOWETL_AIRFLOW_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "FLOWETL_REDIS_PASSWORD": PASSWORD,
            "FLOWETL_POSTGRES_PASSWORD": PASSWORD,
            "cert-flowkit.pem": "-----BEGIN CERTIFICATE-----\nx y\n",
        }.items():
            self.secret(name, value)
        (self.dags / "calls.py").write_text(DAG)
        lines = ["msisdn,event_time,msisdn_counterpart,duration,cell_id,outgoing"]
        lines += [
            f"{n % 50:032x},2016-01-01 {n % 24:02}:00:00+00,{n % 70:032x},{n},c{n % 7},{n % 2}" for n in range(ROWS)
        ]
        (self.etl / "CALLS_20160101.csv").write_text("\n".join(lines) + "\n")

    def secret(self, name, value):
        (self.secrets / name).write_text(f"{value}\n")
        (self.secrets / name).chmod(0o444)

    def start(self, name, image, command=None, **more):
        container = self.engine.containers.create(image, command, network=None, **more)
        self.containers.append(container)
        self.network.connect(container, aliases=[name])
        container.start()
        return container

    def start_airflow(self, name, command, **more):
        """As a uid and gid that nobody has, with nothing to write to but /tmp and the logs."""
        return self.start(
            name, self.image, command, user=USER, init=True, read_only=True, cap_drop=["ALL"], tmpfs={"/tmp": ""},
            volumes=[f"{self.secrets}:/run/secrets:ro", f"{self.dags}:/opt/airflow/dags:ro",
                     f"{self.logs.name}:/opt/airflow/logs"],
            **more,
        )  # fmt: skip

    def start_servers(self):
        postgres = {"POSTGRES_USER": "flowetl", "POSTGRES_PASSWORD_FILE": "/run/secrets/FLOWETL_POSTGRES_PASSWORD"}
        secrets = f"{self.secrets}:/run/secrets:ro"
        self.start("flowetl_db", newest_image(self.engine, "postgres"), environment=postgres, volumes=[secrets])
        redis = f"exec redis-server - <<'CONFIGURATION'\nrequirepass \"{PASSWORD}\"\nCONFIGURATION"
        self.start("flowetl_redis", newest_image(self.engine, "redis"), ["sh", "-c", redis])
        names = ("FLOWDB_POSTGRES_PASSWORD", "FLOWMACHINE_FLOWDB_PASSWORD", "FLOWAPI_FLOWDB_PASSWORD")
        small = {"SHARED_BUFFERS_SIZE": "128MB", "EFFECTIVE_CACHE_SIZE": "128MB", "MAX_LOCKS_PER_TRANSACTION": "64"}
        self.flowdb = self.start(
            "flowdb", newest_image(self.engine, "flowdb"), environment={**dict.fromkeys(names, PASSWORD), **small},
            volumes=[f"{self.etl}:/etl:ro"], ports={"5432/tcp": ("127.0.0.1", None)},
        )  # fmt: skip

    def start_roles(self):
        for role, command in ROLES.items():
            ports = {"webserver": {"8080/tcp": ("127.0.0.1", None)}, "flower": {"5555/tcp": ("127.0.0.1", None)}}
            self.roles[role] = self.start_airflow(role, command, ports=ports.get(role))

    def prepare(self):
        """What the job says in the end, and its status."""
        job = self.start_airflow("init", ["bash", "/init.sh"])
        status = job.wait(timeout=300)["StatusCode"]
        return status, job.logs().decode()

    def healthy(self, role, where=None):
        return self.roles[where or role].exec_run(["python", "-c", *CHECKS[role]]).exit_code == 0

    def run(self, *command, **more):
        """The output of a command in a container of its own, which has to succeed."""
        container = self.start_airflow("command", list(command), **more)
        assert container.wait(timeout=120)["StatusCode"] == 0, container.logs().decode()
        return container.logs(stderr=False).decode()

    def port(self, container, port):
        container.reload()
        return container.ports[f"{port}/tcp"][0]["HostPort"]

    def client(self):
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port(self.roles['webserver'], 8080)}", timeout=30)

    def ask_flowdb(self, sql):
        with psycopg.connect(
            host="127.0.0.1", port=self.port(self.flowdb, 5432), user="flowdb", password=PASSWORD, dbname="flowdb"
        ) as connection:
            return connection.execute(sql).fetchone()

    def remove(self):
        for container in self.containers:
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True, v=True)
        self.network.remove()
        self.logs.remove(force=True)
        self.engine.close()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("flowetl"))
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
        [failed] = client.failed_tasks(["calls"])
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
