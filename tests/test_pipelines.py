"""The example DAGs, as texts: whole, in step with FlowDB's schema and with the samples, and found by Airflow."""

import re
import runpy
import sys
from types import ModuleType

import pytest

from secrets_quickstart.catalog.records import EXAMPLES, TYPES
from secrets_quickstart.tasks.task import ROOT

PIPELINES = ROOT / "pipelines"
SCHEMA = (ROOT / "images/flowdb/schema/30_events.sql").read_text()
ON_EVERY_TYPE = pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)


@pytest.fixture
def dag_of(monkeypatch):
    """What a DAG file hands to create_dag, and what becomes of the result."""

    def run(kind):
        handed = {}

        def create_dag(**options):
            handed.update(options)
            return "the DAG"

        flowetl, util, when = ModuleType("flowetl"), ModuleType("flowetl.util"), ModuleType("when_to_load")
        util.create_dag = create_dag  # type: ignore[attr-defined]
        when.OPTIONS = {"start_date": "the first"}  # type: ignore[attr-defined]
        when.complete = lambda dag, filename: handed.update(completed=(dag, filename))  # type: ignore[attr-defined]
        for module in (flowetl, util, when):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        names = runpy.run_path(str(PIPELINES / f"{kind.dag}.py"))
        assert names["dag"] == "the DAG", "Airflow looks for it there"
        return handed

    return run


def columns_of(table):
    """FlowDB's columns with their types."""
    (body,) = re.findall(rf"CREATE TABLE events\.{table} \((.*?)\n\)", SCHEMA, re.DOTALL)
    return dict(re.findall(r"(\w+)\s+([a-z]+(?:\(\d+\))?)", body.replace(" NOT NULL", "")))


def test_the_folder_holds_the_examples_and_nothing_else():
    assert {path.name for path in PIPELINES.iterdir() if path.is_file()} == set(EXAMPLES)


@ON_EVERY_TYPE
def test_a_dag_reads_the_columns_of_the_samples_from_their_file(dag_of, kind):
    handed = dag_of(kind)

    assert (handed["dag_id"], handed["cdr_type"]) == (kind.dag, kind.name)
    assert handed["filename"] == f"/etl/{kind.name}_{{{{ ds_nodash }}}}.csv"
    assert tuple(handed["fields"]) == kind.columns
    assert handed["start_date"] == "the first"
    assert handed["completed"] == ("the DAG", handed["filename"])


@ON_EVERY_TYPE
def test_a_dag_makes_all_columns_of_flowdbs_table_with_their_types(dag_of, kind):
    text = re.sub(r"--.*", "", dag_of(kind)["extract_sql"])
    made = {name: cast.lower() for cast, name in re.findall(r"::([A-Z]+(?:\(\d+\))?)\s+AS (\w+)", text)}

    assert made == columns_of(kind.name)
    assert text.count(" AS ") == len(made)


@ON_EVERY_TYPE
def test_a_dag_indexes_columns_that_there_are(dag_of, kind):
    indexed = dag_of(kind).get("indexes", ("msisdn_counterpart", "location_id", "datetime", "tac"))

    assert set(indexed) <= set(columns_of(kind.name))


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("load_")])
def test_airflow_finds_a_dag_by_the_words_that_it_looks_for(name):
    """The official image skips files without them."""
    text = (PIPELINES / name).read_text().lower()

    assert "airflow" in text
    assert "dag" in text


def test_the_guide_names_every_dag_every_file_and_every_task_of_ours():
    guide = (PIPELINES / "README.md").read_text()

    for kind in TYPES:
        assert f"| `{kind.dag}`" in guide
        assert f"`/etl/{kind.name}_20160131.csv`" in guide
    for name in re.findall(r"^([A-Z_]+) = ", (PIPELINES / "when_to_load.py").read_text(), re.MULTILINE):
        if name in {"START_DATE", "CATCH_UP", "QUIET_FOR"}:
            assert f"`{name}" in guide
