"""The stack file of FlowETL gives the official image what that one asks for; no such image is at hand to try it on."""

import re

import pytest

from secrets_quickstart.catalog.secrets import BY_NAME, SECRETS
from secrets_quickstart.catalog.sources import FromVariable, SigningKey
from secrets_quickstart.material import keys
from secrets_quickstart.material.generation import Choices, generate
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from tests.test_contracts import entry, sources

COMMANDS = {
    "flowetl_init": ["bash", "/init.sh"],
    "flowetl_scheduler": ["scheduler"],
    "flowetl_triggerer": ["triggerer"],
    "flowetl_webserver": ["webserver"],
    "flowetl_worker": ["celery", "worker"],
    "flowetl_flower": ["celery", "flower"],
}
ENTRYPOINT_INSISTS_ON = {"AIRFLOW__CORE__SQL_ALCHEMY_CONN", "FLOWETL_POSTGRES_PASSWORD", "FLOWETL_REDIS_PASSWORD"}
EVERY = ENTRYPOINT_INSISTS_ON | {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW_DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__WEBSERVER__SECRET_KEY",
    "AIRFLOW__CELERY__BROKER_URL",
    "AIRFLOW__CELERY__RESULT_BACKEND",
}
"""Names that the entrypoint or Airflow reads, whatever the service, and the one that is documented."""

OF_ONE = {
    "flowetl_init": {"FLOWETL_AIRFLOW_ADMIN_USERNAME", "FLOWETL_AIRFLOW_ADMIN_PASSWORD"},
    "flowetl_worker": {"AIRFLOW_CONN_FLOWDB"},
    "flowetl_flower": {"AIRFLOW__CELERY__FLOWER_BASIC_AUTH", "FLOWETL_CELERY_USER", "FLOWETL_CELERY_PASSWORD"},
}
FLOWETL = sorted(row.name for row in SECRETS if "flowetl" in row.components)


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """A value for each row of the table, as an operator who sets nothing has it."""
    settings = load(tmp_path_factory.mktemp("empty"), {})
    chosen = {row.source.variable for row in SECRETS if isinstance(row.source, FromVariable)}
    choices = Choices(variables={name: str(settings[name]) for name in chosen} | {"TLS_NAMES": ""})
    made: dict[str, Sensitive] = {}
    for row in SECRETS:
        signing = isinstance(row.source, SigningKey)
        made[row.name] = keys.signing_key(2048) if signing else generate(row, made, choices)
    return {name: made[name].text() for name in FLOWETL}


@pytest.mark.parametrize(("service", "command"), COMMANDS.items(), ids=COMMANDS)
def test_a_service_is_started_by_the_official_images_command(service, command):
    assert entry("flowetl", service)["command"] == command
    assert "entrypoint" not in entry("flowetl", service)


@pytest.mark.parametrize("service", COMMANDS)
def test_a_service_is_given_the_names_that_either_image_reads_and_no_others(service):
    assert set(sources(entry("flowetl", service))) == EVERY | OF_ONE.get(service, set())


@pytest.mark.parametrize("service", COMMANDS)
def test_a_secret_is_mounted_under_its_own_name_where_anybody_may_read_it(service):
    """With a uid and a mode it could not be read by whom FLOWETL_HOST_USER_ID names."""
    assert all(isinstance(item, str) for item in entry("flowetl", service)["secrets"])


@pytest.mark.parametrize("name", FLOWETL)
def test_a_secret_gets_through_an_entrypoint_that_exports_it_unquoted(values, name):
    """Which is `export $NAME=$(cat FILE)`: anything but one word of plain characters would be cut or replaced."""
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
    assert re.fullmatch(r"[^\s*?\[\]\\]+", values[name])
    assert not name.endswith("_FILE")  # of which it would export the path


@pytest.mark.parametrize("name", ["AIRFLOW__CORE__SQL_ALCHEMY_CONN", "AIRFLOW_DATABASE__SQL_ALCHEMY_CONN"])
def test_every_name_of_the_databases_address_has_one_value_which_sqlalchemy_takes(values, name):
    address = values["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]

    assert values[name] == address
    assert address.startswith("postgresql://flowetl:")
    assert values["AIRFLOW__CELERY__RESULT_BACKEND"] == f"db+{address}"


def test_flowers_user_and_password_are_joined_as_flower_reads_them(values):
    login = f"{values['FLOWETL_CELERY_USER']}:{values['FLOWETL_CELERY_PASSWORD']}"

    assert values["AIRFLOW__CELERY__FLOWER_BASIC_AUTH"] == login
    assert login.count(":") == 1
    assert "," not in login, "that would begin another user"


def test_each_health_check_needs_only_what_is_in_both_images():
    for service in COMMANDS.keys() - {"flowetl_init"}:
        shell, program, option, code = entry("flowetl", service)["healthcheck"]["test"]
        assert (shell, program, option) == ("CMD", "python", "-c")
        imported = set(re.findall(r"^ *(?:import|from) ([\w., ]+?)(?: import .*)?$", code, re.MULTILINE))
        modules = {name.strip().split(".")[0] for line in imported for name in line.split(",")}
        assert modules <= {"os", "re", "socket", "sys", "time", "urllib", "psycopg2", "celery", "kombu"}
        mounted = set(re.findall(r"/run/secrets/(\w+)", code))
        assert mounted <= EVERY
        assert mounted <= BY_NAME.keys()
