"""The whole life of a deployment, in order, each test going on from the one before it."""

import hashlib
import json
import signal
from datetime import date
from pathlib import Path

import pytest

from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.records import BY_NAME
from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.clients.analyst import Analyst, Question
from secrets_quickstart.clients.flowapi import Place
from secrets_quickstart.material.sample_day import checksum_sql
from secrets_quickstart.sensitive import Sensitive
from tests.swarm.leaks import NO_SECRET, Watch, places, values_of
from tests.swarm.loading import contents, hasten
from tests.swarm.machine import PORTS, Machine, containers, engine, execute, objects

pytestmark = [pytest.mark.swarm, pytest.mark.alone]

STACK = "selftest-smoke"
HOSTS = Path("/etc/hosts")
DAY = date(2016, 1, 8)
"""The day after the sample data's."""


def files(folder):
    """Every file below a folder, by content."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A deployment's folder, and nothing deployed; purged at the end whatever happened."""
    made = Machine.make(tmp_path_factory.mktemp("machine"), STACK)
    yield made
    made.invoke("purge", "--stack", made.stack, expect=None)


@pytest.fixture(scope="module")
def before(machine):
    """What was on this machine beforehand."""
    api = engine()
    swarm = api.info()["Swarm"]["LocalNodeState"]
    active = swarm == "active"
    return {
        "hosts": HOSTS.read_bytes(),
        "swarm": swarm,
        "labels": [node["Spec"].get("Labels") for node in api.nodes()] if active else [],
        "others": [item for item in api.secrets() if "org.flowkit.stack" in item["Spec"]["Labels"]] if active else [],
        "files": files(machine.folder),
    }


def test_a_plan_says_what_would_be_done_and_does_nothing(machine, before):
    plan = machine.json("plan", expect=2)

    lines = [line for step in plan["steps"] for line in step["actions"]]
    assert any("create the service flowapi" in line for line in lines)
    assert plan["changes"] == len(lines)
    assert objects_without_swarm() == {}
    assert files(machine.folder) == before["files"]
    assert files(machine.home) == {}


def objects_without_swarm():
    found = objects(STACK) if engine().info()["Swarm"]["LocalNodeState"] == "active" else {}
    return {kind: found[kind] for kind in ("services", "tasks", "secrets", "networks", "volumes") if found.get(kind)}


STEPS = ("swarm", "values", "secrets", "directories", "dags", "hosts", "data", "stack", "links", "verify")


@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_at_any_step_is_carried_on_by_the_next(machine, step):
    """One deployment, killed again and again, each time further on: at this step, or at the next with work to do."""
    later = tuple(f"{name}:" for name in STEPS[STEPS.index(step) :])

    ended = machine.invoke_and_kill("quickstart", when=lambda line: line.startswith(later), after=0.01)

    assert ended.status == -9, ended.stderr
    assert "Traceback" not in ended.stderr


def test_quickstart_ends_well_and_says_where_things_are(machine):
    with Watch() as watch:
        ended = machine.invoke("quickstart")

    assert f"https://flowkit.api:{PORTS['FLOWAPI_HOST_PORT']}" in ended.stdout
    assert f"postgresql://flowdb@localhost:{PORTS['FLOWDB_HOST_PORT']}/flowdb" in ended.stdout
    assert "a query's numbers: ok" in ended.stderr
    values = values_of(machine)
    assert watch.hits(values) == []
    assert not any(value in ended.stdout + ended.stderr for value in values.values())


def test_a_second_quickstart_changes_nothing(machine):
    api = objects(STACK)
    kept = files(machine.folder), files(machine.home), HOSTS.read_bytes()

    ended = machine.invoke("quickstart")

    assert "nothing to do" in ended.stdout
    assert objects(STACK) == api
    assert (files(machine.folder), files(machine.home), HOSTS.read_bytes()) == kept


def test_deploying_a_part_of_what_runs_changes_nothing(machine):
    api = objects(STACK)

    ended = machine.invoke("deploy", "--target", "flowdb")

    assert "nothing to do" in ended.stdout
    assert objects(STACK) == api


SERVICES = [service for part in COMPONENTS for service in part.services]


