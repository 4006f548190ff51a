"""Reading stack files as the docker client does."""

from types import MappingProxyType

import pytest

from secrets_quickstart.errors import SettingsError
from secrets_quickstart.swarm.services import Service
from secrets_quickstart.swarm.stack_files import StackFile, differences, interpolated

TEXT = """
version: "3.8"
services:
  db:
    image: ${DB_IMAGE:-db}:${TAG:-1}
    command: echo $$HOME
    environment:
      PASSED:
      FIXED: "1"
      FLAG: true
    secrets: [PASSWORD]
    ports:
      - target: 5432
        published: ${PORT:?set PORT}
    deploy:
      labels:
        org.flowkit.inputs: ${DB_INPUTS:-by hand}
secrets:
  PASSWORD:
    external: true
    name: ${PASSWORD_SECRET:-PASSWORD}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "db.yml"
    path.write_text(TEXT)
    return StackFile(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "a"),
        ("$A", "a"),
        ("${NONE}", ""),
        ("${NONE:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${A:-x}", "a"),
        ("$$A", "$A"),
        ("${A}-${A}", "a-a"),
    ],
)
def test_variables_are_filled_in_as_the_client_does(text, expected):
    assert interpolated(text, {"A": "a", "EMPTY": ""}) == expected


def test_a_required_variable_that_is_missing_is_named_with_the_fix():
    with pytest.raises(SettingsError, match="PORT has no value: set PORT"):
        interpolated("${PORT:?set PORT}", {})


def test_every_variable_is_found_passed_on_or_filled_in(file):
    assert file.variables() == {"DB_IMAGE", "TAG", "PASSED", "PORT", "DB_INPUTS", "PASSWORD_SECRET"}


def test_a_variable_passed_on_is_absent_when_it_is_not_set(file):
    entry = file.resolved({"PORT": "1"})["services"]["db"]

    assert entry["environment"] == {"FIXED": "1", "FLAG": "true"}


def test_the_digest_depends_on_what_the_file_reads_and_on_nothing_else(file):
    digest = file.digest({"PORT": "1"})

    assert file.digest({"PORT": "1", "OTHER": "x"}) == digest
    assert file.digest({"PORT": "1", "DB_INPUTS": digest}) == digest
    assert file.digest({"PORT": "2"}) != digest
    assert file.digest({"PORT": "1", "PASSED": "x"}) != digest


def running(**changes):
    container = {
        "Image": "db:1",
        "Env": ["FIXED=1", "FLAG=true", "PASSED"],
        "Secrets": [{"SecretName": "PASSWORD", "File": {"Name": "PASSWORD"}}],
    }
    spec = {
        "Mode": {"Replicated": {"Replicas": 1}},
        "TaskTemplate": {"ContainerSpec": {**container, **changes}},
        "EndpointSpec": {"Ports": [{"TargetPort": 5432, "PublishedPort": 9000}]},
    }
    return Service("id", "db", 1, MappingProxyType(spec), "", None, "")


def compared(file, service, **environment):
    content = file.resolved({"PORT": "9000", **environment})
    return list(differences(content["services"]["db"], content["secrets"], service, "s"))


def test_a_service_that_is_as_its_file_says_differs_in_nothing(file):
    assert compared(file, running()) == []


def test_each_difference_is_said_in_words(file):
    found = compared(file, running(), TAG="2", PASSED="x", PORT="9001", PASSWORD_SECRET="PASSWORD_g2")

    assert found == [
        "image db:1 becomes db:2",
        "variable PASSED: not set becomes x",
        "secret PASSWORD: PASSWORD becomes PASSWORD_g2",
        "port 5432: 9000 becomes 9001",
    ]


def test_a_change_made_by_hand_is_seen(file):
    assert compared(file, running(Env=["FIXED=2", "FLAG=true"])) == ["variable FIXED: 2 becomes 1"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"services:\n  db: [", "in line"),
        (b"services:\n\tdb:\n", "line 2"),
        (b"", "no services"),
        (b"services: []", "no services"),
        (b"services:\n  db:\n", "no services with an image"),
        (b"services:\n  db:\n    image: 5\n", "no services with an image"),
        (b"services: \xff", "not UTF-8"),
        (b"a: \x00", "no YAML"),
    ],
)
def test_a_file_that_somebody_spoilt_is_named_with_the_place(tmp_path, content, said):
    path = tmp_path / "db.yml"
    path.write_bytes(content)

    with pytest.raises(SettingsError) as refused:
        StackFile(path).resolved({})

    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert "git checkout" in refused.value.fix


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        StackFile(tmp_path / "db.yml").resolved({})
