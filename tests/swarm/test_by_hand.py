"""The stack files without this tool: the documented names of secrets and variables, and `docker stack deploy -c`."""

import secrets
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.steps.secrets import wanted
from secrets_quickstart.swarm import images, volumes
from secrets_quickstart.swarm.convergence import Expectation
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.watching import remove_and_wait, wait_until_up
from tests.swarm.machine import REPOSITORY, containers, ports

pytestmark = pytest.mark.swarm

STACK = "byhand"
FILES = ("flowdb.yml", "flowmachine.yml", "flowapi.yml")
PORTS = ports(22000)
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
    made = {
        "FLOWMACHINE_FLOWDB_USER": "flowmachine",
        "FLOWAPI_FLOWDB_USER": "flowapi",
        "FLOWAPI_IDENTIFIER": "a_server",
        "PUBLIC_JWT_SIGNING_KEY": signing.public_key().public_bytes(serialization.Encoding.PEM, form).decode(),
        "cert-flowkit.pem": issued.cert_chain_pems[0].bytes().decode(),
        "key-flowkit.pem": issued.private_key_pem.bytes().decode(),
    }
    names = wanted(["flowdb", "flowmachine", "flowapi"])
    made |= {name: secrets.token_hex(12) for name in names if name not in made}
    taken = {item["Spec"]["Name"] for item in engine.api.secrets()} & set(names)
    if taken:
        pytest.skip(f"this swarm has secrets of somebody's deployment by hand: {', '.join(sorted(taken))}")
    for name in names:
        subprocess.run(["docker", "secret", "create", name, "-"], input=made[name].encode(), check=True)
    yield made
    for name in names:
        engine.api.remove_secret(name)


@pytest.fixture(scope="module")
def local():
    """What is exported: the ports, and the local images in the place of the official ones."""
    recipes = images.recipes(REPOSITORY / "images", ("flowdb", "flowmachine", "flowapi", "redis"))
    return {**images.variables(recipes.values()), **PORTS, "HOME": "/", "PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="module")
def stack(engine, values, local):
    """Deployed, and waited for as an operator would watch `docker service ls`."""
    since = engine.now()
    said = [deploy(client, local) for client in CLIENTS]
    expected = {
        service.name: Expectation(service.needs)
        for component in COMPONENTS
        if component.stack_file in FILES
        for service in component.services
    }
    wait_until_up(engine, STACK, expected, since=since, deadline=120, tell=lambda _: None)
    yield said
    remove_and_wait(engine, STACK, deadline=120, tell=lambda _: None)
    for name in volumes.of_stack(engine, STACK):
        volumes.remove(engine, name)


def deploy(client, environment):
    """What the client says to it."""
    files = [word for name in FILES for word in ("-c", str(REPOSITORY / "compose" / name))]
    done = subprocess.run(
        [client, "stack", "deploy", *files, STACK], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_no_client_ignores_anything_in_the_files(stack):
    assert len(stack) == len(CLIENTS) > 0
    for said in stack:
        assert "gnoring" not in said
        assert "deprecated" not in said


def test_the_comments_name_every_secret_and_every_port_that_is_needed(values):
    for name in FILES:
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


@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_deployment_by_hand_restarts_nothing(engine, stack, local, client):
    before = [item["Id"] for item in containers(STACK)]

    deploy(client, local)

    assert len(before) == 5
    assert [item["Id"] for item in containers(STACK)] == before
