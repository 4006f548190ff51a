"""`invoke certs.renew`: a certificate is exchanged for a new one, or the former one is put back."""

from __future__ import annotations

import json

import pytest

from secrets_quickstart.checks.acme_trouble import trouble_in
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError, UsageError
from secrets_quickstart.operations import renewal
from secrets_quickstart.operations.renewal import FORGET, PUT_ASIDE, PUT_BACK, acquire, renew
from secrets_quickstart.settings import load
from tests.fakes import FakeEngine

NAME = "flowauth.example.org"


class PretendedEdge:
    """An edge with certificates in its volume, and what an ACME directory gives it when it finds none there."""

    place = Place("127.0.0.1", name=NAME)

    def __init__(self, given, before="first"):
        self.volume = {"certificates": before} if before else {}
        self.given = given

    def shown(self):
        return self.volume.get("certificates", "")

    def shows(self, wanted):
        return wanted(self.shown())

    def run(self, script):
        """What the shell would do."""
        match script:
            case renewal.PUT_ASIDE if "certificates" in self.volume:
                self.volume["certificates.former"] = self.volume.pop("certificates")
            case renewal.PUT_BACK if "certificates.former" in self.volume:
                self.volume["certificates"] = self.volume.pop("certificates.former")
            case renewal.FORGET:
                self.volume.pop("certificates.former", None)

    def restart(self, after):
        self.run(after)
        if self.given:
            self.volume.setdefault("certificates", self.given)

    def complaint(self):
        return "" if self.given else "HTTP 429: too many"


@pytest.fixture
def pretended():
    return PretendedEdge


@pytest.mark.parametrize("before", ["first", ""])
def test_a_new_certificate_takes_the_place_of_the_former_one(pretended, before):
    edge = pretended("second", before)

    acquire(edge)

    assert edge.shown() == "second"
    assert set(edge.volume) == {"certificates"}, "a key that is of no use any more is not kept"


def test_when_none_comes_the_former_one_is_put_back_and_it_is_said_why(pretended):
    edge = pretended("")

    with pytest.raises(ServiceError, match="the former one is back: HTTP 429: too many") as caught:
        acquire(edge)

    assert NAME in caught.value.fix
    assert edge.shown() == "first"
    assert set(edge.volume) == {"certificates"}


def test_when_none_comes_and_there_was_none_nothing_is_back(pretended):
    edge = pretended("", before="")

    with pytest.raises(ServiceError) as caught:
        acquire(edge)

    assert "back" not in caught.value.what


def test_what_a_run_that_was_killed_had_put_aside_is_put_back_by_the_next(pretended):
    edge = pretended("")
    edge.run(PUT_ASIDE)

    with pytest.raises(ServiceError):
        acquire(edge)

    assert edge.shown() == "first"


def test_the_scripts_speak_of_the_edges_volume():
    assert all(script.count("/data/caddy") == 1 for script in (PUT_ASIDE, FORGET, PUT_BACK))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ({"level": "error", "logger": "tls.obtain", "msg": "will retry", "error": "HTTP 404"}, "HTTP 404"),
        ({"level": "info", "logger": "tls.obtain", "msg": "obtaining certificate"}, ""),
        ({"level": "error", "logger": "http.log.error", "error": "dial tcp"}, ""),
        ({"level": "error", "msg": "no logger", "error": "x"}, ""),
        (["logger"], ""),
    ],
)
def test_only_what_is_said_of_acquiring_certificates_counts(line, error):
    assert trouble_in(json.dumps(line)) == error


def test_what_is_no_json_says_nothing():
    assert trouble_in("DOMAIN_NAME is not a host name") == ""


class _Engine(FakeEngine):
    """With a stack whose edge was deployed with a certificate of the vault's."""

    def __init__(self, certificate):
        super().__init__()
        self.add_service("s", "edge")
        [service] = self.services.values()
        service["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"] = [f"CERTIFICATE={certificate}"]


@pytest.fixture
def chosen(tmp_path):
    return load(tmp_path, {"HOME": str(tmp_path), "FLOWKIT_STACK": "s"})


def test_a_certificate_of_the_vault_is_not_for_acme_to_renew(chosen, monkeypatch):
    monkeypatch.setattr(renewal, "Engine", lambda _: _Engine("vault"))

    with pytest.raises(UsageError, match="deployed with FLOWAUTH_CERTIFICATE=vault"):
        renew(chosen, print)


def test_without_an_edge_there_is_nothing_to_renew(chosen, monkeypatch):
    monkeypatch.setattr(renewal, "Engine", lambda _: FakeEngine())

    with pytest.raises(ServiceError, match="not deployed"):
        renew(chosen, print)
