"""How long the vault's certificates serve, as `certs.status` and `status` tell it, and `invoke certs.renew` of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.checks.certificate_dates import STAGES, stage
from secrets_quickstart.errors import UsageError
from secrets_quickstart.material import certificates as made
from secrets_quickstart.operations import certificates, overview, renewal, status
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.tasks import certs, watching
from secrets_quickstart.vault import Origin
from tests.deployments import World

FLOWAPI, FLOWAUTH = certificates.LEAVES


@pytest.fixture
def world(tmp_path, monkeypatch):
    made_world = World(tmp_path / "world", monkeypatch)
    for module in (status, certificates, overview):
        monkeypatch.setattr(module, "Engine", lambda _: made_world.engine)
    for module in (certs, watching):
        monkeypatch.setattr(module, "settings", made_world.settings)
    return made_world


def ending(world, name, days):
    """Have a certificate of ours end in so many days and a half."""
    vault = world.vault()
    then = datetime.now(UTC) + timedelta(days=days, hours=12) - made.LEAF_LIFETIME + made.CLOCK_SKEW
    parts = (name.replace("cert", "key"), "ca-flowkit.pem", "ca-key-flowkit.pem")
    key, authority, authority_key = (vault.value(part) for part in parts)
    vault.put(name, made.leaf(key, authority, authority_key, ("flowkit.api", "localhost"), then), Origin.GENERATED)


def shown(command, capsys, **options):
    """Exit status, JSON document and warnings."""
    capsys.readouterr()
    try:
        command(Context(), json=True, **options)
        code = 0
    except Exit as ended:
        code = ended.code
    said = capsys.readouterr()
    return code, json.loads(said.out), [line for line in said.err.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, 7), (0, 7), (7, 7), (8, 30), (30, 30), (31, 60), (60, 60), (61, None)]
)
def test_the_most_pressing_stage_that_has_come_counts(days, expected):
    found = stage(days)

    assert (found.days if found else None) == expected


def test_the_stages_are_those_of_the_documentation():
    assert [one.days for one in STAGES] == [7, 30, 60]


@pytest.mark.parametrize(
    ("days", "code", "words"),
    [
        (61, 0, None),
        (60, 2, "time to order"),
        (30, 2, "time to install"),
        (7, 2, "nobody can connect"),
        (-2, 5, "clients refuse it"),
    ],
)
def test_a_certificate_that_ends_is_warned_of_and_said_by_the_exit_status(world, capsys, days, code, words):
    world.deploy("flowapi")
    ending(world, FLOWAPI, days)

    ended, rows, warnings = shown(certs.status, capsys)

    assert ended == code
    assert {row["name"]: row["days_left"] for row in rows}[FLOWAPI] == days
    assert len(warnings) == (words is not None)
    assert all(words in line and f"invoke certs.renew --name {FLOWAPI}" in line for line in warnings)
    _, document, again = shown(watching.status, capsys)
    assert again == warnings
    assert document["certificates"] == rows


def test_an_imported_one_and_the_authority_are_warned_of_too(world, capsys):
    world.deploy("flowapi")
    vault = world.vault()
    ending(world, FLOWAPI, 20)
    vault = world.vault()
    vault.put(FLOWAPI, vault.value(FLOWAPI), Origin.IMPORTED)
    then = datetime.now(UTC) + timedelta(days=3, hours=1) - made.AUTHORITY_LIFETIME + made.CLOCK_SKEW
    vault.put("ca-flowkit.pem", made.authority(vault.value("ca-key-flowkit.pem"), then), Origin.GENERATED)

    code, _, warnings = shown(certs.status, capsys)

    assert code == 2
    assert [line.split()[1] for line in warnings] == ["ca-flowkit.pem", FLOWAPI]
    assert "ends in 3 days" in warnings[0]
    assert "in 20 days" in warnings[1]


def test_one_that_cannot_be_read_is_told_and_does_not_serve(world, capsys):
    world.deploy("flowapi")
    world.vault().put(FLOWAPI, Sensitive("-----BEGIN CERTIFICATE-----\nno\n"), Origin.IMPORTED)

    code, rows, warnings = shown(certs.status, capsys)

    assert code == 5
    assert next(row["days_left"] for row in rows if row["name"] == FLOWAPI) is None
    assert FLOWAPI in warnings[0]


def test_where_there_is_no_vault_the_services_are_shown_all_the_same(world, capsys):
    world.deploy("flowdb")
    world.settings().vault_path.unlink()

    _, document, warnings = shown(watching.status, capsys)

    assert (document["certificates"], warnings) == ([], [])
    assert [row["service"] for row in document["services"]] == ["flowdb"]


def renew(world, name="", **variables):
    told: list[str] = []
    return certificates.renew(world.settings(**variables), name, "invoke certs.renew", told.append), told


def verified_by(authority, leaf):
    """By a client that trusts the authority's certificate of old."""
    store = Store(x509.load_pem_x509_certificates(authority.reveal()))
    verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName("flowkit.api"))
    return verifier.verify(x509.load_pem_x509_certificates(leaf.reveal())[0], [])


