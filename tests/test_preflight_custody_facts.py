"""How preflight looks into the vault, and what it takes out: names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from secrets_quickstart.checks.check import Warn
from secrets_quickstart.checks.facts_custody import custody_facts, opened, shared, weaknesses
from secrets_quickstart.checks.machine_checks import memory_limits
from secrets_quickstart.checks.preflight import wanted
from secrets_quickstart.errors import VaultError
from secrets_quickstart.material import certificates, keys
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings, load
from secrets_quickstart.vault import Origin, Vault, key_of
from tests.preflight_facts import GB, but

GOOD = "x7Kq2mPz9LwT4bVn"


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load(tmp_path, {"HOME": str(tmp_path / "home"), "TLS_NAMES": "flowkit.example.org"})


@pytest.fixture
def vault(settings) -> Vault:
    return Vault.create(settings.vault_path, key_of(settings))


def put(vault: Vault, **values: str) -> None:
    for name, value in values.items():
        vault.put(name, Sensitive(value), Origin.GENERATED)


@pytest.mark.parametrize(
    "value", ["CHANGEME", "flowflow", "foo", "Password", "changeme123", "FLOWDB_POSTGRES_PASSWORD"]
)
def test_placeholders_and_well_known_defaults_are_weak(value):
    assert "FLOWDB_POSTGRES_PASSWORD" in weaknesses({"FLOWDB_POSTGRES_PASSWORD": Sensitive(value)})


def test_short_and_monotonous_passwords_are_weak():
    found = weaknesses({"REDIS_PASSWORD": Sensitive("a1b2c3d"), "SECRET_KEY": Sensitive("ababababab")})
    assert found == {"REDIS_PASSWORD": "shorter than 8 characters", "SECRET_KEY": "made of three characters or fewer"}


def test_what_is_not_secret_may_be_as_simple_as_it_likes():
    assert weaknesses({"FLOWMACHINE_FLOWDB_USER": Sensitive("flowmachine"), "REDIS_PASSWORD": Sensitive(GOOD)}) == {}


def test_passwords_that_serve_twice_are_named_together():
    values = {name: Sensitive(GOOD) for name in ("REDIS_PASSWORD", "SECRET_KEY", "FLOWAPI_IDENTIFIER")}
    assert shared({**values, "FLOWAUTH_DB_PASSWORD": Sensitive("other")}) == (("REDIS_PASSWORD", "SECRET_KEY"),)


def test_a_vault_that_is_not_there_yet_can_be_made(settings):
    assert opened(settings) is None
    facts = custody_facts(settings, None)
    assert (facts.exists, facts.creatable, facts.problem) == (False, True, "")


def test_a_vault_that_cannot_be_opened_says_why_and_what_to_do(settings, vault):
    settings.vault_path.chmod(0o644)
    found = opened(settings)
    assert isinstance(found, VaultError)
    facts = custody_facts(settings, found)
    assert "open to others" in facts.problem
    assert "chmod 600" in facts.fix
    assert vault.id


def test_values_are_known_by_fingerprints_of_each_generation(settings, vault):
    put(vault, REDIS_PASSWORD=GOOD)
    put(vault, REDIS_PASSWORD=GOOD + "2")
    found = opened(settings)
    assert isinstance(found, Vault)
    facts = custody_facts(settings, found)
    assert set(facts.fingerprints) == {("REDIS_PASSWORD", 1), ("REDIS_PASSWORD", 2)}
    assert facts.fingerprints["REDIS_PASSWORD", 1] == vault.fingerprint("REDIS_PASSWORD", 1)
    assert (facts.generation("REDIS_PASSWORD"), facts.generation("SECRET_KEY")) == (2, 0)


def test_a_variable_that_holds_a_secret_is_named(tmp_path, vault):
    put(vault, REDIS_PASSWORD=GOOD)
    careless = load(tmp_path, {"HOME": str(tmp_path / "home"), "FLOWAPI_IDENTIFIER": GOOD})
    assert custody_facts(careless, vault).loose == ("FLOWAPI_IDENTIFIER",)


def test_no_value_is_in_the_facts(settings, vault):
    put(vault, REDIS_PASSWORD="flowflow", SECRET_KEY=GOOD, FLOWAUTH_DB_PASSWORD=GOOD)
    facts = repr(custody_facts(settings, vault))
    assert "flowflow" not in facts
    assert GOOD not in facts


def test_a_key_beside_its_vault_is_seen(tmp_path, settings):
    assert not custody_facts(settings, None).key_beside
    beside = load(tmp_path, {"FLOWKIT_VAULT_KEY_FILE": str(settings.vault_path.with_name("key"))})
    assert custody_facts(beside, None).key_beside


def test_a_password_file_that_others_may_read_is_named(tmp_path):
    file = tmp_path / "registry.txt"
    file.write_text(GOOD)
    file.chmod(0o640)
    given = {"FLOWKIT_REGISTRY_USER": "me", "FLOWKIT_REGISTRY_PASSWORD_FILE": str(file)}
    assert custody_facts(load(tmp_path, given), None).exposed == (file,)
    file.chmod(0o600)
    assert custody_facts(load(tmp_path, given), None).exposed == ()


def certificate(vault: Vault, hosts: tuple[str, ...], **put_instead: Sensitive) -> None:
    now = datetime.now(UTC)
    authority_key, key = keys.elliptic_key(), keys.elliptic_key()
    authority = certificates.authority(authority_key, now)
    values: dict[str, Any] = {
        "ca-key-flowkit.pem": authority_key,
        "ca-flowkit.pem": authority,
        "key-flowkit.pem": key,
        "cert-flowkit.pem": certificates.leaf(key, authority, authority_key, hosts, now),
    }
    for name, value in {**values, **put_instead}.items():
        vault.put(name, value, Origin.GENERATED)


def test_our_certificate_fits_its_key_and_lacks_the_names_that_were_added(settings, vault):
    certificate(vault, ("flowkit.api", "flow.api", "localhost", "127.0.0.1", "::1"))
    authority, held = custody_facts(settings, vault).certificates
    assert (authority.name, authority.fits_key, authority.ours, authority.lacking) == ("ca-flowkit.pem", True, True, ())
    assert (held.fits_key, held.ours, held.lacking) == (True, True, ("flowkit.example.org",))


def test_a_certificate_for_another_key_is_seen(settings, vault):
    certificate(vault, ("flowkit.api",), **{"key-flowkit.pem": keys.elliptic_key()})
    assert [held.fits_key for held in custody_facts(settings, vault).certificates] == [True, False]


def test_an_authority_that_was_imported_without_its_key_is_only_trusted(settings, vault):
    pem = certificates.authority(keys.elliptic_key(), datetime.now(UTC))
    vault.put("ca-flowkit.pem", pem, Origin.IMPORTED)
    (held,) = custody_facts(settings, vault).certificates
    assert (held.fits_key, held.ours) == (True, False)


def test_a_damaged_certificate_is_told_and_nothing_breaks_off(settings, vault):
    certificate(vault, ("flowkit.api",), **{"cert-flowkit.pem": Sensitive("-----BEGIN CERTIFICATE-----\nno\n")})
    facts = custody_facts(settings, vault)
    assert [held.name for held in facts.certificates] == ["ca-flowkit.pem"]
    assert list(facts.spoiled) == ["cert-flowkit.pem"]


def test_what_is_wanted_comes_from_the_catalog_and_the_settings(tmp_path):
    want = wanted(load(tmp_path, {"REDIS_HOST_PORT": "6380"}), ("flowdb", "flowmachine"))
    assert {port.variable: port.number for port in want.ports} == {"FLOWDB_HOST_PORT": 9000, "REDIS_HOST_PORT": 6380}
    assert want.images_needed == ("flowdb", "flowmachine", "redis")
    assert want.memory_limits == {"REDIS_MEMORY_LIMIT": GB, "FLOWMACHINE_MEMORY_LIMIT": 2 * 2 * GB}
    assert want.data_label == "flowkit.data"


def test_the_limit_of_every_task_of_every_service_is_counted(tmp_path):
    given = {"FLOWETL_WORKER_COUNT": "3", "FLOWETL_MEMORY_LIMIT": "3GB", "FLOWAUTH_REPLICAS": "2"}
    want = wanted(load(tmp_path, given), ("flowdb", "flowetl", "flowauth", "letsencrypt"))
    assert want.memory_limits == {
        "FLOWETL_MEMORY_LIMIT": (7 + 3) * 3 * GB,
        "FLOWAUTH_MEMORY_LIMIT": (2 + 2) * GB,
        "EDGE_MEMORY_LIMIT": GB // 4,
    }
    finding = memory_limits(but(wanted__memory_limits=want.memory_limits))
    assert isinstance(finding, Warn)
    assert finding.fix == "lower FLOWETL_MEMORY_LIMIT, or add memory"
