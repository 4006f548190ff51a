"""Airflow's services with what they need, as plain containers of the newest local images; no test is here.

FLOWETL_IMAGE and so on name other images.
"""

import contextlib
import uuid
from urllib.parse import quote

import docker
import httpx
import psycopg
from cryptography.fernet import Fernet

from tests.swarm.pages.flowauth_deployment import newest_image

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


class Deployment:
    """Airflow's services with their servers and FlowDB, as plain containers on a network of their own."""

    def __init__(self, folder, **flowdb):
        """`flowdb` are variables of FlowDB."""
        self.engine = docker.from_env()
        self.image = newest_image(self.engine, "flowetl")
        self.folder = folder
        self.flowdb_variables = flowdb
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
            "flowdb", newest_image(self.engine, "flowdb"),
            environment={**dict.fromkeys(names, PASSWORD), **small, **self.flowdb_variables},
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