def test_a_renewed_certificate_is_deployed_and_clients_that_trust_the_authority_notice_nothing(world):
    world.deploy("flowapi")
    before = world.held()
    authority, old = world.vault().value("ca-flowkit.pem"), world.vault().value(FLOWAPI)
    versions = {name: item["Version"] for name, item in world.engine.services.items()}

    done, _ = renew(world, FLOWAPI)

    new = world.vault().value(FLOWAPI)
    assert (done.issued, done.deployed, done.acquired) == ((FLOWAPI,), True, False)
    assert new != old
    assert made.describe(new).serial != made.describe(old).serial
    assert verified_by(authority, new)
    assert made.belongs_to(new, world.vault().value("key-flowkit.pem"))
    assert world.held().items() >= before.items(), "everything else stays, and the former one too"
    assert set(world.held()) - set(before) == {f"{FLOWAPI} 2"}
    mounted = world.engine.services["s_flowapi"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert f"s_{FLOWAPI}_g2" in [item["SecretName"] for item in mounted]
    now = {name: item["Version"] for name, item in world.engine.services.items()}
    assert {name for name in now if now[name] != versions[name]} == {"s_flowapi"}, "nobody else is touched"


def test_without_a_name_all_that_are_ours_are_renewed(world):
    world.deploy("flowkit")

    done, _ = renew(world)

    assert done.issued == (FLOWAPI, FLOWAUTH)
    assert done.deployed


def test_one_that_was_imported_is_refused_with_the_way_out_and_left_out_of_all(world):
    world.deploy("flowkit")
    vault = world.vault()
    vault.put(FLOWAUTH, vault.value(FLOWAUTH), Origin.IMPORTED)
    generation = vault.generation(FLOWAUTH)

    with pytest.raises(UsageError, match="yours") as refused:
        renew(world, FLOWAUTH)
    done, told = renew(world)

    assert "invoke certs.install --flowauth CERTIFICATE KEY" in refused.value.fix
    assert done.issued == (FLOWAPI,)
    assert FLOWAUTH in told[0]
    assert world.vault().generation(FLOWAUTH) == generation


@pytest.mark.parametrize("name", ["ca-flowkit.pem", "REDIS_PASSWORD", "nonsense"])
def test_what_is_no_certificate_of_a_service_is_not_renewed(world, name):
    world.deploy("flowapi")

    with pytest.raises(UsageError) as refused:
        renew(world, name)

    assert FLOWAPI in refused.value.fix


def test_what_the_vault_does_not_hold_is_not_renewed(world):
    world.deploy("flowapi")

    with pytest.raises(UsageError, match="no cert-flowauth"):
        renew(world, FLOWAUTH)


def test_where_nothing_runs_the_vault_has_it_for_the_next_deployment(world):
    world.deploy("flowapi")
    world.engine.services.clear()

    done, _ = renew(world)

    assert (done.issued, done.deployed) == ((FLOWAPI,), False)
    assert world.vault().generation(FLOWAPI) == 2


def test_flowauths_comes_by_acme_where_the_settings_say_so(world, monkeypatch):
    world.deploy("flowapi")
    acquired = []
    monkeypatch.setattr(renewal, "renew", lambda *_: acquired.append(1))

    done, _ = renew(world, FLOWAUTH, FLOWAUTH_CERTIFICATE="acme", DOMAIN_NAME="flowauth.example.org")

    assert (done.issued, done.acquired, acquired) == ((), True, [1])
