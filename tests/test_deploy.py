"""Whole deployments on a fake engine: what they come to, and what a second one does."""

import re
import threading

import pytest

from secrets_quickstart import report
from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.targets import BY_NAME as TARGETS
from secrets_quickstart.checks import verification_places
from secrets_quickstart.errors import (
    Busy,
    ImageError,
    NotConverged,
    PreflightFailed,
    SecretConflict,
    VerificationFailed,
)
from secrets_quickstart.material import keys
from secrets_quickstart.operations import deploy
from secrets_quickstart.operations.deploy import Note
from secrets_quickstart.operations.imports import import_value
from secrets_quickstart.steps import secrets
from secrets_quickstart.vault import storage, vault_lock
from tests.deployments import World, make_key, one_key

SERVICES = sorted(f"s_{service.name}" for part in COMPONENTS for service in part.services)


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path / "world", monkeypatch)


def test_a_deployment_makes_everything_and_verifies_it(world):
    outcome = world.deploy()

    assert sorted(world.engine.services) == SERVICES
    assert len(world.engine.secrets) == len(secrets.wanted(TARGETS["flowkit"].components))
    assert world.engine.labels == {"flowkit.data": "true"}
    assert b"flowkit.api" in world.hosts.read_bytes()
    assert world.verified == [TARGETS["flowkit"].components]
    assert outcome.verified
    assert outcome.changes == len([step for item in outcome.planned for step in item.plan.actions]) > 30


def test_a_second_deployment_writes_nothing_and_verifies_nothing(world):
    world.deploy()
    writes, files = list(world.engine.writes), world.files()
    world.fuse.set(0)

    outcome = world.deploy()

    assert outcome.changes == 0
    assert not outcome.verified
    assert world.engine.writes == writes
    assert world.files() == files
    assert world.fuse.burnt == 0
    assert len(world.verified) == 1


def test_a_plan_writes_nothing_and_says_what_a_deployment_then_does(world):
    """But for what databases and FlowAPI say once they are there, and that the swarm's one node is labelled."""

    def without_scopes(lines):
        return [re.sub(r": .*scopes.*", "", line) for line in lines]

    planned = world.plan()

    assert world.engine.writes == []
    assert world.fuse.burnt == 0
    done = [str(action) for item in world.deploy().planned for action in item.plan.actions]
    known_later = [line for line in done if "holds database" in line]
    assert len(known_later) == 2
    assert without_scopes(planned) == without_scopes(line for line in done if line not in known_later)
    assert world.plan() == []


def test_no_line_of_a_plan_holds_a_value(world, capsys):
    world.deploy()
    said = capsys.readouterr()
    values = {value.decode() for value in world.held().values()}
    secret = {value for value in values if len(value) > 14}

    assert len(secret) >= 8
    assert not [value for value in secret if value in said.out + said.err + repr(world.plan())]


def test_what_was_deployed_and_not_verified_is_verified_by_the_next_run(world):
    world.verification.append(VerificationFailed("not yet", fix="wait"))
    with pytest.raises(VerificationFailed):
        world.deploy()

    outcome = world.deploy()

    assert outcome.changes == 0
    assert outcome.verified
    assert len(world.verified) == 2
    assert not world.deploy().verified


def test_a_part_of_what_was_verified_is_not_verified_again(world):
    world.deploy("flowkit")

    assert not world.deploy("flowdb").verified
    assert not world.deploy("flowapi").verified


def test_more_than_what_was_verified_is(world):
    world.deploy("flowdb")

    assert world.deploy("flowmachine").verified


def test_a_service_that_was_made_anew_by_somebody_is_verified_again(world):
    world.deploy("flowdb")
    service = world.engine.services["s_flowdb"]
    service["Version"]["Index"] += 1

    outcome = world.deploy("flowdb")

    assert outcome.changes == 0
    assert outcome.verified


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"flowdb": 7}'])
def test_a_note_that_cannot_be_made_out_means_to_verify_once_more(world, content):
    world.deploy("flowdb")
    (world.folder / ".flowkit" / "s" / "verified.json").write_text(content)

    assert world.deploy("flowdb").verified


def test_a_note_is_made_where_nothing_was_and_is_no_failure_where_nothing_can_be(tmp_path):
    note = Note(tmp_path / "new" / "verified.json")
    note.add({"a": "1"})
    note.add({"b": "2"})
    assert note.covers({"a": "1", "b": "2"})
    assert not note.covers({"a": "2"})

    (tmp_path / "file").write_text("")
    Note(tmp_path / "file" / "verified.json").add({"a": "1"})


def test_the_vault_may_be_elsewhere(world, tmp_path):
    world.deploy("flowdb", FLOWKIT_VAULT=str(tmp_path / "elsewhere" / "vault"))

    assert (tmp_path / "elsewhere" / "vault").exists()
    assert not world.deploy("flowdb", FLOWKIT_VAULT=str(tmp_path / "elsewhere" / "vault")).verified


def test_targets_add_to_each_other_and_only_new_secrets_are_made(world):
    world.deploy("flowdb")
    first = set(world.engine.secrets)

    world.deploy("library")
    world.deploy("flowapi")

    made = [line for line in world.engine.writes if line.startswith("create secret")]
    assert len(made) == len(set(made)) == len(world.engine.secrets)
    assert first < set(world.engine.secrets)


