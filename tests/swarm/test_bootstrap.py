"""The one script before Python, on this machine and on one that has next to nothing."""

import shutil
import subprocess
import time

import pytest

from tests.swarm.machine import INVOKE, REPOSITORY

pytestmark = pytest.mark.swarm

VENV = INVOKE.parents[1]
NEEDED = ("sh", "dirname", "cksum", "cat", "id")
"""Programs without which the script can say nothing."""


@pytest.fixture
def folder(tmp_path):
    """A clone in which the script has run before: its environment is the one that these tests run in."""
    for name in ("bootstrap.sh", "requirements.lock"):
        shutil.copy2(REPOSITORY / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(VENV)
    return tmp_path


def run(folder, *command, **variables):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder), **variables}
    return subprocess.run(
        ["./bootstrap.sh", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def bare(folder):
    """PATH of a machine without apt-get and Docker."""
    programs = folder / "programs"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name) or "")
    (programs / "python3").symlink_to((VENV / "bin" / "python").resolve())
    return str(programs)


def test_a_second_call_makes_nothing_says_nothing_and_takes_less_than_a_second(folder):
    before = VENV.joinpath("stamp").stat().st_mtime_ns
    begun = time.monotonic()

    done = run(folder, "python", "-c", "import sys; print(sys.prefix)", PYTHON=str((VENV / "bin/python").resolve()))

    assert time.monotonic() - begun < 1
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(folder / ".venv"), "")
    assert VENV.joinpath("stamp").stat().st_mtime_ns == before


def test_it_ends_as_the_command_ends_that_it_was_given(folder):
    assert run(folder, "sh", "-c", "exit 3").returncode == 3


def test_without_an_engine_that_it_can_install_it_says_what_to_do_and_goes_on(folder, bare):
    done = run(folder, "sh", "-c", "echo went on", PATH=bare)

    assert done.stdout == "went on\n"
    assert "no Docker Engine answers: install Docker 20.10 or newer" in done.stderr


def test_it_leaves_the_engine_alone_when_it_is_told_to(folder, bare):
    done = run(folder, "sh", "-c", "echo went on", PATH=bare, BOOTSTRAP_ENGINE="no")

    assert (done.stdout, done.stderr) == ("went on\n", "")


def test_without_python_it_says_what_is_needed(folder, bare):
    (folder / "programs" / "python3").unlink()
    done = run(folder, "sh", "-c", "echo went on", PATH=bare)

    assert (done.returncode, done.stdout) == (1, "")
    assert "Python 3.11 or newer is needed" in done.stderr
