"""The commands: all of them are explained, and every failure becomes an exit status."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.loader import FilesystemLoader

from secrets_quickstart import errors
from secrets_quickstart.tasks.task import INTERRUPTED, task

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "secrets_quickstart"
REFERENCE = ROOT / "docs" / "reference.md"


def commands():
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    ns: Collection = module.ns
    return {name: ns[name] for name in ns.task_names}


COMMANDS = commands()
OPTIONS = {name: command.get_arguments() for name, command in COMMANDS.items()}  # invoke gives the help away once
ON_EVERY_COMMAND = pytest.mark.parametrize("name", COMMANDS)
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
STATUSES = {"UsageError": 2, "PreflightFailed": 3, "NotConverged": 4, "VerificationFailed": 5}


def test_tasks_py_only_composes():
    text = (ROOT / "tasks.py").read_text()

    assert len(text.splitlines()) < 40
    assert "def " not in text


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_long_or_unexplained(path):
    text = path.read_text()

    assert len(text.splitlines()) < 400
    assert text.startswith('"""')


@ON_EVERY_COMMAND
def test_a_command_says_what_it_does_in_one_line(name):
    first = (COMMANDS[name].__doc__ or "").splitlines()[0]

    assert 10 < len(first) < 120
    assert first[0].isupper()
    assert first[-1] == "."


@ON_EVERY_COMMAND
def test_every_option_of_a_command_is_explained(name):
    for argument in OPTIONS[name]:
        assert argument.help, argument.name
        assert argument.help.endswith("."), argument.name


@ON_EVERY_COMMAND
def test_what_reports_can_report_as_json(name):
    last = name.rpartition(".")[2]
    reports = {
        *("status", "list", "plan", "users", "doctor", "verify", "deploy", "quickstart", "link", "down", "purge"),
        *("build", "pull", "prune", "audit"),
    }
    options = {argument.name for argument in OPTIONS[name]}

    assert last not in reports or "json" in options


def test_a_shell_completes_commands_and_their_options():
    def completed(line):
        argv = [sys.executable, "-m", "invoke", "--complete", "--", line]
        return subprocess.run(argv, cwd=ROOT, env={}, capture_output=True, text=True, check=True).stdout.split()

    assert set(completed("invoke ")) >= COMMANDS.keys()
    assert "--target" in completed("invoke deploy --")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_shell_that_the_reference_names(shell):
    assert shell in next(line for line in REFERENCE.read_text().splitlines() if line.startswith("Shell completion"))
    argv = [sys.executable, "-m", "invoke", "--print-completion-script", shell]
    assert "--complete" in subprocess.run(argv, env={}, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_becomes_its_documented_exit_status_and_says_what_to_do(kind, capsys):
    @task()
    def failing(_c):
        raise kind("it broke", why="a reason", fix="a fix", log=("last words",))

    with pytest.raises(Exit) as raised:
        failing(Context())

    assert raised.value.code == STATUSES.get(kind.__name__, 1)
    said = capsys.readouterr()
    assert said.err == "  | last words\nerror: it broke: a reason\nfix: a fix\n"
    assert said.out == ""


def test_ctrl_c_becomes_130_and_says_that_nothing_is_lost(capsys):
    @task()
    def interrupted(_c):
        raise KeyboardInterrupt

    with pytest.raises(Exit) as raised:
        interrupted(Context())

    assert raised.value.code == INTERRUPTED == 130
    assert "next run carries on" in capsys.readouterr().err


def test_a_reader_who_has_seen_enough_is_no_failure():
    @task()
    def cut_short(_c):
        raise BrokenPipeError

    with pytest.raises(Exit) as raised:
        cut_short(Context())

    assert raised.value.code == 0


def test_a_full_disk_is_no_traceback(capsys):
    @task()
    def writing(_c):
        raise OSError(errno.ENOSPC, "No space left on device", "/full/file")

    with pytest.raises(Exit) as raised:
        writing(Context())

    assert raised.value.code == 1
    assert capsys.readouterr().err.startswith("error: /full/file cannot be used: no space left on device\nfix: ")


def test_what_is_said_of_a_command_is_kept_by_the_guard():
    @task(help={"word": "What to say."})
    def speak(_c, word="hello"):
        """Say something."""

    assert speak.__doc__ == "Say something."
    assert [argument.help for argument in speak.get_arguments()] == ["What to say."]
