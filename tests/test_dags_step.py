"""The example DAGs come into an empty folder, and into no other."""

import os
from pathlib import Path

import pytest

from secrets_quickstart.catalog.records import EXAMPLES
from secrets_quickstart.errors import HostError
from secrets_quickstart.host import files
from secrets_quickstart.operations.deployment import Deployment, order
from secrets_quickstart.settings import load
from secrets_quickstart.steps.dags import DagsStep
from secrets_quickstart.tasks.task import ROOT
from secrets_quickstart.vault import Vault
from tests.fakes import FakeEngine


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    (tmp_path / ".flowkit/dags").mkdir(parents=True)
    return tmp_path / ".flowkit/dags"


@pytest.fixture
def step(folder, tmp_path):
    return DagsStep(load(tmp_path, {}))


def carry_out(step):
    plan = step.plan(step.look())
    step.act(plan.actions)
    return plan


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_an_empty_folder_gets_the_examples_and_a_second_run_changes_nothing(step, folder):
    (action,) = carry_out(step).actions
    said = "write the example DAGs load_calls, load_sms, load_mds, load_topups"
    assert str(action) == f"FLOWETL_HOST_DAG_DIR: {said} to {folder}, switched off"
    assert names(folder) == set(EXAMPLES)
    assert (folder / "load_calls.py").read_bytes() == (ROOT / "pipelines/load_calls.py").read_bytes()

    again = carry_out(step)
    assert again.actions == ()
    assert str(again.unchanged[0]) == f"FLOWETL_HOST_DAG_DIR {folder}: is not empty, and is left to you"


@pytest.mark.parametrize("name", ["mine.py", ".airflowignore", "load_calls.py"])
def test_a_folder_with_anything_in_it_is_left_alone(step, folder, name):
    (folder / name).write_text("mine")

    assert carry_out(step).actions == ()
    assert names(folder) == {name}


def test_an_example_that_was_deleted_or_changed_stays_so(step, folder):
    carry_out(step)
    (folder / "load_topups.py").unlink()
    (folder / "load_calls.py").write_text("mine")

    assert carry_out(step).actions == ()
    assert names(folder) == set(EXAMPLES) - {"load_topups.py"}
    assert (folder / "load_calls.py").read_text() == "mine"


def test_a_folder_that_is_still_to_be_made_is_planned_for(step, folder):
    folder.rmdir()

    assert len(step.plan(step.look()).actions) == 1


@pytest.mark.parametrize("blow", range(len(EXAMPLES)))
def test_a_run_that_is_cut_off_is_carried_on_by_the_next(step, folder, monkeypatch, blow):
    written: list[Path] = []
    write_new = files.write_new

    def cut_short(path, content):
        if len(written) == blow:
            raise KeyboardInterrupt
        written.append(path)
        path.with_name(f".{path.name}.x1{files.UNFINISHED}").touch()  # as of a process that was killed
        return write_new(path, content)

    monkeypatch.setattr(files, "write_new", cut_short)
    with pytest.raises(KeyboardInterrupt):
        carry_out(step)
    monkeypatch.setattr(files, "write_new", write_new)

    assert len(carry_out(step).actions) == 1
    assert names(folder) == set(EXAMPLES)


def test_a_folder_that_we_may_not_write_to_is_named_with_the_command(step, folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)

    (unchanged,) = step.plan(step.look()).unchanged

    assert f"invoke etl.init {folder}" in str(unchanged)


def test_a_folder_that_cannot_be_written_to_after_all_is_an_error(step, folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(folder), "touch", refuse)

    with pytest.raises(HostError, match="no space left"):
        carry_out(step)


def test_what_nobody_has_changed_is_known(step, folder):
    carry_out(step)
    (folder / "load_calls.py").write_text("mine")
    (folder / "mine.py").write_text("mine")

    assert {path.name for path in step.as_written()} == set(EXAMPLES) - {"load_calls.py"}


@pytest.mark.parametrize(
    ("target", "wanted", "there"),
    [("flowkit", True, True), ("flowetl", True, True), ("flowetl", False, False), ("flowapi", True, False)],
)
def test_it_is_a_step_of_orders_that_want_it_and_have_airflow(tmp_path, target, wanted, there):
    (tmp_path / "images").symlink_to(ROOT / "images")
    chosen = load(tmp_path, {"FLOWKIT_IMAGES": "local"})
    deployment = Deployment(
        chosen, order(target, example_dags=wanted), FakeEngine(), Vault.in_memory(), tell=lambda _: None
    )

    steps = [step.name for lane in deployment.preparation() for step in lane]

    assert ("dags" in steps) == there
    if there:
        assert steps.index("directories") < steps.index("dags")
