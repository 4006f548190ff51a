from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from secrets_quickstart.catalog.secrets import BY_NAME, SECRETS
from secrets_quickstart.catalog.sources import FromVariable
from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import certificates, keys
from secrets_quickstart.material.generation import Choices
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.values import Choose, Derive, Fact, Facts, Generate, Renew, ValuesStep
from secrets_quickstart.vault import KeyFile, Origin, Vault

VARIABLES = {row.source.variable: "plain" for row in SECRETS if isinstance(row.source, FromVariable)}
CORE = ("flowdb", "flowmachine", "flowapi")
WHOLE = (*CORE, "flowetl", "flowauth", "letsencrypt")
CHOICES = Choices(variables=VARIABLES)
AUTHORITY = {"ca-key-flowkit.pem", "ca-flowkit.pem"}
PAIR = {"PRIVATE_JWT_SIGNING_KEY", "PUBLIC_JWT_SIGNING_KEY"}
FLOWDB = {
    *("FLOWDB_POSTGRES_PASSWORD", "FLOWMACHINE_FLOWDB_USER", "FLOWMACHINE_FLOWDB_PASSWORD"),
    *("FLOWAPI_FLOWDB_USER", "FLOWAPI_FLOWDB_PASSWORD"),
}


@pytest.fixture(scope="module")
def signing():
    """One short key for all tests: where it comes from does not matter to them."""
    return keys.signing_key(2048)


@pytest.fixture
def vault(tmp_path, signing):
    vault = Vault.create(tmp_path / "state" / "vault", KeyFile(tmp_path / "keys" / "key"))
    vault.put("PRIVATE_JWT_SIGNING_KEY", signing, Origin.GENERATED)
    return vault


def run(vault, components=CORE, choices=CHOICES) -> dict[str, object]:
    """Plan and act, and return the actions by name."""
    step = ValuesStep(vault, components, choices)
    actions = step.plan(step.look()).actions
    step.act(actions)
    return {getattr(action, "name"): action for action in actions}  # noqa: B009


def planned(vault, components=CORE, choices=CHOICES) -> dict[str, object]:
    step = ValuesStep(vault, components, choices)
    return {getattr(action, "name"): action for action in step.plan(step.look()).actions}  # noqa: B009


def everything(vault) -> list[bytes]:
    return [vault.value(name, n + 1).reveal() for name in vault.names() for n in range(vault.generation(name))]


def test_the_first_run_makes_what_the_components_mount_and_what_signs(vault):
    run(vault, ("flowdb",))

    assert set(vault.names()) == FLOWDB | AUTHORITY | PAIR


def test_flowauth_alone_has_the_verification_key_that_a_flowapi_elsewhere_needs(vault, signing):
    run(vault, ("flowauth", "letsencrypt"))

    assert vault.value("PUBLIC_JWT_SIGNING_KEY") == keys.verification_key(signing)
    assert vault.entry("PUBLIC_JWT_SIGNING_KEY").origin is Origin.DERIVED


def test_a_value_that_is_built_on_others_brings_them_along(vault):
    run(vault, ("flowetl",))

    assert "FLOWDB_POSTGRES_PASSWORD" in vault
    assert vault.value("FLOWDB_POSTGRES_PASSWORD").text() in vault.value("AIRFLOW_CONN_FLOWDB").text()


@pytest.mark.parametrize("components", [("flowdb",), CORE, ("flowauth",)])
def test_the_signing_key_is_made_with_the_first_run(components):
    assert str(planned(Vault.in_memory(), components)["PRIVATE_JWT_SIGNING_KEY"]) == (
        "generate PRIVATE_JWT_SIGNING_KEY: an RSA key of 4096 bits"
    )


def test_the_whole_system_gets_every_value(vault):
    run(vault, WHOLE)

    assert set(vault.names()) == set(BY_NAME)


def test_a_second_run_has_nothing_to_do_and_writes_nothing(vault, tmp_path):
    run(vault, WHOLE)
    before = (tmp_path / "state" / "vault").read_bytes()
    step = ValuesStep(vault, WHOLE, CHOICES)

    plan = step.plan(step.look())
    step.act(plan.actions)

    assert plan.actions == ()
    assert {line.subject for line in plan.unchanged} == set(BY_NAME)
    assert all(line.reason for line in plan.unchanged)
    assert len(everything(vault)) == len(BY_NAME)
    assert (tmp_path / "state" / "vault").read_bytes() == before


