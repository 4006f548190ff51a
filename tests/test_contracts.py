"""What is said in two places is said alike: in stack files, in the catalog, in FlowKit's documentation."""

import re
from pathlib import Path

import pytest

from secrets_quickstart.catalog import components, images, memory, secrets, variables
from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.sources import FromVariable
from secrets_quickstart.catalog.targets import TARGETS
from secrets_quickstart.catalog.variables.words import Location
from secrets_quickstart.settings import load
from secrets_quickstart.steps.secrets import object_name, variable_of, wanted
from secrets_quickstart.swarm.stack_files import VARIABLE, StackFile

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "compose"
FILES = {component.name: StackFile(COMPOSE / component.stack_file) for component in COMPONENTS}
SETTINGS = load(ROOT / "tests", {})  # a folder without an .env
TEXTS = SETTINGS.stack_environment()

IGNORED_BY_STACK_DEPLOY = """
build cgroup_parent container_name cpu_shares cpus depends_on devices domainname expose external_links ipc links
mac_address mem_limit mem_reservation memswap_limit network_mode pid platform privileged profiles restart runtime scale
security_opt shm_size tmpfs userns_mode volumes_from
"""
"""Keys of Compose that the client warns of, drops or refuses (20.10 and 28, tried)."""

SERVICES = [pytest.param(one.name, service.name, id=service.name) for one in COMPONENTS for service in one.services]
ON_EVERY_COMPONENT = pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
ON_EVERY_SERVICE = pytest.mark.parametrize(("component", "service"), SERVICES)

DOCUMENTED = {
    "flowdb": """CACHE_SIZE CACHE_PROTECTED_PERIOD CACHE_HALF_LIFE MAX_CPUS SHARED_BUFFERS_SIZE MAX_WORKERS
        MAX_WORKERS_PER_GATHER EFFECTIVE_CACHE_SIZE FLOWDB_ENABLE_POSTGRES_DEBUG_MODE MAX_LOCKS_PER_TRANSACTION""",
    "flowmachine": """FLOWMACHINE_PORT FLOWMACHINE_SERVER_DEBUG_MODE FLOWMACHINE_SERVER_DISABLE_DEPENDENCY_CACHING
        FLOWMACHINE_CACHE_PRUNING_FREQUENCY FLOWMACHINE_CACHE_PRUNING_TIMEOUT FLOWMACHINE_LOG_LEVEL
        FLOWMACHINE_SERVER_THREADPOOL_SIZE DB_CONNECTION_POOL_SIZE DB_CONNECTION_POOL_OVERFLOW""",
    "cache_cleaner": "FLOWMACHINE_CACHE_PRUNING_FREQUENCY FLOWMACHINE_CACHE_PRUNING_TIMEOUT",
}
"""The variables that FlowKit's page "Deploying FlowKit" names, by the service that they are for."""

DOCUMENTED_SECRETS = {
    "flowdb": "FLOWAPI_FLOWDB_USER FLOWAPI_FLOWDB_PASSWORD FLOWMACHINE_FLOWDB_PASSWORD FLOWDB_POSTGRES_PASSWORD",
    "flowmachine": "REDIS_PASSWORD FLOWMACHINE_FLOWDB_PASSWORD",
    "redis": "REDIS_PASSWORD",
    "flowapi": """cert-flowkit.pem key-flowkit.pem PUBLIC_JWT_SIGNING_KEY FLOWAPI_IDENTIFIER FLOWAPI_FLOWDB_USER
        FLOWAPI_FLOWDB_PASSWORD""",
    "flowetl_init": """FLOWETL_AIRFLOW_ADMIN_USERNAME FLOWETL_AIRFLOW_ADMIN_PASSWORD AIRFLOW__CORE__FERNET_KEY
        AIRFLOW_DATABASE__SQL_ALCHEMY_CONN FLOWETL_POSTGRES_PASSWORD""",
    "flowetl_worker": """AIRFLOW_CONN_FLOWDB AIRFLOW__CORE__FERNET_KEY AIRFLOW_DATABASE__SQL_ALCHEMY_CONN
        FLOWETL_POSTGRES_PASSWORD""",
}
"""The secrets that it names, likewise."""


def resolved(component, **given):
    return FILES[component].resolved({**TEXTS, **given})


def entry(component, service, **given):
    return resolved(component, **given)["services"][service]


def raw(component):
    """The file's services with `${...}` still in them."""
    return FILES[component]._parsed(FILES[component].text)["services"]


def sources(service):
    """The secrets that a service mounts, by their name in the file."""
    return [item if isinstance(item, str) else item["source"] for item in service.get("secrets", ())]


def test_every_component_has_a_stack_file_and_no_stack_file_is_left_over():
    assert {path.name for path in COMPOSE.glob("*.yml")} == {component.stack_file for component in COMPONENTS}


