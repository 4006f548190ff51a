"""Does Airflow run as FlowETL needs it, let in whom it should, and reach FlowDB?  Reads only."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar

from secrets_quickstart.checks.check import Obstacle, Ok, Outcome, Warn
from secrets_quickstart.checks.verification_world import Unasked, Verification, World
from secrets_quickstart.clients.airflow import AirflowClient, TooManyAttempts
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.report import counted
from secrets_quickstart.sensitive import Sensitive

T = TypeVar("T")

ADMIN, ADMIN_PASSWORD = "FLOWETL_AIRFLOW_ADMIN_USERNAME", "FLOWETL_AIRFLOW_ADMIN_PASSWORD"
FLOWER, FLOWER_PASSWORD = "FLOWETL_CELERY_USER", "FLOWETL_CELERY_PASSWORD"
WORKER = "flowetl_worker"
POOL = "postgres_etl"
"""Where FlowETL's DAGs queue for FlowDB: tasks of a pool that does not exist wait for ever."""

LOGS_NEED, LOGS_NEED_FILES = 64 << 20, 1000
"""Bytes and inodes: the logs of a few days of all types."""

PATIENCE = 60.0
"""Seconds for heartbeats and workers to be noticed: Airflow looks every few."""
RATE = 45.0
"""Seconds after which Airflow's sign-in listens again: it takes ten attempts in 40."""
EVERY = 1.0

SHUT_FIX = "stop FlowETL (invoke down), and see its image: it lets in whom it should not"
WORKER_FIX = f"see that FlowDB is healthy (invoke status), then the log: invoke logs {WORKER}"
LOGS_FIX = "make room in FLOWETL_HOST_LOG_DIR, or lower FLOWETL_LOG_DAYS"
INIT_FIX = "deploy again, which prepares Airflow anew; if it stays so: invoke logs flowetl_init"


def is_healthy(world: World) -> Outcome:
    def unwell() -> list[str]:
        with world.airflow() as airflow:
            health = airflow.health()
        states = {"database": health.metadatabase, "scheduler": health.scheduler, "triggerer": health.triggerer}
        return [f"its {name} is {state or 'not there'}" for name, state in states.items() if state != "healthy"]

    faults = _until(unwell, lambda found: not found)
    if faults:
        return Obstacle("; ".join(faults), "see why: invoke status, invoke logs flowetl_scheduler")
    return Ok("database, scheduler and triggerer")


def workers_answer(world: World) -> Outcome:
    wanted = world.replicas(WORKER)
    flower = world.flower(world.needed(FLOWER).text(), world.needed(FLOWER_PASSWORD))
    count = len(_until(flower.workers, lambda names: len(names) == wanted))
    if count < wanted:
        return Obstacle(f"{count} of {counted(wanted, 'worker')} answer", f"see why: invoke logs {WORKER}")
    if count > wanted:
        return Warn(
            f"{count} workers answer, and {wanted} should",
            "verify again when those of before have finished their tasks",
        )
    return Ok(f"{counted(count, 'worker')}, and Flower takes the vault's password")


def admin_signs_in(world: World) -> Outcome:
    with signed_in(world) as airflow:
        return Ok(f"sees {counted(len(airflow.dags()), 'DAG')}")


def refuses_a_wrong_password(world: World) -> Outcome:
    user = world.needed(ADMIN).text()
    with world.airflow() as airflow:
        try:
            _patiently(lambda: airflow.sign_in(user, _made_up()))
        except Refused as refusal:
            return Ok(refusal.why)
    return Obstacle(f"{user} got in with a password made up a moment ago", SHUT_FIX)


def flower_refuses_a_wrong_password(world: World) -> Outcome:
    user = world.needed(FLOWER).text()
    try:
        world.flower(user, _made_up()).workers()
    except Refused as refusal:
        return Ok(refusal.why)
    return Obstacle(f"{user} got in with a password made up a moment ago", SHUT_FIX)


def pool_is_there(world: World) -> Outcome:
    with signed_in(world) as airflow:
        slots = airflow.slots(POOL)
    if slots is None:
        return Obstacle(f"there is no pool {POOL}, so no file is ever loaded", INIT_FIX)
    if slots != world.etl_slots:
        return Obstacle(f"{POOL} has {slots} slots, not {world.etl_slots}", INIT_FIX)
    return Ok(counted(slots, "slot"))


def files_can_be_read(world: World) -> Outcome:
    with signed_in(world) as airflow:
        failures = airflow.import_failures()
    if failures:
        said = "; ".join(f"{failure.file}: {failure.reason}" for failure in failures)
        return Warn(said, "correct it in the DAG folder; Airflow reads it again by itself")
    return Ok("none is found fault with")