def test_only_the_target_itself_is_deployed_when_so_asked(world):
    world.deploy("flowapi", only=True)

    assert list(world.engine.services) == ["s_flowapi"]


def test_the_librarys_server_is_not_started_and_comes_with_the_next_target(world):
    world.deploy("library")
    replicas = world.engine.services["s_flowmachine"]["Spec"]["Mode"]["Replicated"]["Replicas"]

    world.deploy("flowmachine")

    assert replicas == 0
    assert world.engine.services["s_flowmachine"]["Spec"]["Mode"]["Replicated"]["Replicas"] == 1


@pytest.mark.parametrize(("sample", "given", "expected"), [
    (True, "", "true"), (False, "", "false"), (True, "false", "false"), (False, "true", "true"),
])  # fmt: skip
def test_made_up_records_come_with_quickstart_unless_the_operator_said_otherwise(world, sample, given, expected):
    world.deploy("flowdb", sample=sample, FLOWDB_SAMPLE_DATA=given)
    assert f"FLOWDB_SAMPLE_DATA={expected}" in environment(world, "flowdb")

    world.deploy("flowdb", sample=not sample, FLOWDB_SAMPLE_DATA=given)
    assert f"FLOWDB_SAMPLE_DATA={expected}" in environment(world, "flowdb"), "a database is what it was made as"


def environment(world, service):
    return world.engine.services[f"s_{service}"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]


def test_a_changed_variable_updates_the_service_that_has_it_and_no_secret(world):
    world.deploy()
    secrets = dict(world.engine.secrets)

    planned = world.plan(FLOWAPI_LOG_LEVEL="debug")
    world.deploy(FLOWAPI_LOG_LEVEL="debug")

    assert planned == ["update the service flowapi: variable FLOWAPI_LOG_LEVEL: error becomes debug"]
    assert world.engine.secrets == secrets
    assert "FLOWAPI_LOG_LEVEL=debug" in environment(world, "flowapi")


def test_an_error_in_one_lane_is_the_runs_and_the_next_run_goes_on(world):
    with pytest.raises(ImageError):
        world.deploy("flowdb", FLOWKIT_IMAGES="official", FLOWKIT_REGISTRY="127.0.0.1:1")
    assert world.engine.services == {}

    assert "FLOWDB_POSTGRES_PASSWORD 1" in world.held(), "the other lane came to its end"


def test_a_service_that_does_not_come_up_is_told_with_its_last_words(world):
    world.engine.outcome, world.engine.reason = "rejected", "No such image: flowdb"

    with pytest.raises(NotConverged, match="No such image"):
        world.deploy("flowdb")

    assert world.verified == []


def test_a_secret_of_somebody_else_stops_a_deployment_before_the_stack(world):
    world.deploy("flowdb")
    item = world.engine.secrets["s_FLOWDB_POSTGRES_PASSWORD_g1"]
    item["Spec"]["Labels"] = {}

    with pytest.raises(SecretConflict, match="somebody else"):
        world.deploy()

    assert list(world.engine.services) == ["s_flowdb"]


def test_a_second_run_is_refused_while_the_first_is_at_work(world):
    with vault_lock(world.settings().vault_path, "invoke quickstart"), pytest.raises(Busy, match="invoke quickstart"):
        world.deploy()

    assert world.engine.writes == []


def test_nothing_is_printed_on_stdout_while_deploying(world, capsys):
    world.deploy("flowdb")

    assert capsys.readouterr().out == ""


def test_progress_is_for_one_thread_at_a_time(capsys):
    """Lanes report side by side: no line is torn apart."""

    def talk():
        for _ in range(200):
            report.say("x" * 50)

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(capsys.readouterr().err.splitlines()) == {"x" * 50}


def test_a_signing_key_is_not_used_when_flowapi_was_given_the_verification_key_of_another(world):
    world.deploy("flowdb")  # makes one
    public = keys.verification_key(make_key(2048))
    import_value(world.settings(), "PUBLIC_JWT_SIGNING_KEY", public)

    found = verification_places.world(world.settings(), world.engine, world.vault())

    assert found.secret("PRIVATE_JWT_SIGNING_KEY") is None


def test_only_a_run_that_finds_no_vault_begins_a_signing_key_and_makes_no_second_one(world, monkeypatch):
    made = []

    def make(bits):
        made.append(bits)
        return one_key()

    monkeypatch.setattr(keys, "signing_key", make)

    world.deploy("flowdb")
    assert made == [4096]

    world.deploy("flowdb")
    assert made == [4096]


def test_a_key_that_was_begun_is_kept_nowhere_when_preflight_finds_an_obstacle(world, monkeypatch):
    begun = threading.Event()

    def make(_bits):
        begun.set()
        return one_key()

    monkeypatch.setattr(keys, "signing_key", make)

    def refuse(*_):
        assert begun.wait(5)  # while preflight looks
        raise PreflightFailed("an obstacle", fix="remove it")

    monkeypatch.setattr(deploy, "check", refuse)

    with pytest.raises(PreflightFailed):
        world.deploy("flowdb")
    assert not storage.exists(world.settings().vault_path)
