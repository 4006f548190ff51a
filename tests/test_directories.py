"""The directories that services are given: judged purely, made with the right owner, never taken over."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from secrets_quickstart.errors import HostError
from secrets_quickstart.host import directories
from secrets_quickstart.host.directories import Adjust, Directory, Found, Kind, Make, Right, Wrong, judge
from secrets_quickstart.settings import load
from secrets_quickstart.steps.directories import DirectoriesStep

ROOT, ADA, POSTGRES = 0, 1000, 999
ME, MINE = os.geteuid(), os.getegid()
BELOW = Path("/repo/.flowkit")
DATA = Directory(
    *("FLOWDB_DATA_DIR", Path("/srv/data"), POSTGRES, POSTGRES, 0o700),
    owned=True,
    below=BELOW,
    service="FlowDB",
    database=True,
)
ETL = Directory(
    *("FLOWDB_ETL_DIR", Path("/srv/etl"), POSTGRES, POSTGRES, 0o755), owned=False, below=BELOW, service="FlowDB"
)
LOGS = Directory(
    *("FLOWETL_HOST_LOG_DIR", Path("/srv/logs"), 50000, 0, 0o775), owned=True, below=BELOW, service="Airflow"
)
MISSING = Found(Kind.MISSING, Path("/srv"), parent_writable=True)
OWNED = Found(Kind.DIRECTORY, Path("/srv"), parent_writable=True, uid=POSTGRES, gid=POSTGRES, mode=0o700)
ADAS = replace(OWNED, uid=ADA, gid=ADA)
FULL = ("PG_VERSION", "base")
AIRFLOWS = replace(OWNED, uid=50000, gid=0, mode=0o775)


@pytest.mark.parametrize(
    ("wanted", "found", "me", "verdict"),
    [
        (DATA, MISSING, ROOT, Make()),
        (DATA, MISSING, POSTGRES, Make()),
        (ETL, MISSING, ADA, Make()),
        (DATA, OWNED, ADA, Right()),
        (DATA, replace(OWNED, entries=FULL), ADA, Right()),
        (DATA, replace(OWNED, entries=FULL, mode=0o750), ADA, Right()),
        (DATA, replace(OWNED, readable=False), ADA, Right()),
        (DATA, ADAS, ROOT, Adjust()),
        (DATA, replace(OWNED, mode=0o755), POSTGRES, Adjust()),
        (ETL, replace(ADAS, mode=0o755, entries=("calls.csv",)), ADA, Right()),
        (ETL, replace(OWNED, mode=0o500), ADA, Right()),
        (ETL, replace(ADAS, gid=POSTGRES, mode=0o750), ADA, Right()),
        (LOGS, MISSING, ROOT, Make()),
        (LOGS, replace(AIRFLOWS, entries=("scheduler",)), ADA, Right()),
        (LOGS, replace(AIRFLOWS, mode=0o700, entries=("scheduler",)), ADA, Right()),
        (LOGS, replace(AIRFLOWS, entries=("lost+found",)), ADA, Right()),
        (LOGS, ADAS, ROOT, Adjust()),
        (
            replace(DATA, path=Path("/repo/.flowkit/new/data")),
            replace(MISSING, parent=Path("/repo")),
            ROOT,
            Make(),
        ),
    ],
)
def test_what_can_be_done_is_done(wanted, found, me, verdict):
    assert judge(wanted, found, me) == verdict


@pytest.mark.parametrize(
    ("wanted", "found", "me", "why", "fix"),
    [
        (DATA, MISSING, ADA, "only root", "sudo install -d -o 999 -g 999 -m 0700 /srv/data"),
        (DATA, replace(MISSING, parent_writable=False), POSTGRES, "may not make it in /srv", "sudo install -d"),
        (ETL, replace(MISSING, parent_writable=False), ADA, "may not make", "sudo install -d -m 0755 /srv/etl"),
        (DATA, replace(MISSING, read_only=True), ROOT, "read-only file system", "remount"),
        (DATA, replace(MISSING, parent=Path("/")), ROOT, "/srv is not there either", "mount what belongs there"),
        (DATA, replace(MISSING, kind=Kind.OTHER), ROOT, "something else than a directory", "FLOWDB_DATA_DIR"),
        (DATA, replace(MISSING, kind=Kind.HIDDEN), ADA, "may not look", "sudo ls -ld /srv/data"),
        (DATA, ADAS, ADA, "belongs to 1000:1000", "sudo chown 999:999 /srv/data"),
        (DATA, replace(ADAS, entries=FULL), ROOT, "may be another's", "sudo chown -R 999:999 /srv/data"),
        (DATA, replace(ADAS, readable=False), ADA, "may be another's", "sudo chown -R 999:999 /srv/data"),
        (DATA, replace(OWNED, entries=FULL, mode=0o755), ROOT, "mode 0755", "sudo chmod 0700 /srv/data"),
        (DATA, replace(OWNED, entries=FULL, mode=0o770), ROOT, "mode 0770", "sudo chmod 0700 /srv/data"),
        (DATA, replace(OWNED, entries=("lost+found",)), ROOT, "lost+found", "/srv/data/flowdb"),
        (LOGS, replace(AIRFLOWS, mode=0o777, entries=("x",)), ROOT, "mode 0777", "sudo chmod 0775 /srv/logs"),
        (LOGS, replace(ADAS, entries=("x",)), ROOT, "Airflow runs as 50000:0", "if it is Airflow's: sudo chown -R"),
        (ETL, ADAS, ADA, "999:999 may not read it", "sudo chmod a+rx /srv/etl"),
        (ETL, replace(ADAS, uid=POSTGRES, mode=0o055), ADA, "may not read it", "sudo chmod a+rx /srv/etl"),
    ],
)
def test_what_a_person_has_to_decide_is_left_with_the_command(wanted, found, me, why, fix):
    verdict = judge(wanted, found, me)
    assert isinstance(verdict, Wrong)
    assert why in verdict.why
    assert fix in verdict.fix


def test_the_facts_are_those_of_the_file_system(tmp_path):
    directory = tmp_path / "data"
    assert directories.look(directory).kind is Kind.MISSING
    assert directories.look(directory / "a" / "b").parent == tmp_path
    directory.mkdir(mode=0o750)
    found = directories.look(directory)
    assert (found.kind, found.uid, found.mode, found.empty) == (Kind.DIRECTORY, ME, 0o750, True)
    (directory / "base").touch()
    assert directories.look(directory).entries == ("base",)
    assert directories.look(directory / "base").kind is Kind.OTHER
    assert directories.look(directory / "base" / "x").kind is Kind.MISSING
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert directories.look(tmp_path / "link").kind is Kind.OTHER


def test_a_new_directory_has_its_owner_and_mode_whatever_the_umask(tmp_path):
    wanted = Directory("FLOWDB_DATA_DIR", tmp_path / "a" / "data", ME, MINE, 0o755, True, tmp_path, "FlowDB")
    before = os.umask(0o077)
    try:
        directories.make(wanted)
    finally:
        os.umask(before)
    found = directories.look(wanted.path)
    assert (found.uid, found.gid, found.mode) == (ME, MINE, 0o755)
    directories.make(wanted)  # safe to repeat


def test_what_was_filled_meanwhile_is_not_touched(tmp_path):
    wanted = Directory("FLOWDB_DATA_DIR", tmp_path, ME, MINE, 0o700, True, tmp_path, "FlowDB")
    tmp_path.chmod(0o755)
    (tmp_path / "base").touch()
    with pytest.raises(HostError, match="not empty any more"):
        directories.adjust(wanted)
    assert directories.look(tmp_path).mode == 0o755


def test_a_directory_that_cannot_be_made_is_an_error_with_the_command(tmp_path):
    (tmp_path / "file").touch()
    wanted = Directory("FLOWDB_DATA_DIR", tmp_path / "file" / "data", ME, MINE, 0o700, True, tmp_path, "FlowDB")
    with pytest.raises(HostError, match=r"FLOWDB_DATA_DIR: .* cannot be made") as refused:
        directories.make(wanted)
    assert refused.value.fix.startswith("sudo install -d -o")


@pytest.fixture
def step_with(tmp_path):
    def build(*components: str, **environ: str):
        return DirectoriesStep(load(tmp_path, environ), components or ("flowdb", "flowmachine"))

    return build


def test_the_default_is_a_volume_and_a_folder_for_files_to_load(step_with, tmp_path):
    step = step_with()
    plan = step.plan(step.look())
    assert [str(action) for action in plan.actions] == [f"FLOWDB_ETL_DIR: make {tmp_path}/.flowkit/etl (mode 0755)"]
    step.act(plan.actions)
    assert (tmp_path / ".flowkit/etl").is_dir()
    again = step.plan(step.look())
    assert again.actions == ()
    assert "as it should be" in str(again.unchanged[0])


def test_a_data_directory_is_made_for_the_user_that_flowdb_runs_as(step_with, tmp_path):
    step = step_with(
        FLOWDB_DATA_DIR=str(tmp_path / "data"),
        FLOWDB_HOST_USER_ID=str(ME or ADA),
        FLOWDB_HOST_GROUP_ID=str(MINE or ADA),
    )
    (data, _) = step.wanted()
    assert (data.uid, data.gid, data.mode) == (ME or ADA, MINE or ADA, 0o700)
    plan = step.plan(step.look())
    step.act(plan.actions)
    found = directories.look(tmp_path / "data")
    assert (found.uid, found.gid, found.mode) == (ME or ADA, MINE or ADA, 0o700)
    assert step.plan(step.look()).actions == ()


def test_airflows_directories_are_made_for_its_user(step_with, tmp_path):
    step = step_with("flowetl", FLOWETL_HOST_LOG_DIR=str(tmp_path / "logs"))
    (dags, logs) = step.wanted()

    assert (dags.path, dags.mode, dags.owned) == (tmp_path / ".flowkit/dags", 0o755, False)
    assert (logs.uid, logs.gid, logs.mode, logs.owned) == (50000, 0, 0o775, True)
    assert [one.variable for one in step_with("flowetl").wanted()] == ["FLOWETL_HOST_DAG_DIR"], (
        "a volume holds the logs"
    )


def test_all_that_is_wrong_is_told_at_once(step_with, tmp_path):
    for name in ("data", "etl"):
        (tmp_path / name).touch()
    step = step_with(FLOWDB_DATA_DIR=str(tmp_path / "data"), FLOWDB_ETL_DIR=str(tmp_path / "etl"))
    with pytest.raises(HostError) as refused:
        step.plan(step.look())
    assert "FLOWDB_DATA_DIR" in refused.value.why
    assert "FLOWDB_ETL_DIR" in refused.value.why


def test_a_component_that_is_not_deployed_needs_no_directories(step_with):
    step = step_with("flowapi")
    assert step.look().found == ()
    assert step.plan(step.look()).actions == ()
