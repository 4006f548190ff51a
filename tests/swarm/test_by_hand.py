"""The stack files without this tool: the documented names of secrets and variables, and `docker stack deploy -c`."""

import base64
import json
import secrets
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from secrets_quickstart.catalog.components import COMPONENTS, NEEDS
from secrets_quickstart.catalog.images import IMAGES
from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.checks.verification_flowetl import ASKING
from secrets_quickstart.clients.airflow import AirflowClient
from secrets_quickstart.clients.flower import FlowerClient
from secrets_quickstart.clients.http import Place
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.secrets import wanted
from secrets_quickstart.swarm import images, volumes
from secrets_quickstart.swarm.convergence import Expectation
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.watching import remove_and_wait, wait_until_up
from tests.swarm.machine import REPOSITORY, TESTS, containers, execute, ports

pytestmark = pytest.mark.swarm

STACK, FLOWAUTH_STACK = "selftest-byhand", "selftest-edgebyhand"
FILES = ("flowdb.yml", "flowmachine.yml", "flowapi.yml", "flowetl.yml")
FLOWAUTH_FILES = ("flowauth.yml", "letsencrypt.yml")
PORTS = ports(30000)
FLOWETL_ADDRESSES = (
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW_DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
)  # fmt: skip
FLOWETL_PASSWORD = "p@ss/word:%?#"
CLIENTS = [path for path in ("/usr/bin/docker", "/usr/local/bin/docker") if shutil.which(path)]


@pytest.fixture(scope="module")
def engine():
    return Engine({})


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def values(engine, authority):
    """Every secret that the comments name, created as they say."""
    issued = authority.issue_cert("flowkit.api", "localhost")
    signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    password = quote(FLOWETL_PASSWORD, safe="")
    flowetl_db = f"postgresql://flowetl:{password}@flowetl_db:5432/flowetl"
    made = {
        "FLOWDB_POSTGRES_PASSWORD": "plain",
        "FLOWMACHINE_FLOWDB_USER": "flowmachine",
        "FLOWAPI_FLOWDB_USER": "flowapi",
        "FLOWAPI_IDENTIFIER": "a_server",
        "PUBLIC_JWT_SIGNING_KEY": signing.public_key().public_bytes(serialization.Encoding.PEM, form).decode(),
        "cert-flowkit.pem": issued.cert_chain_pems[0].bytes().decode(),
        "key-flowkit.pem": issued.private_key_pem.bytes().decode(),
        "FLOWETL_POSTGRES_PASSWORD": FLOWETL_PASSWORD,
        "FLOWETL_REDIS_PASSWORD": FLOWETL_PASSWORD,
        **dict.fromkeys(FLOWETL_ADDRESSES, flowetl_db),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__CELERY__BROKER_URL": f"redis://:{password}@flowetl_redis:6379/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{flowetl_db}",
        "AIRFLOW_CONN_FLOWDB": "postgres://flowdb:plain@flowdb:5432/flowdb",
        "FLOWETL_AIRFLOW_ADMIN_USERNAME": "boss",
        "AIRFLOW__CELERY__FLOWER_BASIC_AUTH": "petal:of a rose",
    }
    with created(engine, wanted([Path(name).stem for name in FILES]), made) as whole:
        yield whole


@contextmanager
def created(engine, names, given):
    """Secrets of these names in the swarm, with random values for those that are not given."""
    made = {name: given.get(name) or secrets.token_hex(12) for name in names}
    taken = {item["Spec"]["Name"] for item in engine.api.secrets()} & set(names)
    if taken:
        pytest.skip(f"this swarm has secrets of somebody's deployment by hand: {', '.join(sorted(taken))}")
    for name, value in made.items():
        subprocess.run(["docker", "secret", "create", "--label", TESTS, name, "-"], input=value.encode(), check=True)
    yield made
    for name in names:
        engine.api.remove_secret(name)


