"""The variables of FlowAuth, its database and its redis."""

from __future__ import annotations

from secrets_quickstart.catalog.variables.flowmachine import LEVELS, MEMORY
from secrets_quickstart.catalog.variables.quantities import Flag, Integer, Port
from secrets_quickstart.catalog.variables.variable import Variable
from secrets_quickstart.catalog.variables.words import Choice, Text

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"

HOST = Text("a host name", r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")

VARIABLES = (
    Variable(
        "FLOWAUTH_ADMIN_USER",
        Text("a name of at most 75 characters without blanks", r"[A-Za-z0-9][\w.@+-]{0,74}"),
        "admin",
        "The name of FlowAuth's first administrator.",
        also=("FLOWAUTH_ADMIN_USERNAME",),
    ),
    Variable(
        "FLOWAUTH_ANALYST_USER",
        Text("a name of at most 75 characters without blanks", r"[A-Za-z0-9][\w.@+-]{0,74}"),
        "analyst",
        "The name of the first user, whom quickstart makes together with FlowAuth's roles.",
    ),
    Variable(
        "FLOWAUTH_REPLICAS",
        Integer(1, 20),
        "1",
        "How many FlowAuths run side by side. More than one needs FLOWAUTH_CACHE_BACKEND=redis.",
    ),
    Variable(
        "DB_URI",
        Text(
            "of the form postgresql://user:{}@host:5432/database, where {} stands for the password",
            r"postgresql(\+[a-z0-9]+)?://[\w.-]+:\{\}@[\w.-]+(:\d{1,5})?/[\w-]+(\?[\w=&./-]*)?",
            hidden=True,
        ),
        "postgresql://flowauth:{}@flowauth_postgres:5432/flowauth",
        "FlowAuth's database; FLOWAUTH_DB_PASSWORD takes the place of {}.",
    ),
    Variable(
        "RESET_FLOWAUTH_DB",
        Flag(unset_when_false=True),
        "false",
        "Whether FlowAuth DELETES ALL ITS USERS, ROLES AND TOKENS each time it starts.",
    ),
    Variable(
        "FLOWAUTH_CACHE_BACKEND",
        Choice(("redis", "file", "memory"), upper=True),
        "redis",
        "Where two-factor codes that were used are remembered: file or memory serve one instance only.",
    ),
    Variable(
        "FLOWAUTH_CACHE_FILE",
        Text("an absolute path in the container", r"/[\w./-]{1,255}"),
        "/dev/shm/flowauth_last_used_cache",  # noqa: S108 -- FlowAuth's own default, in its container
        "That file, in FlowAuth's container.",
    ),
    Variable("FLOWAUTH_REDIS_HOST", HOST, "flowauth_redis", "The redis for it."),
    Variable("FLOWAUTH_REDIS_PORT", Port(), "6379", "That redis's port."),
    Variable("FLOWAUTH_REDIS_DB", Integer(0, 15), "0", "The number of the database in that redis."),
    Variable("FLOWAUTH_LOG_LEVEL", LEVELS, "error", "How much FlowAuth says."),
    Variable(
        "FLOWAUTH_TWO_FACTOR_ISSUER",
        Text("a name of at most 64 letters, digits, blanks and . _ -", r"[\w.-][\w. -]{0,63}"),
        "FlowAuth",
        "The name that authenticator apps show.",
    ),
    Variable(
        "TWO_FACTOR_VALID_WINDOW",
        Integer(0, 10),
        "0",
        "How many codes before and after the current one are good too, for clocks that are off.",
    ),
    Variable("FLOWAUTH_MEMORY_LIMIT", MEMORY, "1GB", "FlowAuth's container is stopped if it takes more."),
)

EDGE = (
    Variable(
        "FLOWAUTH_HOST_PORT",
        Port(published=True),
        "443",
        "The port of this machine where FlowAuth answers, over HTTPS.",
    ),
    Variable(
        "EDGE_HTTP_PORT",
        Port(published=True),
        "80",
        "The port for plain HTTP, which leads to HTTPS, and where ACME may ask.",
    ),
    Variable("DOMAIN_NAME", HOST, "localhost", "The name by which people reach FlowAuth."),
    Variable(
        "FLOWAUTH_CERTIFICATE",
        Choice(("vault", "acme")),
        "vault",
        "Where FlowAuth's certificate comes from: vault is our own authority's, or yours after "
        "`invoke certs.install --flowauth`; acme is acquired from Let's Encrypt for DOMAIN_NAME, and renewed.",
    ),
    Variable(
        "EMAIL_ADDRESS",
        Text("an e-mail address", r"[\w.+-]{1,64}@[\w-]+(\.[\w-]+)*"),
        None,
        "Where Let's Encrypt writes to about that certificate.",
        otherwise="it writes to nobody.",
    ),
    Variable(
        "ACME_DIRECTORY",
        Text("an https:// address", r"https://[\w.-]+(:\d{1,5})?(/[\w./-]*)?"),
        LETS_ENCRYPT,
        "The ACME directory that is asked for it. It has to be vouched for by a public authority, or by one in "
        "trusted-flowkit.pem (`invoke secrets.import`).",
    ),
    Variable("EDGE_MEMORY_LIMIT", MEMORY, "256MB", "The edge's container is stopped if it takes more."),
)