# What a task does that asks FlowDB.  The official entrypoint gives the connection to the worker and not to us.
# Prints a JSON list in its last line: the answer, or the error.
ASKING = """
import json, os
secret = "/run/secrets/AIRFLOW_CONN_FLOWDB"
if os.path.exists(secret) and "AIRFLOW_CONN_FLOWDB" not in os.environ:
    os.environ["AIRFLOW_CONN_FLOWDB"] = open(secret).read().strip()
try:
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    rows = PostgresHook(postgres_conn_id="flowdb").get_first(
        "SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
        " EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'csv_fdw')"
    )
    print(json.dumps(list(rows)))
except Exception as error:
    # the library's words about a connection hold no password; others might
    words = str(error).strip().splitlines() if type(error).__module__.startswith("psycopg2") else []
    print(json.dumps([words[-1] if words else type(error).__name__]))
"""


def worker_reaches_flowdb(world: World) -> Outcome:
    answer = _answer_of_worker(world, ASKING)
    match answer:
        case [str(user), True, True]:
            return Ok(f"as {user}, with csv_fdw")
        case [str(user), False, bool()]:
            return Obstacle(
                f"FlowETL has to own what it loads, and {user} is no superuser", "give AIRFLOW_CONN_FLOWDB anew"
            )
        case [str(), True, False]:
            return Obstacle("FlowDB has no foreign server csv_fdw, by which files are read", "see images/flowdb/schema")
        case [str(error)]:
            return Obstacle(f"the connection flowdb does not work: {error}", WORKER_FIX)
        case Obstacle():
            return answer
        case _:
            return Obstacle("the answer has another form", WORKER_FIX)


# Prints a JSON list in its last line: the bytes that are free, the number of files there can be (0: any), and of those
# that can still be made.
LOOKING = """
import json, os
disk = os.statvfs("/opt/airflow/logs")
print(json.dumps([disk.f_bavail * disk.f_frsize, disk.f_files, disk.f_favail]))
"""


def logs_have_room(world: World) -> Outcome:
    answer = _answer_of_worker(world, LOOKING)
    match answer:
        case [int(free), int(files), int(free_files)]:
            megabytes = f"{free >> 20} MB free"
            if free < LOGS_NEED:
                return Obstacle(f"{megabytes}: a task that cannot write its log does not begin", LOGS_FIX)
            if files and free_files < LOGS_NEED_FILES:
                return Obstacle(f"{free_files} inodes free: each task has a file, and each run its folders", LOGS_FIX)
            return Ok(megabytes)
        case Obstacle():
            return answer
        case _:
            return Obstacle("the answer has another form", WORKER_FIX)


def _answer_of_worker(world: World, program: str) -> Any:
    """What a Python program says in a worker, as JSON in its last line; an Obstacle if it says nothing."""
    if world.inside is None:
        raise Unasked("the stack's containers are not known")
    done = world.inside.execute(WORKER, ["python", "-c", program])
    lines = done.stdout.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        return Obstacle(f"no task can be tried there: status {done.status}, and no answer", WORKER_FIX)


def signed_in(world: World) -> AirflowClient:
    """Airflow with its admin signed in; close it."""
    user, password = world.needed(ADMIN).text(), world.needed(ADMIN_PASSWORD)
    airflow = world.airflow()
    try:
        _patiently(lambda: airflow.sign_in(user, password))
    except BaseException:
        airflow.close()
        raise
    return airflow


def _patiently(sign_in: Callable[[], None]) -> None:
    """Sign in, if need be when Airflow listens again."""
    end = time.monotonic() + RATE
    while True:
        try:
            return sign_in()
        except TooManyAttempts:
            if time.monotonic() >= end:
                raise
        time.sleep(5 * EVERY)


def _until(ask: Callable[[], T], is_right: Callable[[T], bool]) -> T:
    """The first answer that is right, or the last one when patience ends."""
    end = time.monotonic() + PATIENCE
    while not is_right(found := ask()) and time.monotonic() < end:
        time.sleep(EVERY)
    return found


def _made_up() -> Sensitive:
    return Sensitive(secrets.token_urlsafe(24))


def _row(name: str, question: str, ask: Callable[[World], Outcome]) -> Verification:
    return Verification(name, question, "flowetl", ask)


CHECKS = (
    _row("Airflow", "Are Airflow's database, scheduler and triggerer healthy?", is_healthy),
    _row("Airflow's admin", "Does Airflow let its admin in with the vault's password?", admin_signs_in),
    _row("Airflow, wrong password", "Does Airflow's page refuse a wrong one?", refuses_a_wrong_password),
    _row("Flower, wrong password", "Does Flower refuse a wrong one?", flower_refuses_a_wrong_password),
    _row("FlowETL's pool", f"Is there the pool {POOL}, as large as it should be?", pool_is_there),
    _row("FlowETL's DAG files", "Can Airflow read each of them?", files_can_be_read),
    _row("FlowETL's workers", "Do as many workers answer as there should be?", workers_answer),
    _row("FlowDB from FlowETL", "Does a worker's connection to FlowDB work?", worker_reaches_flowdb),
    _row("FlowETL's logs", "Is there room for what tasks write?", logs_have_room),
)
