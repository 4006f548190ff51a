"""What FlowAuth reads at start, and what it refuses to start with."""

import base64

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.flowauth_package import module

configuration = module("configuration")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
LEAST = {
    "FLOWAUTH_ADMIN_USERNAME": "admin",
    "FLOWAUTH_ADMIN_PASSWORD": "secret one",
    "FLOWAUTH_FERNET_KEY": Fernet.generate_key().decode(),
    "SECRET_KEY": "sixteen characters",
    "PRIVATE_JWT_SIGNING_KEY": PEM,
}


def read(tmp_path, **changes):
    return configuration.read({**LEAST, **changes}, tmp_path)


def test_the_defaults_are_the_documented_ones(tmp_path):
    settings = read(tmp_path)
    assert settings.database_url.startswith("sqlite:///")
    assert settings.cache.backend == "file"
    assert settings.cache.file == "/dev/shm/flowauth_last_used_cache"
    assert (settings.port, settings.proxies, settings.two_factor_window) == (80, 0, 0)
    assert settings.two_factor_issuer == "FlowAuth"
    assert not settings.reset


def test_a_secret_file_counts_before_a_variable_and_its_blanks_do_not(tmp_path):
    (tmp_path / "FLOWAUTH_ADMIN_PASSWORD").write_text("  from the file\n")
    assert read(tmp_path).admin_password == "from the file"


def test_the_admin_may_come_under_the_documented_name(tmp_path):
    environment = {k: v for k, v in LEAST.items() if k != "FLOWAUTH_ADMIN_USERNAME"}
    assert configuration.read({**environment, "FLOWAUTH_ADMIN_USER": "ada"}, tmp_path).admin_username == "ada"


def test_everything_that_is_missing_is_named_at_once(tmp_path):
    with pytest.raises(configuration.Misconfigured) as problem:
        configuration.read({"FLOWAUTH_CACHE_BACKEND": "REDIS"}, tmp_path)
    for name in (*configuration.REQUIRED, "FLOWAUTH_REDIS_HOST"):
        assert name in str(problem.value)


def test_everything_that_is_wrong_is_named_without_quoting_secrets(tmp_path):
    with pytest.raises(configuration.Misconfigured) as problem:
        read(
            tmp_path,
            FLOWAUTH_FERNET_KEY="not-a-fernet",
            PRIVATE_JWT_SIGNING_KEY="not-a-key",
            SECRET_KEY="tooshort",
            FLOWAUTH_PORT="eighty",
        )
    text = str(problem.value)
    for name in ("FLOWAUTH_FERNET_KEY", "PRIVATE_JWT_SIGNING_KEY", "SECRET_KEY", "FLOWAUTH_PORT"):
        assert name in text
    for secret in ("not-a-fernet", "not-a-key", "tooshort"):
        assert secret not in text


def test_no_secret_is_in_the_configurations_text(tmp_path):
    settings = read(
        tmp_path, DB_URI="postgresql://f:{}@h/f", FLOWAUTH_DB_PASSWORD="hush", FLOWAUTH_REDIS_PASSWORD="psst"
    )
    for secret in (LEAST["FLOWAUTH_ADMIN_PASSWORD"], LEAST["SECRET_KEY"], LEAST["FLOWAUTH_FERNET_KEY"], "hush", "psst"):
        assert secret not in repr(settings)


@pytest.mark.parametrize("password", ["p@s:s/w#r%d?& {}\\x", "Ünï cödé+", "", "plain"])
def test_any_password_comes_out_of_the_database_url_as_it_went_in(password):
    from urllib.parse import unquote, urlsplit

    url = configuration.database_url("postgresql://flowauth:{}@db:5432/flowauth", password)
    parts = urlsplit(url)
    assert (parts.username, parts.hostname, parts.port, parts.path) == ("flowauth", "db", 5432, "/flowauth")
    assert unquote(parts.password or "") == password


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_name_of_postgresql_means_the_installed_driver(scheme):
    assert configuration.database_url(f"{scheme}://h/d", "").startswith("postgresql+psycopg://")


def test_other_braces_in_the_database_url_stay():
    assert configuration.database_url("postgresql://u:{}@h/{name}", "x").endswith("u:x@h/{name}")


@pytest.mark.parametrize(
    ("text", "backend"), [("redis", "redis"), ("REDIS", "redis"), ("FILE", "file"), ("x", "memory")]
)
def test_the_cache_backends_case_does_not_matter(tmp_path, text, backend):
    assert read(tmp_path, FLOWAUTH_CACHE_BACKEND=text, FLOWAUTH_REDIS_HOST="r").cache.backend == backend


def test_the_signing_key_may_be_base64_of_its_pem(tmp_path):
    settings = read(tmp_path, PRIVATE_JWT_SIGNING_KEY=base64.b64encode(PEM.encode()).decode())
    assert settings.signing_key.private_numbers() == KEY.private_numbers()


def test_demo_mode_is_refused_and_false_is_not_demo_mode(tmp_path):
    with pytest.raises(configuration.Misconfigured, match="DEMO_MODE"):
        read(tmp_path, DEMO_MODE="true")
    read(tmp_path, DEMO_MODE="false")


def test_only_a_clear_yes_resets_the_database(tmp_path):
    assert read(tmp_path, RESET_FLOWAUTH_DB="true").reset
    assert not read(tmp_path, RESET_FLOWAUTH_DB="false").reset
    assert not read(tmp_path, RESET_FLOWAUTH_DB="").reset
    with pytest.raises(configuration.Misconfigured, match="RESET_FLOWAUTH_DB"):
        read(tmp_path, RESET_FLOWAUTH_DB="perhaps")
