"""Starts processes; the only module that does.  What to start is decided elsewhere.

No secret value may be in `argv` or `env`: it goes to the standard input.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from secrets_quickstart.errors import ProcessError

KEPT_LINES = 40


@dataclass(frozen=True, slots=True)
class Completed:
    """What a process left behind; `stderr` is only its last lines when lines were watched."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


def find(program: str) -> str | None:
    """The path of a program on PATH, or None."""
    return shutil.which(program)


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    check: bool = True,
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run a program to its end and return what it said.

    `env` replaces the whole environment when given.  `on_line` receives each line of stdout and stderr together as it
    comes, from this thread.  Raises ProcessError when the program is missing, ran longer than `timeout` seconds, or
    (with `check`) ended with another status than 0.
    """
    command = tuple(argv)
    if on_line is not None:
        done = _watch(command, stdin, env, cwd, timeout, on_line)
    else:
        done = _collect(command, stdin, env, cwd, timeout)
    if check and done.status != 0:
        tail = tuple((done.stderr or done.stdout).strip().splitlines()[-KEPT_LINES:])
        raise ProcessError(
            f"{command[0]} failed with status {done.status}",
            why=tail[-1] if tail else "it said nothing",
            fix=f"run it by hand to see more: {' '.join(command)}",
            log=tail,
        )
    return done


def _missing(program: str) -> ProcessError:
    return ProcessError(f"{program} cannot be started", why="no such program", fix=f"install {program}")


def _late(program: str, timeout: float | None) -> ProcessError:
    return ProcessError(f"{program} did not end within {timeout:g} s", fix="see what it waits for")


def _collect(
    command: tuple[str, ...],
    stdin: bytes | None,
    env: Mapping[str, str] | None,
    cwd: str | None,
    timeout: float | None,
) -> Completed:
    try:
        done = subprocess.run(
            command,
            input=stdin if stdin is not None else b"",
            env=env,
            cwd=cwd,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise _missing(command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise _late(command[0], timeout) from error
    return Completed(
        command,
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )


def _watch(
    command: tuple[str, ...],
    stdin: bytes | None,
    env: Mapping[str, str] | None,
    cwd: str | None,
    timeout: float | None,
    on_line: Callable[[str], None],
) -> Completed:
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=cwd
        )
    except (FileNotFoundError, PermissionError) as error:
        raise _missing(command[0]) from error
    overdue = threading.Event()

    def stop() -> None:
        overdue.set()
        process.kill()

    timer = threading.Timer(timeout, stop) if timeout is not None else None
    if timer is not None:
        timer.start()
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        with process:
            if process.stdin is not None:
                if stdin is not None:
                    process.stdin.write(stdin)
                process.stdin.close()
            for raw in process.stdout or ():
                line = raw.decode(errors="replace").rstrip()
                kept.append(line)
                on_line(line)
    except BaseException:
        process.kill()
        raise
    finally:
        if timer is not None:
            timer.cancel()
    if overdue.is_set():
        raise _late(command[0], timeout)
    return Completed(command, process.returncode, "", "\n".join(kept))
