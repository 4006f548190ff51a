"""Running the verification checks: what becomes of each outcome."""

import threading

import pytest

from secrets_quickstart.catalog.components import BY_NAME
from secrets_quickstart.checks import verification
from secrets_quickstart.checks.check import Finding, Ok, Status, Warn
from secrets_quickstart.checks.verification_world import Unasked, Verification, World
from secrets_quickstart.errors import ServiceError, UsageError, VerificationFailed
from secrets_quickstart.tasks import verify


def nowhere(*_):
    raise AssertionError


WORLD = World(secret=lambda _: None, address=nowhere, flowmachine=nowhere, published=nowhere, our_flowapi=nowhere)


def row(name, ask, component="flowdb"):
    return Verification(name, f"Is {name} well?", component, ask)


def raising(error):
    def ask(world):
        raise error

    return ask


def run(*rows, components=("flowdb",)):
    return verification.run(WORLD, components, rows)


def test_every_check_has_a_name_of_its_own_and_a_component_that_exists():
    names = [check.name for check in verification.CHECKS]
    assert len(set(names)) == len(names)
    assert {check.component for check in verification.CHECKS} <= BY_NAME.keys()
    assert all(check.question.endswith("?") for check in verification.CHECKS)


def test_findings_come_in_the_order_of_the_table():
    first_may_end = threading.Event()

    def last(world):
        first_may_end.set()
        return Ok("last")

    found = run(row("a", lambda _: Ok(str(first_may_end.wait(10)))), row("b", last))
    assert [(item.check, item.detail) for item in found] == [("a", "True"), ("b", "last")]


def test_only_the_wanted_components_are_asked():
    found = run(row("a", raising(AssertionError())), row("b", lambda _: Ok(), "redis"), components=("redis",))
    assert [item.check for item in found] == ["b"]


def test_an_error_of_ours_becomes_an_obstacle_with_its_fix():
    [found] = run(row("a", raising(ServiceError("it is gone", why="moved", fix="look for it"))))
    assert found == Finding("a", Status.OBSTACLE, "it is gone: moved", "look for it")


def test_what_cannot_be_asked_is_skipped_with_the_reason():
    [found] = run(row("a", raising(Unasked("nothing to count"))))
    assert (found.status, found.detail) == (Status.SKIPPED, "nothing to count")


def test_a_defect_is_an_obstacle_that_does_not_repeat_what_it_holds():
    [found] = run(row("a", raising(ValueError("password=s3cret"))))
    assert found.status is Status.OBSTACLE
    assert "ValueError" in found.detail
    assert "s3cret" not in f"{found}"


def test_an_obstacle_that_several_checks_met_is_told_once():
    gone = ServiceError("it is gone")
    found = run(row("a", raising(gone)), row("b", lambda _: Ok()), row("c", raising(gone)))
    assert [item.status for item in found] == [Status.OBSTACLE, Status.OK, Status.SKIPPED]
    assert found[2].detail == "the same obstacle as for a"


def test_verification_fails_with_status_5_and_names_each_obstacle():
    found = run(row("a", raising(ServiceError("gone", fix="x"))), row("b", raising(ServiceError("shut"))))
    with pytest.raises(VerificationFailed, match="2 of the checks failed") as error:
        verification.require(found)
    assert (error.value.status, error.value.why, error.value.fix) == (5, "a: gone; b: shut", "x")


def test_warnings_and_skipped_checks_do_not_fail_it():
    verification.require(run(row("a", lambda _: Warn("hm", "do")), row("b", raising(Unasked("no data")))))


def test_the_document_counts_and_lists_the_findings():
    found = verification.document(run(row("a", lambda _: Ok("fine")), row("b", lambda _: Warn("hm", "do"))))
    assert found["counts"] == {"ok": 1, "warning": 1, "obstacle": 0, "skipped": 0}
    assert found["findings"][1] == {"check": "b", "status": "warning", "detail": "hm", "fix": "do"}


@pytest.fixture
def token_file(tmp_path):
    return tmp_path / "token"


def test_a_token_file_may_end_in_a_new_line(token_file):
    token_file.write_text("aa.bb-_.cc\n")
    assert verify._token(str(token_file)).text() == "aa.bb-_.cc"


@pytest.mark.parametrize("content", ["", "two words", "aa.bb", "-----BEGIN KEY-----"])
def test_a_file_without_a_token_is_wrong_usage_and_is_not_shown(token_file, content):
    token_file.write_text(content)
    with pytest.raises(UsageError, match="holds no token") as error:
        verify._token(str(token_file))
    assert not content or content not in f"{error.value}{error.value.fix}"


def test_a_token_file_that_is_not_there_is_wrong_usage(token_file):
    with pytest.raises(UsageError, match="cannot be read"):
        verify._token(str(token_file))
