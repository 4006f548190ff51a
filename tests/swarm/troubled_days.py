"""FlowDB and FlowETL, and days that are loaded there while things go wrong; no test is here.

A load that has to be met in its middle is held there: somebody reads the table of its file, which it cannot take away
before it has ended.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import psycopg

from secrets_quickstart.catalog.records import BY_NAME, RecordType
from secrets_quickstart.material.sample_day import checksum_sql
from tests.swarm.eventually import eventually
from tests.swarm.loading import contents

PORTS = 20000
ROWS = 2000
LONG = 240.0
"""Seconds that nothing here takes, even on a busy machine."""


QUICK = {
    "LOOK_EVERY": "1",
    "QUIET_FOR": "2",
    "GIVE_UP_AFTER": "45",
    "RETRIES": "0",
    "RETRY_DELAY": "timedelta(seconds=10)",
}
"""What an operator may set in the example DAGs, so that nobody waits for long."""

FEW_CHECKS = """
# as many QA checks as `etl.status` asks for: two dozen more take half a minute each time
import flowetl.util
from airflow.models.dag import DagContext
from flowetl.operators.qa_check_operator import QACheckOperator

flowetl.util.get_qa_checks = lambda **_: [
    QACheckOperator(
        task_id="count_added_rows", sql="SELECT count(*) FROM {{ final_table }}", dag=DagContext.get_current_dag()
    )
]
"""

LOST_AFTER = 20
"""Seconds without a sign of life until Airflow takes a task for lost, instead of its 300."""


PATIENT = ("**OPTIONS", '**{**OPTIONS, "retries": 10}')
"""A change of a DAG: its tasks are tried again for as long as a FlowDB may take to start on a busy machine."""


@dataclass(frozen=True)
class Day:
    """A day of one type of records: of calls, whose DAG gives up at once, or of messages, whose DAG is patient."""

    kind: RecordType
    date: date

    @property
    def digits(self):
        return f"{self.date:%Y%m%d}"

    @property
    def choice(self):
        return ("--type", self.kind.name, "--since", str(self.date), "--until", str(self.date))


def calls(day):
    return Day(BY_NAME["calls"], date(2016, 1, day))


def messages(day):
    return Day(BY_NAME["sms"], date(2016, 1, day))


class Etl:
    """One deployment of FlowDB and FlowETL, and its days."""

    def __init__(self, machine, logs):
        self.machine = machine
        self.logs = logs
        self.files = machine.folder / ".flowkit" / "etl"
        self.begun = []

    def prepare(self):
        """The example DAGs and the stack file, with less patience."""
        dags = self.machine.folder / ".flowkit" / "dags"
        self.machine.invoke("etl.init", str(dags))
        options = dags / "when_to_load.py"
        text = options.read_text()
        for name, value in QUICK.items():
            text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
            assert count == 1, name
        # no day that nobody asked for
        assert text.count('"@daily"') == 1
        options.write_text(text.replace('"@daily"', "None") + FEW_CHECKS)
        patient = dags / "load_sms.py"
        assert patient.read_text().count(PATIENT[0]) == 1
        patient.write_text(patient.read_text().replace(*PATIENT))
        stack = self.machine.folder / "compose" / "flowetl.yml"
        variable = "    AIRFLOW__CORE__EXECUTOR: CeleryExecutor\n"
        threshold = f"    AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD: {LOST_AFTER}\n"
        text = stack.read_text()
        assert variable in text
        stack.write_text(text.replace(variable, variable + threshold, 1))

    def path(self, day):
        return self.files / day.kind.file(day.date)

    def write(self, day, change=lambda lines: lines):
        """A day's file; `change` takes its lines and gives others."""
        path = self.path(day)
        path.unlink(missing_ok=True)
        self.machine.invoke("etl.sample", "--date", str(day.date), "--type", day.kind.name, "--rows", str(ROWS))
        header, *lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([header, *change(lines)]))

    def begin(self, day):
        process = self.machine.start("etl.run", "--date", str(day.date), "--type", day.kind.name, "--json")
        self.begun.append(Loading(process))
        return self.begun[-1]

    def load(self, day):
        return self.begin(day).end()

    def status(self, day):
        [found] = self.machine.json("etl.status", *day.choice)
        return found

    def says(self, day, words):
        """Whether `etl.status` does; not before the day is known."""
        return words in self.machine.invoke("etl.status", *day.choice, expect=None).stdout

    def connect(self, user="flowdb", password=""):
        return psycopg.connect(
            host="127.0.0.1", port=PORTS + 432, dbname="flowdb", user=user, autocommit=True, connect_timeout=10,
            password=password or self.machine.value("FLOWDB_POSTGRES_PASSWORD"),
        )  # fmt: skip

    def seen(self, day, password=""):
        """What FlowMachine sees of a day: its rows and their checksum, and whether it is one of those to be queried."""
        with self.connect("flowmachine", password or self.machine.value("FLOWMACHINE_FLOWDB_PASSWORD")) as flowdb:
            rows = flowdb.execute(checksum_sql(day.kind, day.date)).fetchone()
            days = "SELECT count(*) FROM etl.available_dates WHERE cdr_type = %s AND cdr_date = %s"
            return (*rows, flowdb.execute(days, [day.kind.name, day.date]).fetchone() == (1,))

    @contextmanager
    def watched(self, day):
        """Gives the set of all that is seen of a day from now on, to the end of the context."""
        found, is_over = set(), threading.Event()
        password = self.machine.value("FLOWMACHINE_FLOWDB_PASSWORD")

        def look():
            while not is_over.wait(0.3):
                with contextlib.suppress(psycopg.OperationalError):  # FlowDB may be away
                    found.add(self.seen(day, password))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield found
        finally:
            is_over.set()
            watcher.join()

    def is_unseen(self, day):
        return self.seen(day) == (0, 0, False) and self.status(day)["state"] != "loaded"

    def is_right(self, day):
        """Whether a day is what its file is, to queries and to `etl.status`."""
        file, found = contents(self.path(day)), self.status(day)
        assert self.seen(day) == (file.rows, file.checksum, True)
        assert (found["state"], found["detail"]) == ("loaded", "")
        return found["checks"]["count_added_rows"] == str(file.rows)

    def left_of(self, day):
        """Tables beside those to be queried."""
        tables = """
            SELECT relname FROM pg_class
            WHERE relnamespace = 'etl'::regnamespace AND relkind IN ('r', 'f') AND relname LIKE %s
        """
        with self.connect() as flowdb:
            return {name for (name,) in flowdb.execute(tables, [f"%{day.kind.name}_{day.digits}"])}

    @contextmanager
    def held(self, day):
        """A load of a day in its middle: all rows are extracted, and not committed, until the context ends.

        Gives how to ask FlowDB whether somebody waits there.
        """
        table = f"etl.stg_{day.kind.name}_{day.digits}"
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = to_regclass(%s)"
        with self.connect() as holder, self.connect() as observer:
            eventually(lambda: observer.execute("SELECT to_regclass(%s)", [table]).fetchone()[0], LONG)
            holder.execute("BEGIN")
            holder.execute(f"SELECT FROM {table} LIMIT 1")

            def is_held():
                return observer.execute(waiting, [table]).fetchone() != (0,)

            eventually(is_held, LONG)
            with contextlib.suppress(psycopg.OperationalError):  # FlowDB itself may go meanwhile
                yield is_held
                holder.execute("ROLLBACK")


class Loading:
    """A run of `invoke etl.run`."""

    def __init__(self, process):
        self.process = process

    def end(self):
        """What became of the day, and what was said meanwhile."""
        out, told = self.process.communicate(timeout=2 * LONG)
        said = told.decode()
        assert out, said
        [document] = json.loads(out)
        assert self.process.returncode == (document["state"] != "succeeded"), said
        return document, said

    def stop(self):
        """If a test failed before its end."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
