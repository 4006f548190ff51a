from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.catalog.secrets import SECRETS, Secret
from secrets_quickstart.catalog.sources import Derived, FromVariable, Password, SigningKey
from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import certificates, keys, own_certificate
from secrets_quickstart.material.ahead import SigningKeyAhead
from secrets_quickstart.material.generation import Choices, generate, needs
from secrets_quickstart.sensitive import Sensitive

VARIABLES = {row.source.variable: f"v-{row.name.lower()}" for row in SECRETS if isinstance(row.source, FromVariable)}
CHOICES = Choices(20, VARIABLES | {"TLS_NAMES": "flowkit.example.org"})


def row(source, name="ROW") -> Secret:
    return Secret(name, "for a test", source, ())


@pytest.fixture(scope="module")
def values() -> dict[str, Sensitive]:
    """A value for each row of the table, in its order, with short RSA keys."""
    made: dict[str, Sensitive] = {}
    for one in SECRETS:
        wanted = row(SigningKey(2048), one.name) if isinstance(one.source, SigningKey) else one
        made[one.name] = generate(wanted, made, CHOICES)
    return made


def test_every_row_stands_below_the_rows_it_needs():
    seen: set[str] = set()
    for one in SECRETS:
        assert set(needs(one.source)) <= seen, one.name
        seen.add(one.name)


def test_every_row_can_be_made(values):
    assert list(values) == [one.name for one in SECRETS]


def test_no_value_but_a_pem_holds_a_newline(values):
    for name, value in values.items():
        text = value.text()
        assert text.startswith("-----BEGIN") or "\n" not in text, name
        assert text


def test_passwords_have_the_chosen_length_and_are_all_different(values):
    passwords = [values[one.name].text() for one in SECRETS if isinstance(one.source, Password)]

    assert {len(text) for text in passwords} == {20}
    assert len(set(passwords)) == len(passwords)


def test_a_default_password_has_sixteen_characters():
    assert len(generate(row(Password()), {}, Choices())) == 16


def test_the_pairs_belong_together(values):
    assert keys.verification_key(values["PRIVATE_JWT_SIGNING_KEY"]) == values["PUBLIC_JWT_SIGNING_KEY"]
    assert certificates.belongs_to(values["ca-flowkit.pem"], values["ca-key-flowkit.pem"])
    assert certificates.belongs_to(values["cert-flowkit.pem"], values["key-flowkit.pem"])
    assert certificates.is_issued_by(values["cert-flowkit.pem"], values["ca-flowkit.pem"])


def test_the_certificate_passes_what_is_asked_of_an_operators_own(values):
    facts = certificates.describe(values["cert-flowkit.pem"])
    wanted = ["flowkit.api", "flow.api", "localhost", "127.0.0.1", "::1", "flowkit.example.org"]

    own_certificate.check_pair(
        values["cert-flowkit.pem"],
        values["key-flowkit.pem"],
        wanted,
        facts.not_before + (facts.not_after - facts.not_before) / 2,
    )


def test_a_signing_key_has_the_size_of_its_row():
    for bits in (2048, 3072):
        assert bits_of(generate(row(SigningKey(bits)), {}, CHOICES)) == bits
    assert SigningKey().bits == 4096


def bits_of(value):
    key = load_pem_private_key(value.reveal(), None)
    assert isinstance(key, RSAPrivateKey)
    return key.key_size


def test_a_key_that_was_begun_ahead_is_given_once_and_only_for_its_length():
    begun = SigningKeyAhead(2048)
    choices = Choices(signing_key=begun)

    another, first, second = (generate(row(SigningKey(bits)), {}, choices) for bits in (3072, 2048, 2048))

    assert [bits_of(key) for key in (another, first, second)] == [3072, 2048, 2048]
    assert first != second


def test_a_key_that_could_not_be_made_ahead_says_so_to_whoever_asks_for_it():
    with pytest.raises(ValueError, match="key_size"):
        SigningKeyAhead(1)(1)


def test_fernet_keys_are_fernet_keys(values):
    for name in ("FLOWAUTH_FERNET_KEY", "AIRFLOW__CORE__FERNET_KEY"):
        Fernet(values[name].reveal())


def test_a_variable_becomes_a_value_as_it_is(values):
    assert values["FLOWAPI_IDENTIFIER"].text() == "v-flowapi_identifier"


@pytest.mark.parametrize("variables", [{}, {"NAME": ""}])
def test_an_empty_variable_is_an_error_that_names_it(variables):
    with pytest.raises(MaterialError, match="NAME is empty"):
        generate(row(FromVariable("NAME")), {}, Choices(variables=variables))


def test_a_connection_string_carries_the_password_it_is_built_on(values):
    found = urlsplit(values["AIRFLOW_CONN_FLOWDB"].text())

    assert (found.scheme, found.username, found.hostname, found.port) == ("postgresql", "flowdb", "flowdb", 5432)
    assert found.password == values["FLOWDB_POSTGRES_PASSWORD"].text()
    assert urlsplit(values["AIRFLOW__CELERY__BROKER_URL"].text()).password == values["FLOWETL_REDIS_PASSWORD"].text()
    assert (
        values["AIRFLOW__CELERY__RESULT_BACKEND"].text() == "db+" + values["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].text()
    )


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_any_password_survives_in_a_url(password):
    assert generate(
        row(Derived("user:{PASSWORD}", quoted=False)), {"PASSWORD": Sensitive("a/b")}, CHOICES
    ) == Sensitive("user:a/b")
    source = Derived("postgresql://flowdb:{PASSWORD}@flowdb:5432/flowdb")

    made = generate(row(source), {"PASSWORD": Sensitive(password)}, CHOICES).text()

    found = urlsplit(made)
    assert unquote(found.password or "") == password
    assert (found.hostname, found.port, found.path) == ("flowdb", 5432, "/flowdb")
    assert made.isascii()


def test_a_text_that_is_no_url_takes_its_parts_as_they_are():
    source = Derived("user:{PASSWORD}", quoted=False)

    assert generate(row(source), {"PASSWORD": Sensitive("a/b")}, CHOICES).text() == "user:a/b"


def test_a_missing_part_is_named():
    with pytest.raises(MaterialError, match="it needs PASSWORD") as caught:
        generate(row(Derived("x:{PASSWORD}")), {}, CHOICES)

    assert "import PASSWORD" in caught.value.fix


def test_planning_does_not_import_cryptography():
    code = "import sys, secrets_quickstart.steps.values; sys.exit('cryptography' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False)

    assert done.returncode == 0