@ON_EVERY_COMPONENT
def test_a_stack_file_has_the_services_of_the_catalog(component):
    assert set(resolved(component.name)["services"]) == {service.name for service in component.services}


@ON_EVERY_COMPONENT
def test_a_stack_file_declares_the_secrets_of_the_catalog_and_lets_their_names_be_chosen(component):
    declared = FILES[component.name]._parsed(FILES[component.name].text)["secrets"]

    assert set(declared) == set(wanted([component.name]))
    assert declared == {name: {"external": True, "name": f"${{{variable_of(name)}:-{name}}}"} for name in declared}


@ON_EVERY_COMPONENT
def test_every_secret_that_is_declared_is_mounted_and_every_one_mounted_is_declared(component):
    content = resolved(component.name)
    mounted = {name for service in content["services"].values() for name in sources(service)}

    assert mounted == set(content["secrets"])


@ON_EVERY_SERVICE
def test_no_service_mounts_one_object_twice(component, service):
    """The client would give the engine the two in any order, and the service would be restarted for it."""
    environment = {variable_of(name): object_name("s", name, 1) for name in wanted([component])}
    content = resolved(component, **environment)
    objects = [content["secrets"][name]["name"] for name in sources(content["services"][service])]

    assert len(objects) == len(set(objects))


@pytest.mark.parametrize(("service", "names"), DOCUMENTED_SECRETS.items(), ids=DOCUMENTED_SECRETS)
def test_a_service_gets_the_secrets_that_flowkits_documentation_names(service, names):
    component = next(one.name for one in COMPONENTS if service in {item.name for item in one.services})

    assert set(names.split()) <= set(sources(entry(component, service)))


@ON_EVERY_SERVICE
def test_an_image_is_named_by_its_variables_with_the_official_one_as_default(component, service):
    row = images.BY_NAME[components.SERVICES[service].image]

    tag = f"${{{row.tag_variable}:-{row.tag}}}"
    assert raw(component)[service]["image"] == f"${{{row.variable}:-{row.official}}}:{tag}${{{row.pin_variable}}}"


@pytest.mark.parametrize("row", [row for row in images.IMAGES if row.tag_variable], ids=lambda row: row.name)
def test_the_default_tag_of_an_image_is_the_same_in_both_tables(row):
    assert variables.BY_NAME[row.tag_variable].default == row.tag


@ON_EVERY_COMPONENT
def test_a_stack_file_speaks_of_no_variable_that_nobody_sets(component):
    computed = {FILES[component.name].inputs_variable, "DATA_CONSTRAINT"}
    computed |= {variable_of(name) for name in wanted([component.name])}
    computed |= {name for row in images.IMAGES for name in (row.variable, row.pin_variable)}
    known = {name for row in variables.VARIABLES for name in (row.name, *row.also)}

    assert FILES[component.name].variables() - computed - known == set()


@ON_EVERY_COMPONENT
def test_every_variable_of_a_component_is_spoken_of_in_a_stack_file(component):
    """Secrets are made of the others, and some are for preflight alone."""
    chosen = {row.source.variable for row in secrets.SECRETS if isinstance(row.source, FromVariable)}
    own = {name for name, owner in variables.COMPONENT_OF.items() if owner == component.name}

    assert own - chosen - FILES[component.name].variables() == set()


@pytest.mark.parametrize(
    ("service", "name"), [(service, name) for service, names in DOCUMENTED.items() for name in names.split()]
)
def test_a_documented_variable_reaches_its_service_as_the_operator_set_it(service, name):
    component = next(one.name for one in COMPONENTS if service in {item.name for item in one.services})
    assert name in variables.BY_NAME

    assert entry(component, service, **{name: "an odd value"})["environment"][name] == "an odd value"


@ON_EVERY_COMPONENT
def test_a_default_in_a_stack_file_is_that_of_the_catalog(component):
    """But for directories, for which a deployment by hand has volumes, and memory, on which it has no limit."""
    for found in VARIABLE.finditer(FILES[component.name].text):
        row = variables.BY_NAME.get(found["name"] or "")
        if row is None or row.default is None or not (found["kind"] or "").endswith("-"):
            continue
        if not isinstance(row.kind, Location) and not row.name.endswith("_MEMORY_LIMIT"):
            assert row.kind.parse(found["text"]) == row.kind.parse(row.default), row.name


@ON_EVERY_COMPONENT
def test_a_stack_file_is_of_the_version_that_every_client_takes(component):
    text = FILES[component.name].text

    assert re.findall(r"^version: .*$", text, re.MULTILINE) == ['version: "3.8"']


