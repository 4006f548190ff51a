"""The table of secrets: what each is for and where its value comes from; never a value.

The names are FlowKit's documented ones; where its code reads a
value under another, that is an Alias, in an object of its own: a service that mounts one object twice is given the two
mounts in any order, and restarted for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrets_quickstart.catalog.hosts import HOST_NAMES, LOOPBACK
from secrets_quickstart.catalog.sources import (
    Alias,
    AuthorityCertificate,
    AuthorityKey,
    Derived,
    FernetKey,
    FromVariable,
    LeafCertificate,
    LeafKey,
    Password,
    SigningKey,
    Source,
    TrustedCertificates,
    VerificationKey,
)


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret value."""

    name: str
    purpose: str
    source: Source
    components: tuple[str, ...]
    """The components whose stack files mount it; empty for one that stays in the vault."""
    kept_for: tuple[str, ...] = ()
    """The components for whose sake one that stays in the vault is made; empty for all."""
    public: bool = False
    """True for what may be given to anybody, such as a certificate."""


FLOWETL_DB = "postgresql://flowetl:{FLOWETL_POSTGRES_PASSWORD}@flowetl_db:5432/flowetl"

# A row stands below the rows it needs.
SECRETS = (
    Secret(
        "FLOWDB_POSTGRES_PASSWORD",
        "password of FlowDB's superuser flowdb",
        Password(),
        ("flowdb",),
    ),
    Secret(
        "FLOWMACHINE_FLOWDB_USER",
        "FlowMachine's role in FlowDB; its code knows no other name than flowmachine",
        FromVariable("FLOWMACHINE_FLOWDB_USER"),
        ("flowdb", "flowmachine"),
    ),
    Secret(
        "FLOWMACHINE_FLOWDB_PASSWORD",
        "password of FlowMachine's role in FlowDB",
        Password(),
        ("flowdb", "flowmachine"),
    ),
    Secret(
        "FLOWAPI_FLOWDB_USER",
        "FlowAPI's role in FlowDB",
        FromVariable("FLOWAPI_FLOWDB_USER"),
        ("flowdb", "flowapi"),
    ),
    Secret(
        "FLOWAPI_FLOWDB_PASSWORD",
        "password of FlowAPI's role in FlowDB",
        Password(),
        ("flowdb", "flowapi"),
    ),
    Secret(
        "REDIS_PASSWORD",
        "password of the redis that FlowMachine's queries are coordinated in",
        Password(),
        ("flowmachine",),
    ),
    Secret(
        "FLOWAPI_IDENTIFIER",
        "this FlowAPI's name: the audience of its tokens, and the server's name in FlowAuth",
        FromVariable("FLOWAPI_IDENTIFIER"),
        ("flowapi",),
    ),
    Secret(
        "PRIVATE_JWT_SIGNING_KEY",
        "FlowAuth signs tokens with it",
        SigningKey(),
        ("flowauth",),
    ),
    Secret(
        "PUBLIC_JWT_SIGNING_KEY",
        "FlowAPI verifies tokens with it",
        VerificationKey("PRIVATE_JWT_SIGNING_KEY"),
        ("flowapi",),
        public=True,
    ),
    Secret("ca-key-flowkit.pem", "key of our certificate authority", AuthorityKey(), ()),
    Secret(
        "ca-flowkit.pem",
        "certificate of our certificate authority, for clients to trust",
        AuthorityCertificate("ca-key-flowkit.pem"),
        (),
        public=True,
    ),
    Secret(
        "trusted-flowkit.pem",
        "whom FlowAuth trusts to be a FlowAPI, and its edge to be a certificate authority",
        TrustedCertificates("ca-flowkit.pem"),
        ("flowauth", "letsencrypt"),
        public=True,
    ),
    Secret("key-flowkit.pem", "key of the TLS certificate", LeafKey(), ("flowapi",)),
    Secret(
        "cert-flowkit.pem",
        "TLS certificate, followed by its CA's",
        LeafCertificate(
            "key-flowkit.pem", "ca-flowkit.pem", "ca-key-flowkit.pem", (*HOST_NAMES, *LOOPBACK), "TLS_NAMES"
        ),
        ("flowapi",),
        public=True,
    ),
    Secret("key-flowauth.pem", "key of FlowAuth's TLS certificate", LeafKey(), ("letsencrypt",)),
    Secret(
        "cert-flowauth.pem",
        "FlowAuth's TLS certificate, followed by its CA's",
        LeafCertificate("key-flowauth.pem", "ca-flowkit.pem", "ca-key-flowkit.pem", LOOPBACK, "DOMAIN_NAME"),
        ("letsencrypt",),
        public=True,
    ),
    Secret(
        "FLOWAUTH_ADMIN_USER",
        "name of FlowAuth's first administrator",
        FromVariable("FLOWAUTH_ADMIN_USER"),
        ("flowauth",),
    ),
    Secret(
        "FLOWAUTH_ADMIN_USERNAME",
        "the same name, as FlowAuth's code reads it",
        Alias("FLOWAUTH_ADMIN_USER"),
        ("flowauth",),
    ),
    Secret(
        "FLOWAUTH_ADMIN_PASSWORD",
        "password of FlowAuth's first administrator",
        Password(),
        ("flowauth",),
    ),
    Secret(
        "FLOWAUTH_ANALYST_USER",
        "name of the first user that quickstart makes in FlowAuth",
        FromVariable("FLOWAUTH_ANALYST_USER"),
        (),
        kept_for=("flowauth",),
    ),
    Secret(
        "FLOWAUTH_ANALYST_PASSWORD",
        "the password that this user begins with",
        Password(),
        (),
        kept_for=("flowauth",),
    ),
    Secret("FLOWAUTH_DB_PASSWORD", "password of FlowAuth's database", Password(), ("flowauth",)),
    Secret("FLOWAUTH_FERNET_KEY", "encrypts the tokens that FlowAuth keeps", FernetKey(), ("flowauth",)),
    Secret("SECRET_KEY", "signs FlowAuth's sessions and CSRF cookies", Password(), ("flowauth",)),
    Secret("FLOWAUTH_REDIS_PASSWORD", "password of FlowAuth's redis", Password(), ("flowauth",)),
    Secret(
        "FLOWETL_AIRFLOW_ADMIN_USERNAME",
        "name of Airflow's administrator",
        FromVariable("FLOWETL_AIRFLOW_ADMIN_USERNAME"),
        ("flowetl",),
    ),
    Secret("FLOWETL_AIRFLOW_ADMIN_PASSWORD", "password of Airflow's administrator", Password(), ("flowetl",)),
    Secret("FLOWETL_POSTGRES_PASSWORD", "password of Airflow's database", Password(), ("flowetl",)),
    Secret("FLOWETL_REDIS_PASSWORD", "password of Airflow's redis", Password(), ("flowetl",)),
    Secret(
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "where Airflow's database is",
        Derived(FLOWETL_DB),
        ("flowetl",),
    ),
    Secret(
        "AIRFLOW_DATABASE__SQL_ALCHEMY_CONN",
        "the same, under the documented name, which nothing reads",
        Alias("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"),
        ("flowetl",),
    ),
    Secret(
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
        "the same, under the name that the official entrypoint insists on",
        Alias("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"),
        ("flowetl",),
    ),
    Secret("AIRFLOW__CORE__FERNET_KEY", "encrypts connections in Airflow's database", FernetKey(), ("flowetl",)),
    Secret("AIRFLOW__WEBSERVER__SECRET_KEY", "signs Airflow's sessions and logs", Password(), ("flowetl",)),
    Secret(
        "AIRFLOW__CELERY__BROKER_URL",
        "where Airflow's queue is",
        Derived("redis://:{FLOWETL_REDIS_PASSWORD}@flowetl_redis:6379/0"),
        ("flowetl",),
    ),
    Secret(
        "AIRFLOW__CELERY__RESULT_BACKEND",
        "where Airflow's workers put their results",
        Derived("db+" + FLOWETL_DB),
        ("flowetl",),
    ),
    Secret(
        "AIRFLOW_CONN_FLOWDB",
        "how Airflow's tasks reach FlowDB",
        Derived("postgresql://flowdb:{FLOWDB_POSTGRES_PASSWORD}@flowdb:5432/flowdb"),
        ("flowetl",),
    ),
    Secret(
        "FLOWETL_CELERY_USER",
        "user of Flower, the page about Airflow's workers",
        FromVariable("FLOWETL_CELERY_USER"),
        ("flowetl",),
    ),
    Secret("FLOWETL_CELERY_PASSWORD", "password of that user", Password(), ("flowetl",)),
    Secret(
        "AIRFLOW__CELERY__FLOWER_BASIC_AUTH",
        "that user and password, as Flower reads them",
        Derived("{FLOWETL_CELERY_USER}:{FLOWETL_CELERY_PASSWORD}", quoted=False),
        ("flowetl",),
    ),
)

DATABASE_PASSWORDS = ("FLOWDB_POSTGRES_PASSWORD", "FLOWMACHINE_FLOWDB_PASSWORD", "FLOWAPI_FLOWDB_PASSWORD")
"""What FlowDB's roles are made with: a database keeps them, whatever a vault says later."""

BY_NAME = {secret.name: secret for secret in SECRETS}
