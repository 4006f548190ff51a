"""The table of variables and the kinds of values in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrets_quickstart.catalog import images, secrets, sources, targets
from secrets_quickstart.catalog.components import COMPONENTS, SERVICES
from secrets_quickstart.catalog.variables import BY_NAME, COMPONENT_OF, VARIABLES
from secrets_quickstart.catalog.variables.quantities import (
    GB,
    KB,
    MB,
    Duration,
    Flag,
    Integer,
    Number,
    Port,
    Size,
    size_text,
)
from secrets_quickstart.catalog.variables.words import (
    Address,
    AddressPool,
    Choice,
    Location,
    Names,
    RoleName,
    Text,
)

patient = settings(deadline=None)  # a busy machine is no failure

DEPLOYMENT_PAGE = """
CACHE_SIZE CACHE_PROTECTED_PERIOD CACHE_HALF_LIFE MAX_CPUS SHARED_BUFFERS_SIZE MAX_WORKERS MAX_WORKERS_PER_GATHER
EFFECTIVE_CACHE_SIZE FLOWDB_ENABLE_POSTGRES_DEBUG_MODE MAX_LOCKS_PER_TRANSACTION
FLOWDB_HOST_PORT FLOWDB_HOST_USER_ID FLOWDB_HOST_GROUP_ID FLOWDB_DATA_DIR FLOWDB_ETL_DIR
FLOWETL_HOST_PORT FLOWETL_HOST_USER_ID FLOWETL_HOST_GROUP_ID FLOWETL_HOST_DAG_DIR FLOWETL_WORKER_COUNT
FLOWETL_CELERY_PORT
DB_URI RESET_FLOWAUTH_DB FLOWAUTH_CACHE_BACKEND FLOWAUTH_REDIS_HOST FLOWAUTH_REDIS_PORT FLOWAUTH_REDIS_DB
FLOWAUTH_CACHE_FILE
FLOWMACHINE_PORT FLOWMACHINE_SERVER_DEBUG_MODE FLOWMACHINE_SERVER_DISABLE_DEPENDENCY_CACHING
FLOWMACHINE_CACHE_PRUNING_FREQUENCY FLOWMACHINE_CACHE_PRUNING_TIMEOUT FLOWMACHINE_LOG_LEVEL
FLOWMACHINE_SERVER_THREADPOOL_SIZE DB_CONNECTION_POOL_SIZE DB_CONNECTION_POOL_OVERFLOW
REDIS_HOST_PORT FLOWAPI_HOST_PORT CONTAINER_TAG
"""


@pytest.mark.parametrize("name", DEPLOYMENT_PAGE.split())
def test_what_the_deployment_page_names_can_be_set(name):
    assert name in BY_NAME


def test_no_name_stands_for_two_variables():
    names = [name for row in VARIABLES for name in (row.name, *row.also)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", VARIABLES, ids=lambda row: row.name)
def test_every_row_is_complete(row):
    assert row.comment.endswith(".")
    if row.default is None:
        assert row.otherwise.endswith("."), "it has to say what happens without a value"
    else:
        value = row.kind.parse(row.default)
        text = row.kind.text(value)
        assert text is None or row.kind.parse(text) == value


def test_no_secret_is_a_variable():
    for secret in secrets.SECRETS:
        match secret.source:
            case sources.FromVariable(variable):
                row = BY_NAME[variable]
                assert row.default is not None, "a secret needs a value"
                assert COMPONENT_OF[variable] in (*secret.components, *secret.kept_for)
            case _:
                assert secret.name not in BY_NAME


def test_the_other_tables_name_only_variables_that_there_are():
    published = {name for name, row in BY_NAME.items() if isinstance(row.kind, Port) and row.kind.published}
    named = {variable for service in SERVICES.values() for variable in service.ports}
    assert named <= published
    assert {image.tag_variable for image in images.IMAGES if image.tag_variable} <= BY_NAME.keys()
    assert set(COMPONENT_OF.values()) <= {"", *(component.name for component in COMPONENTS)}
    for target in targets.TARGETS:
        for name, text in target.overrides.items():
            BY_NAME[name].kind.parse(text)


def test_the_longest_stack_name_leaves_room_for_every_secret():
    longest = BY_NAME["FLOWKIT_STACK"].kind.parse("a" * 20)
    names = [secret.name for secret in secrets.SECRETS]
    # generations are counted up to 999
    assert max(len(f"{longest}_{name}_g999") for name in names) <= 64
    with pytest.raises(ValueError, match="at most 20"):
        BY_NAME["FLOWKIT_STACK"].kind.parse("a" * 21)


@pytest.mark.parametrize(
    ("kind", "text", "value", "told"),
    [
        (Size(), "16GB", 16 * GB, "16GB"),
        (Size(), "1.5 gb", 1536 * MB, "1536MB"),
        (Size(), "512m", 512 * MB, "512MB"),
        (Size(), "2GiB", 2 * GB, "2GB"),
        (Size(), "16384kB", 16 * MB, "16MB"),
        (Size(), "1025B", KB, "1kB"),
        (Size(plain=True), "10GB", 10 * GB, "10737418240"),
        (Size(plain=True), "12345", 12345, "12345"),
        (Port(), "9000", 9000, "9000"),
        (Flag(), "TRUE", True, "true"),
        (Flag(), "off", False, "false"),
        (Flag(unset_when_false=True), "false", False, None),
        (Flag(unset_when_false=True), "yes", True, "true"),
        (Duration(), "90", 90, "90"),
        (Duration(), "10m", 600, "600"),
        (Duration(), "24h", 86400, "86400"),
        (Duration(), "7d", 604800, "604800"),
        (Number(10**9), "1000", 1000.0, "1000"),
        (Number(10**9), "0.25", 0.25, "0.25"),
        (Choice(("redis", "file"), upper=True), "Redis", "redis", "REDIS"),
        (RoleName(), "flowapi", "flowapi", "flowapi"),
        (Names(), "api.example.org, 10.0.0.7 API.example.org", ("api.example.org", "10.0.0.7"), None),
        (Names(), "::0001,*.Example.org", ("::1", "*.example.org"), "::1,*.example.org"),
        (Names(), "", (), ""),
        (Address(), "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        (AddressPool(), "10.88.0.0/16", "10.88.0.0/16", "10.88.0.0/16"),
    ],
)
def test_what_is_meant_is_understood(kind, text, value, told):
    assert kind.parse(text) == value
    assert told is None or kind.text(value) == told


@pytest.mark.parametrize(
    ("kind", "text", "because"),
    [
        (Size(), "16", "no unit"),
        (Size(), "16 GBs", "is not a size"),
        (Size(), "-1GB", "is not a size"),
        (Size(low=64 * MB), "1MB", "from 64MB to"),
        (Size(), "9999999TB", "to 1024TB"),
        (Size(plain=True), "ten", "number of bytes"),
        (Port(), "0", "port from 1 to 65535"),
        (Port(), "65536", "port from 1 to 65535"),
        (Port(), "٩٠", "port from 1 to 65535"),
        (Flag(), "maybe", "true or false"),
        (Duration(), "1 week", "a time such as"),
        (Duration(low=10), "5", "from 10 to"),
        (Integer(12, 128), "11", "from 12 to 128"),
        (Integer(12, 128), "12.0", "from 12 to 128"),
        (Number(10), "0", "above 0"),
        (Number(10), "1e3", "above 0"),
        (Choice(("host", "ingress")), "bogus", "host or ingress"),
        (Location(), "/data:/etc", "colon"),
        (Location(), "/da\nta", "control"),
        (Location(), "~bob/data", "another user's home"),
        (RoleName(), "FlowAPI", "small letters"),
        (RoleName(), "pg_read", "uses itself"),
        (RoleName(), "flowdb", "uses itself"),
        (Names(), "a..b", "host name"),
        (Names(), "999.1.1.1", "host name"),
        (Address(), "localhost", "IP address"),
        (AddressPool(), "8.8.0.0/16", "private"),
        (AddressPool(), "10.88.0.1/16", "private"),
        (AddressPool(), "10.88.0.0/24", "private"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(kind, text, because):
    with pytest.raises(ValueError, match=because):
        kind.parse(text)


def test_flowmachines_role_has_one_name_and_the_message_says_why():
    with pytest.raises(ValueError, match="has to be flowmachine: FlowMachine gives its tables"):
        BY_NAME["FLOWMACHINE_FLOWDB_USER"].kind.parse("analyst")


def test_a_password_in_the_database_uri_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="stands for the password") as refused:
        BY_NAME["DB_URI"].kind.parse("postgresql://flowauth:hunter2@db:5432/flowauth")
    assert "hunter2" not in str(refused.value)


def test_a_hidden_text_is_shown_nowhere_and_a_long_one_is_cut():
    with pytest.raises(ValueError, match=r"^it is not a word$"):
        Text("a word", "[a-z]+", hidden=True).parse("S3CRET")
    with pytest.raises(ValueError, match="…") as refused:
        Text("a word", "[a-z]+").parse("X" * 500)
    assert len(str(refused.value)) < 80


TEXTS = st.text(max_size=30) | st.from_regex(r"[0-9.]{1,6} ?[kmgtsd]?[bB]?", fullmatch=True)


@settings(max_examples=500, deadline=None)
@given(row=st.sampled_from(VARIABLES), text=TEXTS)
def test_any_text_is_a_value_or_a_mistake_and_a_value_stays_itself(row, text):
    try:
        value = row.kind.parse(text)
    except ValueError as problem:
        refusal = str(problem)
        assert refusal.isprintable()
        return
    told = row.kind.text(value)
    assert told is None or (told.isprintable() and row.kind.parse(told) == value)


@patient
@given(st.integers(min_value=1, max_value=2**50))
def test_a_size_is_written_without_loss(kilobytes):
    assert Size(high=2**61).parse(size_text(kilobytes * KB)) == kilobytes * KB
