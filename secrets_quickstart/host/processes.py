"""Starts processes; the only module that does.  What to start is decided elsewhere.

No secret value may be in `argv` or `env`: it goes to the standard input.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import IO, BinaryIO, cast

from secrets_quickstart.errors import ProcessError

KEPT_LINES = 40
PIPE_BYTES = 1 << 20
"""As much as Linux allows everybody: fewer turns of the processors between a program and us."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a process left behind; `stderr` is only its last lines when lines were watched."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class Interrupted(ProcessError):
    """Ctrl-C has come: the process was ended, or not started any more."""


_running: dict[subprocess.Popen[bytes], signal.Signals] = {}
"""The programs whose lines are watched, each with the signal that ends it."""

_interrupted = threading.Event()


def interrupted() -> bool:
    """Whether Ctrl-C has come in an `ending_on_ctrl_c` that has not ended yet."""
    return _interrupted.is_set()


@contextmanager
def ending_on_ctrl_c() -> Iterator[None]:
    """In here, Ctrl-C ends every program whose lines are watched, and keeps others from starting; twice, it kills.

    In a terminal it reaches the programs by itself, but not those that another thread starts when these have ended.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's business
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def end(_number: int, _frame: FrameType | None) -> None:
        again = _interrupted.is_set()
        _interrupted.set()
        for process, ending in tuple(_running.items()):
            process.send_signal(signal.SIGKILL if again else ending)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _interrupted.clear()


@dataclass(frozen=True, slots=True)
class Piped:
    """A program that runs, and its streams."""

    stdin: BinaryIO
    stdout: BinaryIO


@contextmanager
def piped(argv: Sequence[str], *, env: Mapping[str, str]) -> Iterator[Piped]:
    """A program whose input and output are streams, for what is too large to be held.

    At the end of the block its input ends, and its end is waited for; it is killed if the block raises.  Raises
    ProcessError when it is missing, or ended with another status than 0.
    """
    command = tuple(argv)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            pipesize=PIPE_BYTES,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise _missing(command[0]) from error
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError(process)
    said: deque[str] = deque(maxlen=KEPT_LINES)
    listener = threading.Thread(target=_keep_lines, args=(process.stderr, said), daemon=True)
    listener.start()
    cut_short = False
    try:
        try:
            yield Piped(cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout))
            process.stdin.close()
        except BrokenPipeError:  # it reads no more: its status says why
            cut_short = True
        process.stdout.close()
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        listener.join()
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    if status != 0 or cut_short:
        raise ProcessError(
            f"{command[0]} failed with status {status}",
            why=said[-1] if said else "it read no more" if cut_short else "it said nothing",
            fix="see the lines above, and run this again",
            log=tuple(said),
        )


def _keep_lines(stream: IO[bytes], said: deque[str]) -> None:
    for raw in stream:
        said.append(raw.decode(errors="replace").rstrip())


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
    ending: signal.Signals = signal.SIGTERM,
) -> Completed:
    """Run a program to its end and return what it said.

    `env` replaces the whole environment when given.  `on_line` receives each line of stdout and stderr together as it
    comes, from this thread; such a program gets the signal `ending` when Ctrl-C comes in `ending_on_ctrl_c`.  Raises
    ProcessError when the program is missing, ran longer than `timeout` seconds, or (with `check`) ended with another
    status than 0, and Interrupted after Ctrl-C.
    """
    command = tuple(argv)
    if interrupted():
        raise _ended(command[0])
    if on_line is not None:
        done = _watch(command, stdin, env, cwd, timeout, on_line, ending)
    else:
        done = _collect(command, stdin, env, cwd, timeout)
    if done.status != 0 and interrupted():
        raise _ended(command[0])
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


def _ended(program: str) -> Interrupted:
    return Interrupted(f"{program} was interrupted", fix="run this again: it carries on")


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
    ending: signal.Signals,
) -> Completed:
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=cwd
        )
    except (FileNotFoundError, PermissionError) as error:
        raise _missing(command[0]) from error
    _running[process] = ending
    if interrupted():  # in between
        process.send_signal(ending)
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
            with contextlib.suppress(BrokenPipeError):  # it has ended before it read all: its status says why
                if process.stdin is not None:
                    process.stdin.write(stdin or b"")
                    process.stdin.close()
            for raw in process.stdout or ():
                line = raw.decode(errors="replace").rstrip()
                kept.append(line)
                on_line(line)
    except BaseException:
        process.kill()
        raise
    finally:
        del _running[process]
        if timer is not None:
            timer.cancel()
    if overdue.is_set():
        raise _late(command[0], timeout)
    return Completed(command, process.returncode, "", "\n".join(kept))