def test_status_shows_services_certificates_disks_cache_and_days(machine):
    found = machine.json("status")

    assert found["unknown"] == {}
    rows = {row["service"]: row for row in found["services"]}
    assert {name: row["state"] for name, row in rows.items()} == {service.name: "up" for service in SERVICES}
    running = {service.name for service in SERVICES if not service.runs_once}
    assert {name for name, row in rows.items() if row["health"] == "healthy"} == running
    images = {item["Config"]["Labels"]["com.docker.swarm.service.name"]: item["Image"] for item in containers(STACK)}
    assert {f"{STACK}_{name}": row["image_id"] for name, row in rows.items() if name in running} == images
    assert {row["name"] for row in found["certificates"]} > {"cert-flowkit.pem", "cert-flowauth.pem"}
    sizes = {place["name"]: place["bytes"] for place in found["places"]}
    assert sizes[f"{STACK}_flowdb_data"] > found["cache"]["database_bytes"] > found["cache"]["bytes"] > 0
    assert found["cache"]["results"] > 0, "verification has asked a query"
    assert found["cache"]["limit"] == int(execute(STACK, "flowdb", "psql", "-Atc", "SELECT cache_max_size()"))
    assert {(row["type"], row["days"]) for row in found["days"]} >= {("calls", 7)}
    assert machine.invoke("status").stdout.count("unknown") == 0


def test_top_shows_what_each_running_task_takes(machine):
    found = machine.json("top")

    assert {task["service"] for task in found["tasks"]} == {row.name for row in SERVICES if not row.runs_once}
    assert all(0 < task["memory"] <= task["memory_limit"] and task["processes"] > 0 for task in found["tasks"])
    assert sum(task["received"] for task in found["tasks"]) > 0
    assert "flowdb.1 " in machine.invoke("top").stdout


def test_verification_asks_everything_and_is_content(machine):
    findings = machine.json("verify")["findings"]

    assert len(findings) > 20
    assert [item for item in findings if item["status"] != "ok"] == []


@pytest.fixture(scope="module")
def calls(machine):
    """A file of calls of a day that FlowDB does not have, and what is in it."""
    hasten(options(machine))
    machine.invoke("etl.sample", "--date", str(DAY), "--type", "calls", "--rows", "20000")
    return contents(file_of(machine))


def options(machine):
    return machine.folder / ".flowkit/dags/when_to_load.py"


def file_of(machine):
    return machine.folder / f".flowkit/etl/calls_{DAY:%Y%m%d}.csv"


def test_a_day_is_loaded_by_its_dag_and_flowdb_has_the_rows_of_the_file(machine, calls):
    [loaded] = machine.json("etl.run", "--date", str(DAY), "--type", "calls")

    assert (loaded["type"], loaded["date"], loaded["state"]) == ("calls", str(DAY), "succeeded")
    counted = execute(STACK, "flowdb", "psql", "-Atc", checksum_sql(BY_NAME["calls"], DAY))
    assert counted.strip() == f"{calls.rows}|{calls.checksum}"
    assert calls.rows == 20000
    [day] = [item for item in machine.json("etl.status", "--type", "calls") if item["date"] == str(DAY)]
    assert day["state"] == "loaded"


def test_the_logs_of_a_service_can_be_read(machine):
    assert "ready to accept connections" in machine.invoke("logs", "flowdb").stdout
    assert "ready to accept connections" not in machine.invoke("logs", "flowdb", "--since", "1s").stdout
    assert "alembic" in machine.invoke("logs", "flowetl_init").stdout, "a job that has ended"


def test_the_logs_of_a_service_can_be_followed_until_ctrl_c(machine):
    def write(name):
        execute(STACK, "flowdb", "psql", "-c", f"SELECT {name}")

    def told(process, name):
        return next(line for line in map(json.loads, process.stdout) if f'column "{name}" does' in line["text"])

    write("written_before")
    with machine.start("logs", "flowdb", "--follow", "--since", "1m", "--json") as process:
        told(process, "written_before")
        write("written_meanwhile")
        line = told(process, "written_meanwhile")
        process.send_signal(signal.SIGINT)

    assert line["task"] == "flowdb.1"
    assert process.returncode == 0


def test_no_value_is_to_be_found_where_it_should_not_be(machine):
    """Repository, logs, `docker inspect` of everything, image histories, processes: grep for every value."""
    values = values_of(machine)
    assert values.keys() == {row.name for row in SECRETS} - NO_SECRET

    hits = [(place, name) for place, text in places(machine) for name, value in values.items() if value in text]

    assert hits == []


def test_flowdb_may_only_read_the_files_to_be_loaded(machine):
    assert "Read-only file system" in execute(STACK, "flowdb", "touch", "/etl/file")