def test_acting_twice_on_one_plan_changes_nothing_more(vault):
    step = ValuesStep(vault, WHOLE, CHOICES)
    actions = step.plan(step.look()).actions
    step.act(actions)
    before = everything(vault)

    step.act(actions)

    assert everything(vault) == before


def test_acting_after_a_crash_in_the_middle_keeps_what_was_made(vault):
    step = ValuesStep(vault, WHOLE, CHOICES)
    actions = step.plan(step.look()).actions
    step.act(actions[:9])
    before = everything(vault)

    run(vault, WHOLE)

    assert everything(vault)[: len(before)] == before
    assert set(vault.names()) == set(BY_NAME)
    assert all(vault.generation(name) == 1 for name in vault.names())


def test_a_run_is_one_write(vault, monkeypatch):
    from secrets_quickstart.vault import storage

    writes = []
    real = storage.replace

    def counted(path, content):
        writes.append(path)
        real(path, content)

    monkeypatch.setattr(storage, "replace", counted)

    run(vault, WHOLE)

    assert len(writes) == 1


def test_the_origin_of_each_value_is_kept(vault):
    run(vault, WHOLE)

    assert {name: vault.entry(name).origin for name in ("REDIS_PASSWORD", "cert-flowkit.pem")} == {
        "REDIS_PASSWORD": Origin.GENERATED,
        "cert-flowkit.pem": Origin.GENERATED,
    }
    assert vault.entry("PUBLIC_JWT_SIGNING_KEY").origin is Origin.DERIVED
    assert vault.entry("FLOWAPI_IDENTIFIER").origin is Origin.CHOSEN


def test_looking_and_planning_change_nothing_and_show_no_value(vault, tmp_path):
    run(vault, WHOLE)
    before = (tmp_path / "state" / "vault").read_bytes()
    for components, choices in (
        (WHOLE, CHOICES),
        (WHOLE, Choices(variables=VARIABLES | {"TLS_NAMES": "new.example.org"})),
    ):
        step = ValuesStep(vault, components, choices)
        facts = step.look()
        shown = f"{facts!r}{step.plan(facts)!r}{[str(line) for line in step.plan(facts).actions]}"

        for name in vault.names():
            if not BY_NAME[name].public and not isinstance(BY_NAME[name].source, FromVariable):
                assert vault.value(name).text() not in shown, name
    assert (tmp_path / "state" / "vault").read_bytes() == before


def test_the_same_facts_give_the_same_plan(vault):
    step = ValuesStep(vault, CORE, CHOICES)
    facts = step.look()

    assert step.plan(facts) == step.plan(facts)


def test_a_changed_variable_is_taken_over_with_all_that_is_built_on_it(vault):
    run(vault, WHOLE)
    choices = Choices(variables={**VARIABLES, "FLOWETL_CELERY_USER": "flower"})

    done = run(vault, WHOLE, choices)

    assert list(done.values()) == [
        Choose("FLOWETL_CELERY_USER", "FLOWETL_CELERY_USER", 2),
        Derive("AIRFLOW__CELERY__FLOWER_BASIC_AUTH", ("FLOWETL_CELERY_USER", "FLOWETL_CELERY_PASSWORD"), 2),
    ]
    assert vault.value("AIRFLOW__CELERY__FLOWER_BASIC_AUTH").text().startswith("flower:")
    assert run(vault, WHOLE, choices) == {}


def test_another_password_length_changes_no_password(vault):
    run(vault)

    assert planned(vault, choices=Choices(40, variables=VARIABLES)) == {}


def test_an_imported_password_reaches_what_is_built_on_it(vault):
    run(vault, WHOLE)
    vault.put("FLOWETL_POSTGRES_PASSWORD", Sensitive("p@ss/word"), Origin.IMPORTED)

    done = run(vault, WHOLE)

    assert set(done) == {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW_DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CELERY__RESULT_BACKEND",
    }
    assert "p%40ss%2Fword" in vault.value("AIRFLOW__CELERY__RESULT_BACKEND").text()


