"""A database as Airflow 1.10 leaves it, seen, dumped, upgraded by the Airflow of our image, and brought back.

Each test goes on from the one before it.  Takes the newest local images of flowetl and postgres, unless FLOWETL_IMAGE
and POSTGRES_IMAGE name others.
"""

import json
import os
import stat
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import pytest
from cryptography.fernet import Fernet

from secrets_quickstart.checks import preflight
from secrets_quickstart.checks.custody_checks import data as judge
from secrets_quickstart.checks.facts_custody import opened
from secrets_quickstart.settings import load
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import NAMESPACE
from tests.preflight_facts import but
from tests.swarm.eventually import eventually
from tests.swarm.machine import containers, engine
from tests.swarm.neighbour import mistake, neighbour
from tests.swarm.pages.flowauth_deployment import newest_image

pytestmark = [
    pytest.mark.swarm,
    # Docker's SDK leaves the connections of its exec_run to the garbage collector
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

STACK = "selftest-airone"
VOLUME = f"{STACK}_flowetl_db_data"
PASSWORD = "a password of then"
FERNET = Fernet.generate_key()
LAST_OF_1_10 = "03afc6b6f902"
"""Alembic's revision from Airflow 1.10.13 to 1.10.15."""
ROWS = f"""
INSERT INTO dag (dag_id, is_paused, is_active) VALUES ('calls', false, true);
INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger) VALUES
    ('calls', '2020-01-01 00:00+00', 'success', 'scheduled__2020-01-01T00:00:00+00:00', false),
    ('calls', '2020-01-02 00:00+00', 'failed', 'manual__2020-01-02T00:00:00+00:00', true);
INSERT INTO task_instance (task_id, dag_id, execution_date, state, try_number, pool, queue, pool_slots) VALUES
    ('extract', 'calls', '2020-01-01 00:00+00', 'success', 1, 'postgres_etl', 'default', 1);
INSERT INTO slot_pool (pool, slots) VALUES ('postgres_etl', 4);
INSERT INTO connection (conn_id, conn_type, host, login, password, is_encrypted) VALUES
    ('flowdb', 'postgres', 'flowdb', 'flowdb', '{Fernet(FERNET).encrypt(b"secret").decode()}', true),
    ('old', NULL, 'h', 'u', NULL, false);
"""
RUNS = "SELECT json_agg(run_id ORDER BY run_id) FROM dag_run"
BOTH = ["manual__2020-01-02T00:00:00+00:00", "scheduled__2020-01-01T00:00:00+00:00"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with neighbour(tmp_path_factory.mktemp("airflow") / "here", STACK, 24000) as made:
        yield made


class Then:
    """PostgreSQL on the volume, and Airflow's programs on it, both on a network of their own."""

    def __init__(self, client, network, database):
        self.client, self.network, self.database = client, network, database

    def psql(self, sql):
        done = self.database.exec_run(["sh", "-c", f"psql -U flowetl -qAt -v ON_ERROR_STOP=1 <<'SQL'\n{sql}\nSQL"])
        assert done.exit_code == 0, done.output.decode()
        return done.output.decode().strip()

    def airflow(self, *command):
        """Its status and what it says."""
        variables = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql://flowetl:{PASSWORD.replace(' ', '%20')}@db/flowetl",
            "AIRFLOW__CORE__FERNET_KEY": FERNET.decode(),
            "AIRFLOW__WEBSERVER__SECRET_KEY": "of a test",
            "FLOWETL_AIRFLOW_ADMIN_USERNAME": "admin",
            "FLOWETL_AIRFLOW_ADMIN_PASSWORD": "of a test",
        }
        made = self.client.containers.run(
            newest_image(self.client, "flowetl"), command, detach=True, network=self.network.name, environment=variables
        )
        try:
            return made.wait(timeout=120)["StatusCode"], made.logs().decode()
        finally:
            made.remove(force=True)


@contextmanager
def running():
    """With a server on the volume, which is shut down properly in the end."""
    client = docker.from_env(version="auto")
    network = client.networks.create(f"{STACK}-then")
    database = client.containers.create(
        newest_image(client, "postgres"),
        user="999:999",
        environment={"POSTGRES_USER": "flowetl", "POSTGRES_DB": "flowetl", "POSTGRES_PASSWORD": PASSWORD},
        volumes={VOLUME: {"bind": "/var/lib/postgresql/data"}},
    )
    try:
        network.connect(database, aliases=["db"])
        database.start()
        eventually(lambda: database.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0)
        yield Then(client, network, database)
        database.stop(timeout=60)
    finally:
        database.remove(force=True)
        network.remove()
        client.close()


@pytest.fixture(scope="module", autouse=True)
def _of_then(machine):
    """What `docker stack rm` of FlowKit 1.16 would have left, on a PostgreSQL of today."""
    with closing(docker.from_env(version="auto")) as client:
        client.volumes.create(VOLUME, labels={NAMESPACE: STACK})
    with running() as then:
        folder = "$(python -c 'import airflow; print(airflow.__path__[0])' | tail -1)"
        status, said = then.airflow("sh", "-c", f"cd {folder} && alembic upgrade {LAST_OF_1_10}")
        assert status == 0, said
        then.psql(ROWS)


def found(machine):
    """What preflight finds of the data."""
    settings, package_engine = load(machine.folder, machine.environment), Engine(os.environ)
    with closing(package_engine.client):
        return judge(but(data=preflight.data_facts(settings, ("flowetl",), package_engine, opened(settings))))


def asked(what, **options):
    with closing(engine()) as api:
        return getattr(api, what)(**options)


def dumps(machine):
    return sorted((machine.folder / ".flowkit" / STACK / "dumps").glob("*"))


def is_a_refusal(outcome, *words):
    return hasattr(outcome, "fix") and all(word in f"{outcome.detail} {outcome.fix}" for word in words)


def test_an_airflow_1_in_a_stopped_volume_is_refused_with_the_documented_advice(machine):
    outcome = found(machine)

    assert is_a_refusal(outcome, "Airflow 1", "1.16", "strongly recommends a backup", "invoke etl.dump-airflow")


def test_a_deployment_ends_before_it_has_begun(machine):
    said = mistake(machine.invoke("deploy", "--target", "flowetl", expect=3))

    assert "Airflow 1" in said
    assert "invoke etl.dump-airflow" in said
    assert list(containers(STACK)) == []
    assert not (machine.folder / ".flowkit" / STACK / "vault").exists()


def test_one_that_runs_is_refused_as_well(machine):
    with running():
        assert is_a_refusal(found(machine), "Airflow 1")


def test_no_command_of_ours_is_wanted_where_no_database_is(machine):
    said = mistake(machine.invoke("etl.dump-airflow", expect=1, FLOWKIT_STACK=f"{STACK}none"))

    assert f"there is no Airflow database in the volume {STACK}none_flowetl_db_data" in said


def test_it_is_dumped_without_a_network_and_only_its_owner_can_read_that(machine):
    done = machine.json("etl.dump-airflow")

    assert (done["airflow"], done["dag_runs"], done["connections"]) == (1, 2, 2)
    [dump] = dumps(machine)
    assert str(dump) == done["dump"]
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert list(containers(STACK)) == []
    assert f"/{STACK}_flowetl_migration" not in [
        name for item in asked("containers", all=True) for name in item["Names"]
    ]


def test_a_connection_that_stops_airflow_2_is_named_beforehand(machine):
    assert any("old" in line and "conn_type" in line for line in machine.json("etl.dump-airflow")["next"])
    with running() as then:
        status, said = then.airflow("bash", "/init.sh")
        assert status != 0
        assert "conn_type" in said
        then.psql("UPDATE connection SET conn_type = 'generic' WHERE conn_type IS NULL")


def test_what_is_wanted_then_are_its_secrets(machine):
    assert is_a_refusal(found(machine), "does not know", "FLOWETL_POSTGRES_PASSWORD and AIRFLOW__CORE__FERNET_KEY")
    machine.invoke("secrets.import", "FLOWETL_POSTGRES_PASSWORD", "-", stdin=PASSWORD.encode())
    machine.invoke("secrets.import", "AIRFLOW__CORE__FERNET_KEY", "-", stdin=FERNET)

    assert not is_a_refusal(found(machine))


def test_the_airflow_of_today_upgrades_it_and_nothing_is_lost(machine):
    with running() as then:
        status, said = then.airflow("bash", "/init.sh")
        assert status == 0, said
        assert json.loads(then.psql(RUNS)) == BOTH
        assert then.psql("SELECT run_id FROM task_instance") == BOTH[1]
        assert then.psql("SELECT slots FROM slot_pool WHERE pool = 'postgres_etl'") == "4"
        head = then.airflow("sh", "-c", "cat /opt/flowetl/head")[1].strip()
        assert then.psql("SELECT version_num FROM alembic_version") == head
        status, said = then.airflow("airflow", "connections", "get", "flowdb", "--output", "json")
        assert status == 0, said
        assert json.loads(said[said.index("[{") :])[0]["password"] == "secret"
        assert not is_a_refusal(found(machine)), "it runs, and has not written everything yet"


def test_upgraded_it_is_not_taken_for_an_airflow_1_any_more(machine):
    (machine.folder / ".flowkit" / STACK / "flowetl_db-dump.json").unlink()

    outcome = found(machine)
    assert is_a_refusal(outcome, "from elsewhere, of which there is no dump", "etl.dump-airflow")
    assert not is_a_refusal(outcome, "Airflow 1")
    assert machine.json("etl.dump-airflow")["airflow"] == 2
    assert not is_a_refusal(found(machine))


@pytest.fixture
def scheduler():
    """One that is at work; what it is made of does not matter."""
    with closing(docker.from_env(version="auto")) as client:
        made = client.services.create(
            newest_image(client, "postgres"), ["sh", "-c", "exec sleep 600"], name=f"{STACK}_flowetl_scheduler",
            labels={NAMESPACE: STACK}, container_labels={NAMESPACE: STACK}, stop_grace_period=1_000_000_000,
        )  # fmt: skip
        eventually(lambda: list(containers(STACK)))
        yield made


def test_the_dump_is_put_back_when_airflow_has_gone_and_what_was_there_is_dumped_before(machine, scheduler):
    old, known = dumps(machine)[0], len(dumps(machine))
    refused = mistake(machine.invoke("etl.restore-airflow", str(old), stdin=b"no\n", expect=2))
    assert "nothing was done" in refused
    assert len(dumps(machine)) == known

    done = machine.json("etl.restore-airflow", str(old), "--yes")
    assert done["airflow"] == 2
    assert len(dumps(machine)) == known + 1
    assert done["next"][-1] == "invoke deploy --target flowetl"
    assert list(containers(STACK)) == []
    assert f"{STACK}_flowetl_scheduler" not in [item["Spec"]["Name"] for item in asked("services")]
    assert not is_a_refusal(found(machine)), "the dump that it came from leads back"


def test_put_back_it_is_upgraded_again(machine):
    with running() as then:
        assert json.loads(then.psql(RUNS)) == BOTH
        assert then.psql("SELECT count(*) FROM information_schema.columns WHERE column_name = 'run_type'") == "0"
        then.psql("UPDATE connection SET conn_type = 'generic' WHERE conn_type IS NULL")
        status, said = then.airflow("bash", "/init.sh")
        assert status == 0, said
        assert json.loads(then.psql(RUNS)) == BOTH


def test_no_other_file_is_taken_for_a_dump(machine, tmp_path):
    file = tmp_path / "a.dump"
    file.write_bytes(dumps(machine)[0].read_bytes()[:2000])
    assert "is no whole dump" in mistake(machine.invoke("etl.restore-airflow", str(file), "--yes", expect=1))
    missing = mistake(machine.invoke("etl.restore-airflow", str(tmp_path / "none"), "--yes", expect=2))
    assert "there is no dump" in missing


def test_dumps_and_the_note_go_with_the_stack(machine):
    machine.invoke("purge", "--stack", STACK)

    assert dumps(machine) == []
    assert not (machine.folder / ".flowkit" / STACK).exists() or not list(
        (Path(machine.folder) / ".flowkit" / STACK).glob("*-dump.json")
    )