def test_only_those_who_need_a_service_reach_it(machine):
    """FlowAPI is on FlowMachine's network and not on redis's; of Airflow, workers alone are on FlowDB's."""
    networks = {
        item["Config"]["Labels"]["com.docker.swarm.service.name"].removeprefix(f"{STACK}_"): {
            name.removeprefix(f"{STACK}_") for name in item["NetworkSettings"]["Networks"] if name.startswith(STACK)
        }
        for item in containers(STACK)
    }

    assert networks == {
        "flowdb": {"flowdb"},
        "redis": {"redis"},
        "flowmachine": {"flowdb", "redis", "flowmachine"},
        "cache_cleaner": {"flowdb", "redis"},
        "flowapi": {"flowdb", "flowmachine"},
        "flowauth_postgres": {"flowauth_postgres"},
        "flowauth_redis": {"flowauth_redis"},
        "flowauth": {"flowauth", "flowauth_postgres", "flowauth_redis"},
        "edge": {"flowauth"},
        "flowetl_db": {"flowetl_db"},
        "flowetl_redis": {"flowetl_redis"},
        "flowetl_scheduler": {"flowetl_db", "flowetl_redis"},
        "flowetl_webserver": {"flowetl_db", "flowetl_redis"},
        "flowetl_triggerer": {"flowetl_db", "flowetl_redis"},
        "flowetl_flower": {"flowetl_db", "flowetl_redis"},
        "flowetl_worker": {"flowetl_db", "flowetl_redis", "flowdb"},
        "flowetl_log_cleaner": {"flowetl_logs"},
    }


def test_no_service_runs_as_root(machine):
    for item in containers(STACK):
        top = engine().top(item["Id"], ps_args="-eo uid,pid,args")
        assert "0" not in {row[0] for row in top["Processes"]}, item["Name"]


def test_an_analyst_gets_the_numbers_of_the_file(machine, calls):
    """Through flowclient, FlowAPI and FlowMachine, which takes up to two minutes to notice a new day."""
    place = Place("127.0.0.1", int(PORTS["FLOWAPI_HOST_PORT"]), "flowkit.api", machine.value("cert-flowkit.pem"))
    analyst = Analyst(place, Sensitive(machine.invoke("flowapi.token").stdout.strip()))
    query = "SELECT json_object_agg(cdr_type, dates) FROM (SELECT cdr_type, array_agg(cdr_date ORDER BY cdr_date) dates"
    query += " FROM etl.available_dates GROUP BY 1) types"
    dates = json.loads(execute(STACK, "flowdb", "psql", "-Atc", query))

    found = analyst.ask(Question(str(DAY), "admin3", ("calls",)), dates)

    assert found.dates == dates
    assert dates["calls"][-1] == str(DAY)
    assert {row["pcod"]: row["value"] for row in found.rows} == calls.subscribers
    assert len(calls.subscribers) == 12


def test_down_and_up_again_keeps_data_and_passwords(machine):
    password = machine.value("FLOWDB_POSTGRES_PASSWORD")
    execute(STACK, "flowdb", "psql", "-c", "CREATE TABLE kept AS SELECT 42 AS answer")

    assert "flowdb" in machine.json("down")["stopped"]
    assert objects_without_swarm().keys() == {"secrets", "volumes"}
    machine.invoke("deploy", "--target", "flowkit")

    assert execute(STACK, "flowdb", "psql", "-Atc", "SELECT answer FROM kept").strip() == "42"
    assert machine.value("FLOWDB_POSTGRES_PASSWORD") == password


def test_down_when_nothing_runs_says_so(machine):
    machine.invoke("down")

    assert "nothing to do" in machine.invoke("down").stdout


def test_purge_asks_for_the_name_and_deletes_nothing_for_another(machine):
    refused = machine.invoke("purge", "--stack", "other", expect=2)

    assert "nothing was deleted" in refused.stderr
    assert set(objects_without_swarm()) >= {"secrets", "volumes"}


def test_purge_leaves_nothing_behind(machine, before):
    planned = machine.json("purge", "--dry-run", expect=2)
    assert planned["changes"] == len(planned["deletes"]) > len(COMPONENTS)
    machine.invoke("purge", "--stack", STACK)

    api = engine()
    assert HOSTS.read_bytes() == before["hosts"]
    # what the operator has put there is theirs: a file with records, and a DAG file that they have changed
    left = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (file_of(machine), options(machine))}
    assert files(machine.folder) == {**before["files"], **left}
    assert files(machine.home) == {}
    assert api.info()["Swarm"]["LocalNodeState"] == before["swarm"]
    assert named_after_the_stack() == []
    if before["swarm"] == "active" and not before["others"]:
        assert [node["Spec"].get("Labels") for node in api.nodes()] == before["labels"]


def named_after_the_stack():
    """Names of everything in the engine that begins with the stack's."""
    api = engine()
    names = [name for item in api.containers(all=True) for name in item["Names"]]
    names += [item["Name"] for item in api.volumes()["Volumes"] or ()]
    names += [item["Name"] for item in api.networks()]
    if api.info()["Swarm"]["LocalNodeState"] == "active":
        names += [item["Spec"]["Name"] for item in (*api.services(), *api.secrets(), *api.configs())]
    return [name for name in names if name.strip("/").startswith(f"{STACK}_")]


def test_a_second_purge_has_nothing_to_do(machine):
    assert "nothing to do" in machine.invoke("purge", "--stack", STACK).stdout