def test_what_was_imported_is_never_replaced(vault):
    run(vault, WHOLE)
    vault.put("AIRFLOW_CONN_FLOWDB", Sensitive("postgresql://elsewhere"), Origin.IMPORTED)
    vault.put("FLOWAPI_IDENTIFIER", Sensitive("theirs"), Origin.IMPORTED)
    vault.put("FLOWDB_POSTGRES_PASSWORD", Sensitive("another"), Origin.IMPORTED)

    assert planned(vault, WHOLE) == {}


def test_another_signing_key_gives_another_verification_key(vault):
    run(vault)
    vault.put("PRIVATE_JWT_SIGNING_KEY", keys.signing_key(2048), Origin.IMPORTED)

    done = run(vault)

    assert list(done.values()) == [Derive("PUBLIC_JWT_SIGNING_KEY", ("PRIVATE_JWT_SIGNING_KEY",), 2)]
    assert vault.value("PUBLIC_JWT_SIGNING_KEY") == keys.verification_key(vault.value("PRIVATE_JWT_SIGNING_KEY"))


def test_with_an_imported_verification_key_no_signing_key_is_made(signing):
    vault = Vault.in_memory()
    vault.put("PUBLIC_JWT_SIGNING_KEY", keys.verification_key(signing), Origin.IMPORTED)

    run(vault)

    assert "PRIVATE_JWT_SIGNING_KEY" not in vault
    assert vault.generation("PUBLIC_JWT_SIGNING_KEY") == 1


def test_a_signing_key_that_an_import_made_useless_is_left_alone(vault):
    run(vault)
    vault.put("PUBLIC_JWT_SIGNING_KEY", keys.verification_key(keys.signing_key(2048)), Origin.IMPORTED)

    assert planned(vault) == {}


def test_flowauth_needs_the_signing_key_of_an_imported_verification_key(vault, signing):
    alone = Vault.in_memory()
    alone.put("PUBLIC_JWT_SIGNING_KEY", keys.verification_key(signing), Origin.IMPORTED)
    vault.put("PUBLIC_JWT_SIGNING_KEY", keys.verification_key(keys.signing_key(2048)), Origin.IMPORTED)

    with pytest.raises(MaterialError, match="was not"):
        planned(alone, WHOLE)
    with pytest.raises(MaterialError, match="different pairs"):
        planned(vault, WHOLE)
    alone.put("PRIVATE_JWT_SIGNING_KEY", signing, Origin.IMPORTED)
    assert "PRIVATE_JWT_SIGNING_KEY" not in planned(alone, WHOLE)


def test_a_new_name_renews_the_certificate_and_keeps_its_key_and_authority(vault):
    run(vault)
    before = {name: vault.value(name) for name in ("key-flowkit.pem", "ca-flowkit.pem", "ca-key-flowkit.pem")}
    choices = Choices(variables=VARIABLES | {"TLS_NAMES": "flowkit.example.org,localhost"})

    done = run(vault, choices=choices)

    assert [str(action) for action in done.values()] == ["renew cert-flowkit.pem: it is not for flowkit.example.org"]
    assert "flowkit.example.org" in certificates.describe(vault.value("cert-flowkit.pem")).names
    assert {name: vault.value(name) for name in before} == before
    assert planned(vault, choices=choices) == {}
    assert planned(vault) == {}  # a name too many does no harm


def at(step: ValuesStep, now: datetime) -> Facts:
    return replace(step.look(), now=now)


def test_a_certificate_is_renewed_in_its_last_thirty_days_and_not_before(vault):
    run(vault)
    step = ValuesStep(vault, CORE, CHOICES)
    end = certificates.describe(vault.value("cert-flowkit.pem")).not_after

    assert step.plan(at(step, end - timedelta(days=30, hours=1))).actions == ()
    for left in (timedelta(days=29, hours=23), timedelta(0), timedelta(days=-100)):
        [action] = step.plan(at(step, end - left)).actions
        assert action == Renew("cert-flowkit.pem", f"it expires on {end:%Y-%m-%d}", 2)


