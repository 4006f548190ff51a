"""`etl.*`: days of call records, brought into FlowDB by FlowETL's DAGs; what is done there is in `operations.etl_*`.

What is done to Airflow's own database is in `operations.airflow_migration`.
"""

from __future__ import annotations

from datetime import date as calendar_date
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.errors import HostError, UsageError
from secrets_quickstart.host.files import typed
from secrets_quickstart.tasks.inputs import path
from secrets_quickstart.tasks.task import ROOT, agree, duration, settings, task

if TYPE_CHECKING:
    from secrets_quickstart.operations.airflow_migration import Dumped

JSON = "Print one JSON document."
FOLDER = "Where the dump goes; only you may be able to read it. The folder of the stack's vault if not given."


@task(positional=["directory"], help={"directory": "Where to write; made if it does not exist.", "json": JSON})
def init(_c: Context, directory: str, json: bool = False) -> None:
    """Write the example DAGs and the guide to making them yours; no file that is there is changed."""
    from secrets_quickstart.host.files import Outcome
    from secrets_quickstart.operations.etl_files import write_examples

    folder = typed(directory)
    outcomes = write_examples(ROOT / "pipelines", folder)
    if json:
        report.document({"directory": str(folder), "files": {name: out.name.lower() for name, out in outcomes.items()}})
    else:
        for name, outcome in outcomes.items():
            report.result(f"{folder / name}: {outcome.value}")
    different = [name for name, outcome in outcomes.items() if outcome is Outcome.OTHER]
    if different:
        raise HostError(
            f"{', '.join(different)} in {folder} {'is' if len(different) == 1 else 'are'} not the example any more",
            why="the others are there",
            fix="name an empty directory, and compare the two",
        )


@task(
    iterable=["type"],
    help={
        "date": "The day, such as 2016-01-31.",
        "type": "calls, sms, mds or topups; may be given several times (all four if not given).",
        "rows": "How many rows of each type (10 calls, 6 sms, 4 mds and 2 topups for each subscriber if not given).",
        "subscribers": "How many subscribers there are, 400 to 100000 (FLOWDB_SAMPLE_SUBSCRIBERS; more for many rows).",
        "seed": "The same number gives the same rows (FLOWDB_SAMPLE_SEED).",
        "directory": "Where to write (FLOWDB_ETL_DIR); made if it does not exist.",
        "json": JSON,
    },
)
def sample(
    _c: Context,
    date: str = "",
    type: list[str] | None = None,  # noqa: A002  # the flag's name
    rows: int = 0,
    subscribers: int = 0,
    seed: int = -1,
    directory: str = "",
    json: bool = False,
) -> None:
    """Write made-up records of one day as CSV files, for the example DAGs to load."""
    from secrets_quickstart.operations import etl_files

    chosen = settings()
    folder = path(directory) or chosen["FLOWDB_ETL_DIR"]
    wanted = etl_files.samples(
        chosen, date, type or (), rows=rows, subscribers=subscribers, seed=None if seed < 0 else seed
    )
    written = [etl_files.write_sample(one, folder) for one in wanted]
    if json:
        report.document([item.document() for item in written])
        return
    for item in written:
        report.result(f"{item.path}: {report.counted(item.expected.rows, 'row')}, {item.outcome.value}")


