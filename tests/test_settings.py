"""Settings: what `.env` and the environment say, or every mistake in them at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from secrets_quickstart.catalog import secrets, sources
from secrets_quickstart.catalog.variables import VARIABLES
from secrets_quickstart.errors import SettingsError
from secrets_quickstart.settings import load

patient = hypothesis_settings(deadline=None)  # a busy machine is no failure

HOME = {"HOME": "/home/ada"}


@pytest.fixture
def told(tmp_path):
    """Loads a folder with this `.env` and environment."""

    def load_it(content: str | bytes = "", **environ: str):
        (tmp_path / ".env").write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(tmp_path, {**HOME, **environ})

    return load_it


@pytest.fixture
def mistakes(told):
    """The lines of the error that this `.env` and environment give."""

    def load_it(content: str | bytes = "", **environ: str) -> list[str]:
        with pytest.raises(SettingsError) as refused:
            told(content, **environ)
        return [line.strip() for line in refused.value.why.splitlines() if line]

    return load_it


def test_without_a_file_the_defaults_count(tmp_path):
    settings = load(tmp_path, HOME)
    assert settings["FLOWDB_HOST_PORT"] == 9000
    assert settings.given == frozenset()
    assert settings.stack == "flowkit"
    assert settings.vault_path == tmp_path / ".flowkit/flowkit/vault"
    assert settings.vault_key_file == Path("/home/ada/.config/flowkit/flowkit.key")
    assert settings.vault_passphrase_file is None
    assert settings.deadline == 900


def test_values_are_typed(told):
    settings = told("SHARED_BUFFERS_SIZE=4GB\nFLOWKIT_DEADLINE=20m\nTLS_NAMES=a.example,10.0.0.1\nNO_USE_JIT=yes\n")
    assert settings["SHARED_BUFFERS_SIZE"] == 4 << 30
    assert settings.deadline == 1200
    assert settings["TLS_NAMES"] == ("a.example", "10.0.0.1")
    assert settings["NO_USE_JIT"] is True
    assert settings.given == {"SHARED_BUFFERS_SIZE", "FLOWKIT_DEADLINE", "TLS_NAMES", "NO_USE_JIT"}


def test_the_environment_comes_before_the_file(told):
    settings = told("FLOWDB_HOST_PORT=9001\nREDIS_HOST_PORT=6380\n", FLOWDB_HOST_PORT="9002")
    assert settings["FLOWDB_HOST_PORT"] == 9002
    assert settings.where("FLOWDB_HOST_PORT") == "environment"
    assert settings.where("REDIS_HOST_PORT") == ".env line 2"
    assert settings.where("FLOWAPI_HOST_PORT") == ""


def test_an_empty_value_counts_as_not_set(told):
    settings = told("FLOWDB_DATA_DIR=\nFLOWDB_HOST_PORT=9001\n", FLOWDB_HOST_PORT="")
    assert settings["FLOWDB_DATA_DIR"] is None
    assert settings["FLOWDB_HOST_PORT"] == 9001
    assert settings.given == {"FLOWDB_HOST_PORT"}


def test_quotes_comments_exports_and_line_ends_of_other_systems_are_understood(told):
    settings = told(b"\xef\xbb\xbfexport FLOWKIT_STACK='demo' # a name\r\n\r\nFLOWAPI_IDENTIFIER=\"my.api\"\r\n")
    assert settings.stack == "demo"
    assert settings["FLOWAPI_IDENTIFIER"] == "my.api"


def test_nothing_is_interpolated(mistakes):
    assert mistakes("FLOWAPI_IDENTIFIER=${HOME}\n") == [
        (
            ".env line 1: FLOWAPI_IDENTIFIER: '${HOME}' is not a name of at most 75 letters, digits, dots, hyphens and "
            "underscores"
        )
    ]


def test_the_environment_of_this_process_is_left_alone_and_read_by_default(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("FLOWKIT_STACK=demo\n")
    monkeypatch.setenv("FLOWDB_HOST_PORT", "9123")
    before = dict(os.environ)
    assert load(tmp_path)["FLOWDB_HOST_PORT"] == 9123
    assert dict(os.environ) == before


def test_all_mistakes_are_told_at_once_with_their_lines(mistakes):
    assert mistakes(
        "# comment\n\nFLOWDB_HOST_PORT=99999\nMAX_CPU=4\nPASSWORD_LENGTH=4\nREDIS_TAG\n= nonsense\n", CACHE_SIZE="much"
    ) == [
        ".env line 4: MAX_CPU: no such variable, is MAX_CPUS meant?",
        ".env line 6: REDIS_TAG: there is no = after it",
        ".env line 7: it is not of the form NAME=value",
        ".env line 5: PASSWORD_LENGTH: '4' is not a whole number from 12 to 128",
        ".env line 3: FLOWDB_HOST_PORT: '99999' is not a port from 1 to 65535",
        "environment: CACHE_SIZE: 'much' is not a number of bytes or a size such as 10GB",
    ]


def test_one_mistake_stands_in_one_line(told):
    with pytest.raises(SettingsError) as refused:
        told("NO_USE_JIT=perhaps\n")
    assert str(refused.value) == (
        "the settings hold a mistake: .env line 1: NO_USE_JIT: 'perhaps' is not true or false"
    )
    assert refused.value.status == 1


def test_a_name_far_from_all_others_gets_no_proposal(mistakes):
    assert mistakes("QUITE_ANOTHER_THING=1\n") == [".env line 1: QUITE_ANOTHER_THING: no such variable"]


def test_a_name_set_twice_is_a_mistake(mistakes):
    assert mistakes("FLOWKIT_STACK=a\nFLOWKIT_STACK=\n") == [".env line 2: FLOWKIT_STACK: line 1 sets it too"]


def test_unknown_names_in_the_environment_are_no_mistake(told):
    assert told("", QUITE_ANOTHER_THING="1", FLOWDB_POSTGRES_PASSWORD="x").given == frozenset()


@pytest.mark.parametrize(
    "name",
    [
        name
        for secret in secrets.SECRETS
        if secret.name not in {other for row in VARIABLES for other in (row.name, *row.also)}
        if (name := secret.name).isidentifier()
    ],
)
def test_a_secret_in_the_file_is_sent_to_the_vault_and_not_repeated(mistakes, name):
    (line,) = mistakes(f"{name}=hunter2\n")
    assert line.startswith(f".env line 1: {name}: a secret does not belong here")
    target = line.split("invoke secrets.import ")[1].split(" ")[0]
    assert not isinstance(secrets.BY_NAME[target].source, sources.Alias | sources.Derived | sources.FromVariable)
    assert "hunter2" not in line


def test_names_that_the_services_know_are_sent_to_the_documented_ones(mistakes):
    assert mistakes("FLOWETL_PORT=1\nDEMO_MODE=false\nFLOWDB_IMAGE=x\n") == [
        ".env line 1: FLOWETL_PORT: set FLOWETL_HOST_PORT, the services get it under both names",
        (
            ".env line 2: DEMO_MODE: not to be set: it would wipe FlowAuth's database and make users with a well-known "
            "password"
        ),
        ".env line 3: FLOWDB_IMAGE: not to be set: FLOWKIT_IMAGES, FLOWKIT_REGISTRY and the tags choose images",
    ]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("FLOWKIT_PORT_MODE=ingress\n", "FLOWKIT_PORT_MODE, FLOWKIT_ENDPOINT_MODE"),
        ("FLOWDB_HOST_PORT=9090\nFLOWAPI_HOST_PORT=9090\n", "FLOWDB_HOST_PORT, FLOWAPI_HOST_PORT"),
        ("FLOWETL_HOST_PORT=9000\nFLOWDB_HOST_PORT=9000\n", "FLOWDB_HOST_PORT, FLOWETL_HOST_PORT"),
        ("FLOWKIT_VAULT_KEY_FILE=k\nFLOWKIT_VAULT_PASSPHRASE_FILE=p\n", "FLOWKIT_VAULT_KEY_FILE, "),
        ("FLOWKIT_REGISTRY_USER=me\n", "FLOWKIT_REGISTRY_USER, FLOWKIT_REGISTRY_PASSWORD_FILE"),
        ("FLOWDB_HOST_USER_ID=1234\n", "FLOWDB_HOST_USER_ID: of no use without FLOWDB_DATA_DIR"),
        ("FLOWAUTH_CERTIFICATE=acme\n", "FLOWAUTH_CERTIFICATE, DOMAIN_NAME: no ACME directory vouches for localhost"),
        ("FLOWAUTH_CERTIFICATE=acme\nDOMAIN_NAME=192.0.2.7\n", "FLOWAUTH_CERTIFICATE, DOMAIN_NAME: "),
        ("FLOWAUTH_CERTIFICATE=ACME\nDOMAIN_NAME=my.LocalHost\n", "FLOWAUTH_CERTIFICATE, DOMAIN_NAME: "),
        ("FLOWAUTH_REPLICAS=2\nFLOWAUTH_CACHE_BACKEND=FILE\n", "FLOWAUTH_REPLICAS, FLOWAUTH_CACHE_BACKEND: "),
    ],
)
def test_what_cannot_be_true_together_is_a_mistake(mistakes, content, names):
    (line,) = mistakes(content)
    assert line.startswith(names)


@pytest.mark.parametrize(
    "content",
    [
        "FLOWAUTH_CERTIFICATE=acme\nDOMAIN_NAME=flowauth.example.org\n",
        "FLOWAUTH_CERTIFICATE=acme\nDOMAIN_NAME=4.example.org\n",
        "FLOWAUTH_CERTIFICATE=vault\nDOMAIN_NAME=192.0.2.7\n",
        "FLOWAUTH_REPLICAS=2\n",
        "FLOWAUTH_CACHE_BACKEND=memory\n",
    ],
)
def test_what_can_be_true_together_is_none(told, content):
    assert told(content).given


def test_ingress_goes_with_vip(told):
    settings = told("FLOWKIT_PORT_MODE=ingress\nFLOWKIT_ENDPOINT_MODE=vip\n")
    assert settings.stack_environment()["FLOWKIT_ENDPOINT_MODE"] == "vip"


def test_paths_start_at_the_folder_or_at_home(told, tmp_path):
    settings = told(
        "FLOWDB_ETL_DIR=../in\nFLOWKIT_VAULT=~/vault\nFLOWETL_HOST_DAG_DIR=/srv/dags/\nFLOWKIT_HOSTS_FILE=~\n"
    )
    assert settings["FLOWDB_ETL_DIR"] == tmp_path.parent / "in"
    assert settings.vault_path == Path("/home/ada/vault")
    assert settings["FLOWETL_HOST_DAG_DIR"] == Path("/srv/dags")
    assert settings["FLOWKIT_HOSTS_FILE"] == Path("/home/ada")


def test_the_vault_belongs_to_the_stack(told, tmp_path):
    settings = told("FLOWKIT_STACK=demo\n", XDG_CONFIG_HOME="/etc/ada")
    assert settings.vault_path == tmp_path / ".flowkit/demo/vault"
    assert settings.vault_key_file == Path("/etc/ada/flowkit/demo.key")
    other = settings.with_overrides({"FLOWKIT_STACK": "other"})
    assert other.vault_path == tmp_path / ".flowkit/other/vault"
    assert other.vault_key_file == Path("/etc/ada/flowkit/other.key")


def test_overrides_are_checked_like_everything_else_and_change_only_the_copy(told):
    settings = told("FLOWDB_HOST_PORT=9001\n")
    assert settings.with_overrides({"FLOWMACHINE_REPLICAS": "0"})["FLOWMACHINE_REPLICAS"] == 0
    assert settings["FLOWMACHINE_REPLICAS"] == 1
    with pytest.raises(SettingsError, match="--port: FLOWDB_HOST_PORT: 'x' is not a port"):
        settings.with_overrides({"FLOWDB_HOST_PORT": "x"}, "--port")
    with pytest.raises(SettingsError, match="no such variable, is FLOWDB_HOST_PORT meant"):
        settings.with_overrides({"FLOWDB_HOST_PORTS": "1"})


def test_the_stack_gets_every_value_as_its_service_reads_it(told):
    settings = told(
        "FLOWETL_HOST_PORT=8081\nFLOWKIT_DEADLINE=1h\nCACHE_SIZE=10GB\nRESET_FLOWAUTH_DB=false\nNO_USE_JIT=ON\n"
    )
    environment = settings.stack_environment({"SHARED_BUFFERS_SIZE": "1GB"}, {"FLOWDB_IMAGE": "x/flowdb"})
    assert environment["FLOWETL_HOST_PORT"] == environment["FLOWETL_PORT"] == "8081"
    assert environment["CACHE_SIZE"] == "10737418240"
    assert environment["NO_USE_JIT"] == "true"
    assert environment["FLOWDB_SAMPLE_DATA"] == "false"
    assert environment["SHARED_BUFFERS_SIZE"] == "1GB"
    assert environment["FLOWDB_IMAGE"] == "x/flowdb"
    assert "RESET_FLOWAUTH_DB" not in environment, "FlowAuth takes any value for a yes"
    assert "FLOWDB_DATA_DIR" not in environment, "the stack file's own default counts"


def test_programs_see_what_they_need_of_our_environment_and_nothing_else(told):
    settings = told(
        "",
        PATH="/bin",
        DOCKER_HOST="ssh://there",
        XDG_RUNTIME_DIR="/run/user/1",
        https_proxy="http://proxy",
        AWS_SECRET_ACCESS_KEY="hunter2",
        FLOWDB_POSTGRES_PASSWORD="hunter2",
        FLOWKIT_STACK="demo",
    )
    assert dict(settings.base_environment) == {
        **HOME,
        "PATH": "/bin",
        "DOCKER_HOST": "ssh://there",
        "XDG_RUNTIME_DIR": "/run/user/1",
        "https_proxy": "http://proxy",
    }
    assert "hunter2" not in settings.stack_environment().values()


def test_with_a_data_directory_flowdb_runs_as_its_owner(told, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(os, "getgid", lambda: 0)
    assert told("")["FLOWDB_HOST_USER_ID"] is None
    data = tmp_path / "data"
    content = f"FLOWDB_DATA_DIR={data}\n"
    assert told(content)["FLOWDB_HOST_USER_ID"] == 1000, "PostgreSQL refuses root"
    settings = told(content, SUDO_UID="1501", SUDO_GID="1502")
    assert (settings["FLOWDB_HOST_USER_ID"], settings["FLOWDB_HOST_GROUP_ID"]) == (1501, 1502)
    settings = told(content + "FLOWDB_HOST_USER_ID=42\nFLOWDB_HOST_GROUP_ID=0\n")
    assert (settings["FLOWDB_HOST_USER_ID"], settings["FLOWDB_HOST_GROUP_ID"]) == (42, 0)
    data.mkdir()
    found = os.stat_result((0o40700, 1, 1, 1, 777, 778, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda self: found)
    settings = told(content, SUDO_UID="1501", SUDO_GID="1502")
    assert (settings["FLOWDB_HOST_USER_ID"], settings["FLOWDB_HOST_GROUP_ID"]) == (777, 778)


def test_an_ordinary_person_runs_it_as_themselves(told, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    monkeypatch.setattr(os, "getgid", lambda: 1235)
    settings = told(f"FLOWDB_DATA_DIR={tmp_path / 'new'}\n", SUDO_UID="1501", SUDO_GID="1502")
    assert (settings["FLOWDB_HOST_USER_ID"], settings["FLOWDB_HOST_GROUP_ID"]) == (1234, 1235)


def test_a_directory_in_the_files_place_is_an_error(tmp_path):
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load(tmp_path, HOME)


def test_a_file_in_another_encoding_is_an_error_that_names_the_line(told):
    with pytest.raises(SettingsError, match="line 2 is not UTF-8"):
        told("FLOWKIT_STACK=demo\nFLOWAPI_IDENTIFIER=café\n".encode("latin-1"))


def test_a_file_that_is_no_settings_file_is_not_read_to_its_end(told):
    with pytest.raises(SettingsError, match="larger than a megabyte"):
        told(b"#" * (1 << 20) + b"\n")


def test_a_file_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    def refuse(*_: object):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SettingsError, match="Permission denied"):
        load(tmp_path, HOME)


LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.builds(
            lambda name, text: f"{name}={text}".encode(errors="surrogatepass"),
            st.sampled_from(["FLOWKIT_STACK", "FLOWDB_HOST_PORT", "FLOWDB_DATA_DIR", "SECRET_KEY", "MAX_CPUS", "é"]),
            st.text(max_size=20),
        ),
    ),
    max_size=6,
)


@patient
@given(LINES)
def test_any_bytes_give_settings_or_mistakes(tmp_path_factory, lines):
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    (folder / ".env").write_bytes(b"\n".join(lines))
    try:
        settings = load(folder, HOME)
    except SettingsError as problem:
        mistakes = problem.why
        assert all(line.isprintable() for line in mistakes.splitlines())
        return
    assert all("\0" not in text for text in settings.stack_environment().values())
