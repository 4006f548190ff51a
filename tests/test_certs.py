"""`invoke certs.status` and `invoke certs.install`: the operator's own certificates in the vault."""

from __future__ import annotations

import json

import pytest
import trustme
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.material.certificates import belongs_to
from secrets_quickstart.material.generation import Choices
from secrets_quickstart.settings import load
from secrets_quickstart.steps.values import ValuesStep
from secrets_quickstart.tasks import certs
from secrets_quickstart.vault import Vault, key_of

HOST = "flowauth.example.org"
AUTHORITY = trustme.CA()


class Operator:
    """A folder with an .env, and what a person types there."""

    def __init__(self, folder, monkeypatch, capsys):
        self.folder = folder
        self.capsys = capsys
        self.given = {"HOME": str(folder), "DOMAIN_NAME": HOST}
        monkeypatch.setattr(certs, "settings", lambda: load(folder, self.given))

    @property
    def vault(self):
        chosen = load(self.folder, self.given)
        return Vault.open_or_create(chosen.vault_path, key_of(chosen))

    def deploy(self):
        """What a deployment makes of the vault."""
        step = self._step()
        step.act(step.plan(step.look()).actions)

    def planned(self):
        step = self._step()
        return [str(action) for action in step.plan(step.look()).actions]

    def _step(self):
        return ValuesStep(self.vault, ["letsencrypt"], Choices(variables={"DOMAIN_NAME": HOST}))

    def files(self, *names, authority=AUTHORITY):
        leaf = authority.issue_cert(*names)
        certificate, key = self.folder / "mine.pem", self.folder / "mine.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key.write_bytes(leaf.private_key_pem.bytes())
        return str(certificate), str(key)

    def install(self, certificate, key, *, flowauth=True):
        self.capsys.readouterr()
        certs.install(Context(), certificate, key, flowauth=flowauth)
        return self.capsys.readouterr().out

    def refused(self, *arguments, status=1, **options):
        with pytest.raises(Exit) as ended:
            self.install(*arguments, **options)
        assert ended.value.code == status
        said = self.capsys.readouterr().err
        assert "fix: " in said
        assert "PRIVATE" not in said
        return said

    def status(self):
        self.capsys.readouterr()
        certs.status(Context(), json=True)
        return {row["name"]: row for row in json.loads(self.capsys.readouterr().out)}


@pytest.fixture
def operator(tmp_path, monkeypatch, capsys):
    return Operator(tmp_path, monkeypatch, capsys)


def test_the_certificates_are_told_with_their_names_and_days(operator):
    operator.deploy()

    rows = operator.status()

    assert rows["ca-flowkit.pem"]["origin"] == "generated"
    row = rows["cert-flowauth.pem"]
    assert set(row["names"].split(", ")) == {HOST, "localhost", "127.0.0.1", "::1"}
    assert row["issuer"].startswith("CN=FlowKit CA")
    assert 300 < row["days_left"] < 900
    assert "cert-flowkit.pem" not in rows, "nobody made one"


def test_an_operators_certificate_takes_the_place_of_ours_and_stays(operator):
    operator.deploy()

    said = operator.install(*operator.files(HOST))

    assert said == "mine.pem is in the vault; the next deploy brings it to FlowAuth\n"
    row = operator.status()["cert-flowauth.pem"]
    assert (row["names"], row["origin"]) == (HOST, "imported")
    assert operator.vault.value("cert-flowauth.pem").reveal() == (operator.folder / "mine.pem").read_bytes()
    assert belongs_to(*(operator.vault.value(name) for name in ("cert-flowauth.pem", "key-flowauth.pem")))
    assert operator.planned() == [], "a deployment makes no other"


def test_the_same_certificate_once_more_is_nothing_to_do(operator):
    files = operator.files(HOST)
    operator.install(*files)
    generation = operator.vault.generation("cert-flowauth.pem")

    assert operator.install(*files) == "nothing to do: the vault holds this certificate and key already\n"
    assert operator.vault.generation("cert-flowauth.pem") == generation


def test_one_for_another_name_is_refused_and_the_vault_keeps_what_it_had(operator):
    operator.deploy()
    before = operator.vault.value("cert-flowauth.pem")

    assert f"not for {HOST}" in operator.refused(*operator.files("elsewhere.example.org"))
    assert operator.vault.value("cert-flowauth.pem") == before


def test_one_without_its_key_is_refused(operator):
    certificate, _ = operator.files(HOST)
    other = trustme.CA().issue_cert(HOST).private_key_pem.bytes()
    (operator.folder / "other.key").write_bytes(other)

    assert "another key" in operator.refused(certificate, str(operator.folder / "other.key"))
    assert "cannot be read" in operator.refused(certificate, str(operator.folder / "none.key"), status=2)
    assert "cert-flowauth.pem" not in operator.vault


def test_the_names_asked_for_are_those_of_whom_it_is_for(operator):
    operator.given["TLS_NAMES"] = "flowapi.example.org"

    said = operator.install(*operator.files("flowapi.example.org"), flowauth=False)

    assert "brings it to FlowAPI" in said
    assert "cert-flowkit.pem" in operator.status()
    assert "not for flowapi.example.org" in operator.refused(*operator.files(HOST), flowauth=False)


def test_our_own_names_are_asked_of_no_certificate(operator):
    operator.given["DOMAIN_NAME"] = "localhost"

    operator.install(*operator.files("whatever.example.org"))


def test_it_is_said_when_the_certificate_comes_from_elsewhere(operator):
    operator.given["FLOWAUTH_CERTIFICATE"] = "acme"

    assert "FLOWAUTH_CERTIFICATE=vault" in operator.install(*operator.files(HOST))