@pytest.fixture(scope="module")
def local():
    """What is exported: the ports, and the local images in the place of the official ones."""
    recipes = images.recipes(REPOSITORY / "images", [row.name for row in IMAGES])
    return {**images.variables(recipes.values()), **PORTS, "HOME": "/", "PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="module")
def stack(engine, values, local):
    """What the clients said to it."""
    with deployed(engine, STACK, FILES, local) as said:
        yield said


@contextmanager
def deployed(engine, stack, files, environment):
    """Deployed by every client, and waited for as an operator would watch `docker service ls`."""
    since = engine.now()
    said = [deploy(client, stack, files, environment) for client in CLIENTS]
    wait(engine, stack, files, since)
    yield said
    remove_and_wait(engine, stack, deadline=120, tell=lambda _: None, needs=NEEDS)
    for name in volumes.of_stack(engine, stack):
        volumes.remove(engine, name)


def wait(engine, stack, files, since):
    expected = {
        service.name: Expectation(service.needs, service.runs_once)
        for component in COMPONENTS
        if component.stack_file in files
        for service in component.services
    }
    wait_until_up(engine, stack, expected, since=since, deadline=240, tell=lambda _: None)


def deploy(client, stack, files, environment):
    """What the client says to it."""
    named = [word for name in files for word in ("-c", str(REPOSITORY / "compose" / name))]
    done = subprocess.run(
        [client, "stack", "deploy", *named, stack], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_no_client_ignores_anything_in_the_files(stack):
    assert len(stack) == len(CLIENTS) > 0
    for said in stack:
        assert "gnoring" not in said
        assert "deprecated" not in said


def test_the_comments_name_every_secret_and_every_port_that_is_needed():
    for name in (*FILES, *FLOWAUTH_FILES):
        text = (REPOSITORY / "compose" / name).read_text()
        comment, declared = text.split("version:")[0], text.split("\nsecrets:\n")[1]
        assert "docker stack deploy -c compose/" in comment
        component = Path(name).stem
        assert {row.name for row in SECRETS if component in row.components} == {
            line.strip().removesuffix(":") for line in declared.splitlines() if line.startswith("  ") and line[2] != " "
        }
        needed = {port for port in PORTS if f"${{{port}:?" in text}
        assert {port for port in PORTS if port in comment} == needed


def test_the_database_takes_the_passwords_that_were_given(stack, values):
    for user, password in (("flowdb", "FLOWDB_POSTGRES_PASSWORD"), ("flowapi", "FLOWAPI_FLOWDB_PASSWORD")):
        where = f"host=127.0.0.1 port={PORTS['FLOWDB_HOST_PORT']} dbname=flowdb user={user}"
        with psycopg.connect(where, password=values[password]) as connection:
            assert connection.execute("SELECT 42").fetchone() == (42,)


def test_flowapi_serves_its_specification_with_the_certificate_that_was_given(stack, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)

    answer = httpx.get(f"https://localhost:{PORTS['FLOWAPI_HOST_PORT']}/api/0/spec/openapi.json", verify=context)

    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.")


def test_flowetls_admin_signs_in_and_its_workers_are_seen_by_the_names_that_are_documented(stack, values):
    with AirflowClient(Place("127.0.0.1", int(PORTS["FLOWETL_HOST_PORT"]))) as client:
        client.sign_in("boss", Sensitive(values["FLOWETL_AIRFLOW_ADMIN_PASSWORD"]))
        assert client.slots("postgres_etl") == 4
    flower = Place("127.0.0.1", int(PORTS["FLOWETL_CELERY_PORT"]))
    assert len(FlowerClient(flower, "petal", Sensitive("of a rose")).workers()) == 1


def test_flowetls_tasks_reach_flowdb_by_the_connection_that_is_documented(stack):
    assert json.loads(execute(STACK, "flowetl_worker", "python", "-c", ASKING).splitlines()[-1])[0] == "flowdb"


def tasks(engine, stack):
    label = {"label": f"com.docker.stack.namespace={stack}"}
    return sorted((task["ID"], task["DesiredState"]) for task in engine.api.tasks(filters=label))


@pytest.mark.parametrize("client", CLIENTS * 2)
def test_a_second_deployment_by_hand_restarts_nothing(engine, stack, local, client):
    before = tasks(engine, STACK)

    deploy(client, STACK, FILES, local)

    assert len([*containers(STACK)]) == 13, "flowetl_init has ended"
    assert tasks(engine, STACK) == before


@pytest.fixture(scope="module")
def admin(engine, authority):
    """FlowAuth's secrets, as FlowKit's documentation names them."""
    issued = authority.issue_cert("localhost")
    signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    made = {
        "FLOWAUTH_ADMIN_USER": "boss",
        "FLOWAUTH_ADMIN_USERNAME": "boss",
        "FLOWAUTH_ADMIN_PASSWORD": "nineteen silver teapots",
        "FLOWAUTH_DB_PASSWORD": "p@ss/word:%?#",
        "FLOWAUTH_FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "PRIVATE_JWT_SIGNING_KEY": signing.private_bytes(*form).decode(),
        "cert-flowauth.pem": issued.cert_chain_pems[0].bytes().decode(),
        "key-flowauth.pem": issued.private_key_pem.bytes().decode(),
        "trusted-flowkit.pem": authority.cert_pem.bytes().decode(),
    }
    with created(engine, wanted(["flowauth", "letsencrypt"]), made) as whole:
        yield whole


@pytest.fixture(scope="module")
def exported(local):
    return {
        **local,
        "DB_URI": "postgresql://flowauth:{}@flowauth_postgres:5432/flowauth",
        "FLOWAUTH_CACHE_BACKEND": "redis",
        "FLOWAUTH_REDIS_HOST": "flowauth_redis",
        "FLOWAUTH_REDIS_PORT": "6379",
        "FLOWAUTH_REDIS_DB": "3",
        "DOMAIN_NAME": "localhost",
        "EMAIL_ADDRESS": "operator@example.org",
    }


@pytest.fixture(scope="module")
def flowauth(engine, admin, exported):
    with deployed(engine, FLOWAUTH_STACK, FLOWAUTH_FILES, exported) as said:
        yield said


@contextmanager
def signed_in(authority, admin):
    """A client with the session of FlowAuth's administrator."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    name, password = admin["FLOWAUTH_ADMIN_USER"], admin["FLOWAUTH_ADMIN_PASSWORD"]
    with httpx.Client(
        base_url=f"https://localhost:{PORTS['FLOWAUTH_HOST_PORT']}", verify=context, timeout=30
    ) as client:
        client.post("/signin", json={"username": name, "password": password}).raise_for_status()
        client.headers["X-CSRF-Token"] = client.cookies["X-CSRF"]
        yield client


def test_flowauths_admin_signs_in_by_the_names_that_are_documented(flowauth, authority, admin):
    for said in flowauth:
        assert "gnoring" not in said
    with signed_in(authority, admin) as boss:
        assert boss.get("/is_signed_in").json()["is_admin"]
        made = boss.post("/admin/users", json={"username": "ada", "password": "sixty purple elephants"})
        assert made.status_code == 200
        names = {user["name"] for user in boss.get("/admin/users").json()}

    assert names == {"boss", "ada"}


def test_what_flowauth_remembers_is_in_the_redis_and_the_database_that_were_named(flowauth, authority, admin):
    wrong = {**admin, "FLOWAUTH_ADMIN_PASSWORD": "wrong"}
    with pytest.raises(httpx.HTTPStatusError), signed_in(authority, wrong):
        pass  # failures are counted

    command = "printf 'AUTH %s\\nINFO keyspace\\n' \"$(cat /run/secrets/FLOWAUTH_REDIS_PASSWORD)\" | redis-cli"
    assert "db3:keys=" in execute(FLOWAUTH_STACK, "flowauth_redis", "sh", "-c", command)


@pytest.mark.parametrize("client", CLIENTS * 2)
def test_a_second_deployment_of_flowauth_by_hand_restarts_nothing(engine, flowauth, exported, client):
    before = tasks(engine, FLOWAUTH_STACK)

    deploy(client, FLOWAUTH_STACK, FLOWAUTH_FILES, exported)

    assert tasks(engine, FLOWAUTH_STACK) == before


def test_flowauths_database_is_emptied_at_each_start_when_that_is_wanted(engine, flowauth, exported, authority, admin):
    since = engine.now()
    for client in CLIENTS[:1]:
        deploy(client, FLOWAUTH_STACK, FLOWAUTH_FILES, {**exported, "RESET_FLOWAUTH_DB": "true"})
    wait(engine, FLOWAUTH_STACK, FLOWAUTH_FILES, since)

    with signed_in(authority, admin) as boss:
        assert {user["name"] for user in boss.get("/admin/users").json()} == {"boss"}
