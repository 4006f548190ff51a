"""How the FlowETL image starts: which secrets reach what, and what it does not start without."""

import importlib
import sys
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[1] / "images" / "flowetl"


@pytest.fixture(scope="module")
def mounted():
    sys.path.append(str(IMAGE))
    yield importlib.import_module("flowetl_service.mounted")
    sys.path.remove(str(IMAGE))


@pytest.fixture(scope="module")
def start(mounted):
    """The entrypoint, without the database driver, which only the image has."""
    sys.modules.setdefault("psycopg2", type(sys)("psycopg2"))
    module = importlib.import_module("flowetl_service.start")
    del sys.modules["psycopg2"]
    return module


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of secrets."""

    def make(**secrets):
        for name, value in secrets.items():
            (tmp_path / name).write_text(value)
        return tmp_path

    return make


def test_a_secret_of_any_name_becomes_a_variable_whole(start, folder):
    secrets = folder(ANY_NAME="two words\nand 'a line' $HOME `id` \\\n\n", _x1="")
    assert start.environment({"PATH": "/bin"}, secrets) == {
        "PATH": "/bin",
        "ANY_NAME": "two words\nand 'a line' $HOME `id` \\",
        "_x1": "",
    }


def test_names_that_no_variable_can_have_are_left_alone(start, folder, tmp_path):
    secrets = folder(**{"cert-flowkit.pem": "x", "1ST": "x", "A.B": "x", "A B": "x", "É": "x", "A\n": "x"})
    (tmp_path / "FOLDER").mkdir()
    assert start.environment({}, secrets) == {}


def test_without_a_folder_of_secrets_the_variables_stay(start, tmp_path):
    assert start.environment({"A": "1"}, tmp_path / "none") == {"A": "1"}


def test_a_secret_outdoes_the_variable_of_its_name(start, folder):
    assert start.environment({"A": "variable", "B": "b"}, folder(A="secret")) == {"A": "secret", "B": "b"}


def test_what_airflow_asks_for_is_in_no_environment(start, mounted, folder):
    values = dict.fromkeys(
        [*mounted.OPTIONS, "AIRFLOW_CONN_FLOWDB", "AIRFLOW_VAR_X", "FLOWETL_REDIS_PASSWORD"], "s3cret"
    )
    others = dict.fromkeys(mounted.OTHER_NAMES[mounted.DATABASE], "s3cret")
    assert start.environment(values | others, folder(**values, **others)) == {"FLOWETL_REDIS_PASSWORD": "s3cret"}


def test_another_secrets_backend_finds_all_in_the_environment(start, mounted, folder):
    secrets = folder(
        AIRFLOW_DATABASE__SQL_ALCHEMY_CONN="postgresql://x", AIRFLOW_CONN_FLOWDB="postgres://y", FLOWETL_X="z"
    )
    variables = {"AIRFLOW__SECRETS__BACKEND": "a.B", mounted.DATABASE: "old"}
    assert start.environment(variables, secrets) == {
        "AIRFLOW__SECRETS__BACKEND": "a.B",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://x",
        "AIRFLOW_CONN_FLOWDB": "postgres://y",
    }


@pytest.mark.parametrize("name", ["AIRFLOW_DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"])
def test_the_databases_other_names_will_do(name, start, mounted, folder, tmp_path):
    assert start.environment({name: "postgresql://x"}, tmp_path) == {mounted.DATABASE: "postgresql://x"}
    secrets = folder(**{name: "postgres://x\n"})
    assert start.environment({mounted.DATABASE: "old"}, secrets) == {}
    assert mounted.option(mounted.DATABASE, secrets) == "postgresql://x"


def test_urls_get_the_scheme_that_sqlalchemy_knows(mounted, folder):
    secrets = folder(
        AIRFLOW__CELERY__RESULT_BACKEND="db+postgres://a:postgres://@b/c", AIRFLOW__CORE__FERNET_KEY="k=\n"
    )
    assert mounted.option(mounted.RESULTS, secrets) == "db+postgresql://a:postgres://@b/c"
    assert mounted.option(mounted.FERNET_KEY, secrets) == "k="
    assert mounted.option(mounted.BROKER, secrets) is None


def test_a_file_secret_gives_its_path(start, folder):
    secrets = folder(KEY_FILE="content")
    assert start.environment({}, secrets) == {"KEY": str(secrets / "KEY_FILE")}


def test_a_name_cannot_lead_out_of_the_folder(mounted, folder):
    secrets = folder(A="1")
    (secrets / "inner").mkdir()
    assert mounted.read("../A", secrets / "inner") is None
    assert mounted.read("A", secrets) == "1"


def test_a_secret_that_cannot_be_a_variable_is_named_and_not_shown(start, mounted, folder):
    with pytest.raises(mounted.Unusable, match="BROKEN") as caught:
        start.environment({}, folder(BROKEN="s3cr\0et"))
    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "argv"),
    [
        (["scheduler"], ["/opt/flowetl/bin/airflow", "scheduler"]),
        (["celery", "worker", "-c", "2 3"], ["/opt/flowetl/bin/airflow", "celery", "worker", "-c", "2 3"]),
        (["airflow", "version"], ["airflow", "version"]),
        (["bash", "/init.sh"], ["bash", "/init.sh"]),
        (["bash", "-c", "echo a  b"], ["bash", "-c", "echo a  b"]),
        (["/init.sh"], ["/init.sh"]),
        ([], ["/opt/flowetl/bin/airflow"]),
    ],
)
def test_a_command_is_airflows_unless_it_is_a_program(arguments, argv, start):
    assert start.command(arguments) == argv


@pytest.mark.parametrize("words", [["celery", "flower"], ["airflow", "celery", "flower", "--port", "5556"]])
def test_flower_is_never_started_without_its_login(words, start, mounted, tmp_path):
    assert start.role(words) == "celery flower"
    assert start.command(words)[-1].startswith("--flower-conf=")
    assert mounted.FLOWER_LOGIN in start.missing("celery flower", {}, tmp_path)
    assert mounted.FLOWER_LOGIN in start.missing("celery flower", {mounted.FLOWER_LOGIN: ""}, tmp_path)


@pytest.mark.parametrize("words", [["celery"], ["db", "migrate"], ["bash", "-c", "scheduler"], [], ["airflow"]])
def test_other_commands_need_nothing(words, start, tmp_path):
    assert start.role(words) == ""
    assert start.missing(start.role(words), {}, tmp_path) == []


def test_what_is_missing_is_named(start, mounted, folder):
    secrets = folder(AIRFLOW__CORE__FERNET_KEY="k", AIRFLOW__CELERY__BROKER_URL="")
    variables = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "cat x", mounted.SECRET_KEY: "s"}
    assert start.missing("triggerer", variables, secrets) == []
    assert start.missing("scheduler", variables, secrets) == [mounted.BROKER, mounted.RESULTS]
    assert start.missing("scheduler", variables | {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}, secrets) == []
    with pytest.raises(mounted.Unusable, match=mounted.BROKER):
        mounted.require(start.missing("celery worker", variables, secrets))