@task(
    iterable=["type"],
    help={
        "date": "The day, such as 2016-01-31.",
        "type": "What to load, such as calls; may be given several times (all that a DAG loads if not given).",
        "dag": "The DAG to use, where more than one loads the same type.",
        "again": "Load it although it is loaded already.",
        "wait": "Follow for so long at most: 90s, 10m, 2h, 1d (until the end if not given); the load goes on then.",
        "json": JSON,
    },
)
def run(
    _c: Context,
    date: str = "",
    type: list[str] | None = None,  # noqa: A002  # the flag's name
    dag: str = "",
    again: bool = False,
    wait: str = "",
    json: bool = False,
) -> None:
    """Have Airflow load a day, and follow it to its end (exit status 1 if it fails)."""
    from secrets_quickstart.operations import etl_following, etl_runs

    order = etl_runs.Order(_day("--date", date), type or (), dag, again)
    patience = duration("--wait", wait) if wait else None
    with report.progress(f"loading {order.day}") as board:
        ended = etl_runs.run(settings(), order, etl_following.Listeners(report.say, board.update), patience)
    if json:
        report.document([item.document() for item in ended])
    else:
        for item in ended:
            report.result(f"{item.type} of {item.day}: {item.detail}")
    etl_runs.require(ended)


@task(
    iterable=["type"],
    help={
        "since": "The first day to show, such as 2016-01-01.",
        "until": "The last one.",
        "type": "Only this type, such as calls; may be given several times.",
        "checks": "Show what each QA check found.",
        "json": JSON,
    },
)
def status(
    _c: Context,
    since: str = "",
    until: str = "",
    type: list[str] | None = None,  # noqa: A002  # the flag's name
    checks: bool = False,
    json: bool = False,
) -> None:
    """Show which days of which type are loaded, running, failed or missing, and what the QA checks found."""
    from secrets_quickstart.operations import etl_days

    choice = etl_days.Choice(
        _day("--since", since) if since else calendar_date.min,
        _day("--until", until) if until else calendar_date.max,
        type or (),
    )
    days = etl_days.status(settings(), choice)
    if json:
        report.document([day.document() for day in days])
    elif checks:
        found = [(day.type, day.day, name, outcome) for day in days for name, outcome in sorted(day.checks.items())]
        report.table(("TYPE", "DATE", "CHECK", "OUTCOME"), found)
    elif days:
        columns = ("TYPE", "DATE", "STATE", "LOADED", "ROWS", "CHECKS", "DETAIL")
        report.table(columns, map(etl_days.cells, etl_days.gathered(days)))
    else:
        report.result("no day is loaded, and none has been tried")


@task(help={"folder": FOLDER, "json": "Print one JSON document."})
def dump_airflow(_c: Context, folder: str = "", json: bool = False) -> None:
    """Dump Airflow's database, which another Airflow changes for good as it starts."""
    from secrets_quickstart.operations import airflow_migration

    with report.progress("services") as board:
        done = airflow_migration.dump(settings(), path(folder), board.update)
    _tell(done, json=json)


@task(
    positional=["dump"],
    help={
        "dump": "A dump of etl.dump-airflow, or of pg_dump --format=custom.",
        "folder": FOLDER,
        "yes": "Do it without asking.",
        "json": "Print one JSON document.",
    },
)
def restore_airflow(_c: Context, dump: str, folder: str = "", yes: bool = False, json: bool = False) -> None:
    """Put a dump in the place of all that Airflow's database holds, which is dumped before; Airflow stays stopped."""
    from secrets_quickstart.operations import airflow_migration

    chosen, file = settings(), typed(dump)
    if not yes:
        with report.progress("services") as board:
            lines = airflow_migration.look_back(chosen, file, board.update)
        agree(chosen.stack, lines)
    with report.progress("services") as board:
        done = airflow_migration.restore(chosen, file, path(folder), board.update)
    _tell(done, json=json)


def _tell(done: Dumped, *, json: bool) -> None:
    if json:
        report.document(done.document())
        return
    report.result(f"it was of {done.found}: {done.found.dag_runs} runs, {done.found.connections} connections")
    if done.dump is not None:
        report.result(f"the dump that leads back: {done.dump}")
    for line in done.next:
        report.result(f"next: {line}")


def _day(flag: str, text: str) -> calendar_date:
    try:
        return calendar_date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text or 'nothing'} is no date", fix=f"give the day as in {flag} 2016-01-31") from None


ns = Collection("etl", init, sample, run, status, dump_airflow, restore_airflow)