@ON_EVERY_SERVICE
def test_a_service_has_nothing_that_stack_deploy_ignores(component, service):
    found = entry(component, service)

    assert found.keys() & set(IGNORED_BY_STACK_DEPLOY.split()) == set()
    assert "start_interval" not in found.get("healthcheck", {})
    assert "pids" not in found["deploy"]["resources"]["limits"]


@ON_EVERY_SERVICE
def test_a_service_is_watched_limited_restarted_and_its_log_rotated(component, service):
    limits = {
        name: f"{number}GB"
        for number, name in enumerate(("flowdb", "redis", "flowmachine", "flowapi", "flowetl", "flowauth", "edge"), 3)
    }
    given = {f"{name.upper()}_MEMORY_LIMIT": limit for name, limit in limits.items()}
    found = entry(component, service, **given)
    deploy = found["deploy"]

    if service != "cache_cleaner" and not components.SERVICES[service].runs_once:
        assert {"test", "interval", "timeout", "retries", "start_period"} <= found["healthcheck"].keys()
    assert found["logging"] == {"driver": "json-file", "options": {"max-size": "10MB", "max-file": 5}}
    assert deploy["resources"]["limits"]["memory"] == limits.get(
        service, limits[component if component in {"flowauth", "flowetl"} else "flowmachine"]
    )
    assert deploy["restart_policy"]["condition"] == ("on-failure" if components.SERVICES[service].runs_once else "any")
    assert deploy["restart_policy"]["delay"] == "2s"
    assert deploy["labels"]["org.flowkit.inputs"] == "by hand"
    assert deploy["endpoint_mode"] == "dnsrr"


@pytest.mark.parametrize("need", memory.NEEDS, ids=lambda need: need.service)
def test_what_bounds_a_service_is_what_the_preflight_counts(need):
    component = next(one.name for one in COMPONENTS for service in one.services if service.name == need.service)
    given = {need.limit: "7GB", need.count: "3"} if need.count else {need.limit: "7GB"}
    deploy = entry(component, need.service, **given)["deploy"]

    assert deploy["resources"]["limits"]["memory"] == "7GB"
    assert deploy["replicas"] == (3 if need.count else 1)


@ON_EVERY_SERVICE
def test_a_service_that_holds_a_port_or_data_is_stopped_before_its_successor_starts(component, service):
    found = entry(component, service)
    deploy = found["deploy"]

    holds = found.get("ports") or found.get("volumes") or component != "flowauth"
    order = "stop-first" if holds else "start-first"
    assert deploy["update_config"]["order"] == deploy["rollback_config"]["order"] == order
    is_job = components.SERVICES[service].runs_once
    assert deploy["update_config"]["failure_action"] == ("continue" if is_job else "rollback")


@ON_EVERY_SERVICE
def test_a_service_publishes_the_ports_of_the_catalog_and_no_other(component, service):
    ports = raw(component)[service].get("ports", ())

    wanted_ports = [f"${{{variable}:?set {variable}}}" for variable in components.SERVICES[service].ports]
    assert [port["published"] for port in ports] == wanted_ports
    assert all(port["mode"] == "${FLOWKIT_PORT_MODE:-host}" for port in ports)


def test_what_has_no_password_of_its_own_is_published_by_nobody():
    published = {name for one in COMPONENTS for name, service in raw(one.name).items() if "ports" in service}

    assert published == {"flowdb", "redis", "flowapi", "edge", "flowetl_webserver", "flowetl_flower"}


@pytest.mark.parametrize("component", ["flowdb", "flowmachine", "flowetl", "flowauth", "letsencrypt"])
def test_services_with_volumes_stay_on_the_node_that_has_them(component):
    for name, service in resolved(component, DATA_CONSTRAINT="node.labels.x==true")["services"].items():
        if service.get("volumes"):
            assert service["deploy"]["placement"]["constraints"] == ["node.labels.x==true"], name


def test_stack_files_agree_on_the_networks_that_they_share():
    shared: dict[str, object] = {}
    for file in FILES.values():
        for name, network in file.resolved(TEXTS)["networks"].items():
            assert shared.setdefault(name, network) == network


def test_a_target_deploys_each_component_after_those_that_it_requires():
    for target in TARGETS:
        order = target.components
        for name in order:
            for needed in components.BY_NAME[name].requires:
                assert needed in order, target.name
                assert order.index(needed) < order.index(name), target.name


def test_a_service_needs_only_services_of_its_component_or_of_those_that_it_requires():
    for component in COMPONENTS:
        around = (components.BY_NAME[name] for name in (component.name, *component.requires))
        near = {service.name for one in around for service in one.services}
        assert {need for service in component.services for need in service.needs} <= near


def test_the_names_of_secrets_in_the_swarm_differ_whatever_the_stack():
    names = [object_name(stack, row.name, 1) for stack in ("a", "b") for row in secrets.SECRETS]

    assert len(names) == len(set(names))
