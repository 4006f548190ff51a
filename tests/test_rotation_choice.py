"""Which secrets get new values, and what is said of the others."""

from datetime import UTC, datetime, timedelta

import pytest

from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.rotation import AFTERWARDS, ROLES, SEALINGS
from secrets_quickstart.catalog.secrets import BY_NAME, DATABASE_PASSWORDS, SECRETS
from secrets_quickstart.catalog.sources import FernetKey
from secrets_quickstart.errors import UsageError
from secrets_quickstart.operations.rotation_choice import Wish, chosen
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.vault import Origin, Vault

ALL = tuple(part.name for part in COMPONENTS)
NOW = datetime.now(UTC)


@pytest.fixture
def vault():
    made = Vault.in_memory()
    for row in SECRETS:
        made.put(row.name, Sensitive(b"x"), Origin.GENERATED)
    return made


def choose(vault, wish, tmp_path, components=ALL, local=ALL, now=NOW, **variables):
    return chosen(wish, vault, components, load(tmp_path, {"HOME": str(tmp_path), **variables}), now, local=local)


def test_everything_is_all_that_we_make_but_the_certificate_authority(vault, tmp_path):
    names = choose(vault, Wish(everything=True), tmp_path)

    assert len(names) == 18
    assert "ca-key-flowkit.pem" not in names
    assert "FLOWAUTH_ANALYST_PASSWORD" not in names


def test_the_certificate_authority_goes_by_its_name(vault, tmp_path):
    assert choose(vault, Wish(("ca-key-flowkit.pem",)), tmp_path) == ("ca-key-flowkit.pem",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("FLOWAPI_FLOWDB_USER", "set FLOWAPI_FLOWDB_USER in .env"),
        ("AIRFLOW_CONN_FLOWDB", "--names FLOWDB_POSTGRES_PASSWORD"),
        ("PUBLIC_JWT_SIGNING_KEY", "--names PRIVATE_JWT_SIGNING_KEY"),
        ("AIRFLOW_DATABASE__SQL_ALCHEMY_CONN", "--names FLOWETL_POSTGRES_PASSWORD"),
        ("AIRFLOW__CELERY__FLOWER_BASIC_AUTH", "--names FLOWETL_CELERY_PASSWORD"),
        ("cert-flowkit.pem", "--names key-flowkit.pem"),
        ("FLOWAUTH_ANALYST_PASSWORD", "flowauth.reset-password"),
        ("FLOWAUTH_PASSWORD", "secrets.list"),
    ],
)
def test_what_is_not_made_here_is_refused_with_the_way_to_do_it(vault, tmp_path, name, said):
    with pytest.raises(UsageError) as refused:
        choose(vault, Wish((name,)), tmp_path)

    assert said in refused.value.fix


def test_what_nothing_deployed_uses_is_refused_and_left_out(vault, tmp_path):
    with pytest.raises(UsageError, match="nothing that is deployed uses it"):
        choose(vault, Wish(("FLOWAUTH_DB_PASSWORD",)), tmp_path, components=("flowdb",))

    assert choose(vault, Wish(everything=True), tmp_path, components=("flowdb",)) == DATABASE_PASSWORDS


def test_an_official_flowauth_would_lose_what_it_keeps(vault, tmp_path):
    with pytest.raises(UsageError, match="would lose every token"):
        choose(vault, Wish(("FLOWAUTH_FERNET_KEY",)), tmp_path, local=())

    assert "FLOWAUTH_FERNET_KEY" not in choose(vault, Wish(everything=True), tmp_path, local=())
    assert "AIRFLOW__CORE__FERNET_KEY" in choose(vault, Wish(everything=True), tmp_path, local=())


def test_a_database_on_another_host_is_its_owners_to_tell(vault, tmp_path):
    with pytest.raises(UsageError, match="on another host"):
        choose(
            vault, Wish(("FLOWAUTH_DB_PASSWORD",)), tmp_path, DB_URI="postgresql://flowauth:{}@db.example.org/flowauth"
        )


def test_a_key_whose_other_half_was_imported_is_refused(vault, tmp_path):
    vault.put("PUBLIC_JWT_SIGNING_KEY", Sensitive(b"theirs"), Origin.IMPORTED)

    with pytest.raises(UsageError, match="was imported to go with it"):
        choose(vault, Wish(("PRIVATE_JWT_SIGNING_KEY",)), tmp_path)


def test_only_what_is_older_is_chosen(vault, tmp_path):
    later = NOW + timedelta(days=91)
    wish = Wish(older_than=timedelta(days=90))

    assert choose(vault, wish, tmp_path) == ()
    assert len(choose(vault, wish, tmp_path, now=later)) == 18


def test_nothing_named_is_a_mistake(vault, tmp_path):
    with pytest.raises(UsageError, match="nothing was named"):
        choose(vault, Wish(), tmp_path)


def test_the_tables_speak_of_secrets_that_there_are():
    assert {row.secret for row in (*ROLES, *SEALINGS)} | set(AFTERWARDS) <= set(BY_NAME)
    assert {row.secret for row in SEALINGS} == {row.name for row in SECRETS if isinstance(row.source, FernetKey)}
    passwords = {name for row in ROLES for name in row.database.passwords}
    assert {row.secret for row in ROLES} == passwords, "a database's role would not be told"