def test_the_authority_is_renewed_while_a_whole_leaf_still_fits_and_takes_its_leaf_along(vault):
    run(vault)
    step = ValuesStep(vault, CORE, CHOICES)
    end = certificates.describe(vault.value("ca-flowkit.pem")).not_after

    actions = step.plan(at(step, end - certificates.LEAF_LIFETIME - timedelta(days=29))).actions
    step.act(actions)

    assert [getattr(action, "name") for action in actions] == ["ca-flowkit.pem", "cert-flowkit.pem"]  # noqa: B009
    assert certificates.belongs_to(vault.value("ca-flowkit.pem"), vault.value("ca-key-flowkit.pem"))
    assert certificates.is_issued_by(vault.value("cert-flowkit.pem"), vault.value("ca-flowkit.pem"))
    assert planned(vault) == {}


def test_an_imported_key_gets_a_certificate_of_ours(vault):
    run(vault)
    vault.put("key-flowkit.pem", keys.signing_key(2048), Origin.IMPORTED)

    done = run(vault)

    assert [str(action) for action in done.values()] == [
        "renew cert-flowkit.pem: it does not belong to key-flowkit.pem"
    ]
    assert certificates.belongs_to(vault.value("cert-flowkit.pem"), vault.value("key-flowkit.pem"))


def test_an_imported_authority_signs_our_certificate(vault):
    run(vault)
    key = keys.elliptic_key()
    vault.put("ca-key-flowkit.pem", key, Origin.IMPORTED)
    vault.put("ca-flowkit.pem", certificates.authority(key, datetime.now(UTC)), Origin.IMPORTED)

    done = run(vault)

    assert [str(action) for action in done.values()] == ["renew cert-flowkit.pem: it was not issued by ca-flowkit.pem"]
    assert planned(vault) == {}


def test_an_imported_authority_without_its_key_is_refused_where_it_would_have_to_sign(vault):
    own = trustme.CA()
    vault.put("ca-flowkit.pem", Sensitive(own.cert_pem.bytes()), Origin.IMPORTED)

    with pytest.raises(MaterialError, match=r"ca-key-flowkit\.pem was not"):
        planned(vault)
    assert "ca-key-flowkit.pem" in planned(vault, ("flowdb",))


def imported_certificate(vault, *hosts, **options) -> None:
    leaf = trustme.CA().issue_cert(*(hosts or ("flowkit.example.org",)), **options)
    vault.put("cert-flowkit.pem", Sensitive(leaf.cert_chain_pems[0].bytes()), Origin.IMPORTED)
    vault.put("key-flowkit.pem", Sensitive(leaf.private_key_pem.bytes()), Origin.IMPORTED)


def test_an_imported_certificate_is_never_renewed(vault):
    imported_certificate(vault, not_after=datetime.now(UTC) + timedelta(days=3))
    run(vault)

    step = ValuesStep(vault, CORE, Choices(variables=VARIABLES | {"TLS_NAMES": "another.example.org"}))
    plan = step.plan(step.look())

    assert plan.actions == ()
    [line] = [line for line in plan.unchanged if line.subject == "cert-flowkit.pem"]
    assert line.reason.startswith("imported, expires on ")


def test_half_of_an_imported_pair_is_refused(vault):
    imported_certificate(vault)
    alone = Vault.in_memory()
    alone.put("cert-flowkit.pem", vault.value("cert-flowkit.pem"), Origin.IMPORTED)

    with pytest.raises(MaterialError, match=r"key-flowkit\.pem was not"):
        planned(alone)
    vault.put("key-flowkit.pem", keys.elliptic_key(), Origin.IMPORTED)
    with pytest.raises(MaterialError, match="different pairs"):
        planned(vault)


def test_the_plan_needs_no_vault_but_facts():
    step = ValuesStep(Vault.in_memory(), ("flowdb",), CHOICES)
    there = {row.name: Fact() for row in SECRETS}
    there["FLOWDB_POSTGRES_PASSWORD"] = Fact(3, Origin.GENERATED, datetime(2026, 1, 2, tzinfo=UTC))

    plan = step.plan(Facts(there, datetime.now(UTC)))

    assert [str(line) for line in plan.unchanged] == [
        "FLOWDB_POSTGRES_PASSWORD: in the vault since 2026-01-02, generation 3"
    ]
    assert Generate("FLOWMACHINE_FLOWDB_PASSWORD", "16 letters and digits") in plan.actions


def test_a_name_that_cannot_stand_in_a_certificate_stops_the_plan(vault):
    with pytest.raises(MaterialError, match="cannot stand in a certificate"):
        planned(vault, choices=Choices(variables=VARIABLES | {"TLS_NAMES": "https://flowkit"}))
