"""`etl.*`: days of call records, brought into FlowDB by FlowETL's DAGs; what is done there is in `operations.etl_*`.

What is done to Airflow's own database is in `operations.airflow_migration`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.tasks.task import agree, settings, task

if TYPE_CHECKING:
    from secrets_quickstart.operations.airflow_migration import Dumped

FOLDER = "Where the dump goes; only you may be able to read it. The folder of the stack's vault if not given."


@task(help={"folder": FOLDER, "json": "Print one JSON document."})
def dump_airflow(_c: Context, folder: str = "", json: bool = False) -> None:
    """Dump Airflow's database, which another Airflow changes for good as it starts."""
    from secrets_quickstart.operations import airflow_migration

    with report.progress("services") as board:
        done = airflow_migration.dump(settings(), _path(folder), board.update)
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

    chosen, path = settings(), Path(dump).expanduser()
    if not yes:
        with report.progress("services") as board:
            lines = airflow_migration.look_back(chosen, path, board.update)
        agree(chosen.stack, lines)
    with report.progress("services") as board:
        done = airflow_migration.restore(chosen, path, _path(folder), board.update)
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


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


ns = Collection("etl", dump_airflow, restore_airflow)
