"""Says things to people and to machines; the only module that prints.  It decides nothing.

Results go to stdout, progress to stderr: live on a terminal, plain lines elsewhere.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.live import Live

    from secrets_quickstart.errors import QuickstartError

Tell = Callable[[Mapping[str, str]], None]
"""Is told how named things stand, as `Progress.update` is."""

_lock = threading.RLock()
_live: Live | None = None


def _write(stream: TextIO, text: str) -> None:
    with _lock:
        if stream is sys.stderr and _live is not None:
            _live.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        try:
            stream.write(text + "\n")
            stream.flush()
        except UnicodeEncodeError:  # a C locale: say it in ASCII rather than die of a dash
            stream.write(text.encode("ascii", "replace").decode() + "\n")
            stream.flush()


def say(text: str) -> None:
    """One line of progress."""
    _write(sys.stderr, text)


def heading(text: str) -> None:
    """The line above the lines of one step."""
    _write(sys.stderr, f"== {text}")


def result(text: str) -> None:
    """One line of what was asked for."""
    _write(sys.stdout, text)


def value(content: bytes) -> None:
    """Exactly these bytes on stdout, and nothing else."""
    with _lock:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def document(content: Any) -> None:
    """One JSON document on stdout."""
    _write(sys.stdout, json.dumps(content, indent=2, default=str, ensure_ascii=False))


def line(content: Any) -> None:
    """One JSON document on one line of stdout, of several that come one after the other."""
    _write(sys.stdout, json.dumps(content, default=str, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout: aligned columns, no frames, so that it can be read, cut and searched."""
    for text in _aligned(columns, rows):
        _write(sys.stdout, text)


def _aligned(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    cells = [[str(cell) for cell in row] for row in rows]
    everything = [list(columns), *cells]
    widths = [max(len(row[i]) for row in everything) for i in range(len(columns))]
    for row in everything:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def is_live() -> bool:
    """Whether somebody looks at stdout as it comes."""
    return sys.stdout.isatty()


def watch(columns: Sequence[str], frames: Iterable[tuple[Iterable[Sequence[object]], Iterable[str]]]) -> None:
    """One table in the place of the other, each with lines below it, as long as frames come; the last one stays."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False) as live:
        for rows, notes in frames:
            shown = Text("\n".join([*_aligned(columns, rows), *notes]), no_wrap=True, overflow="ellipsis")
            live.update(shown, refresh=True)


def counted(number: int, what: str) -> str:
    """A number and its noun, in the plural where it has to be."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def error(problem: QuickstartError) -> None:
    """What, why, the last lines of what failed, and the fix."""
    for line in problem.log:
        say(f"  | {line}")
    say(f"error: {problem}")
    if problem.fix:
        say(f"fix: {problem.fix}")


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """A board of named things and their states, live on a terminal, else a line for each change."""
    global _live
    board = Progress(title)
    if not sys.stderr.isatty() or _live is not None:
        yield board
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=8, get_renderable=board.render, transient=True) as live:
        _live = live
        try:
            yield board
        finally:
            _live = None
    for line in board.lines():
        say(line)


class Progress:
    """What is known of each named thing while something is waited for."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._states: dict[str, str] = {}

    def update(self, states: Mapping[str, str]) -> None:
        """Take in new states; elsewhere than on a terminal, print those that changed."""
        changed = {name: state for name, state in states.items() if self._states.get(name) != state}
        self._states.update(changed)
        if _live is None:
            for name, state in changed.items():
                say(f"  {name}: {state}")

    def lines(self) -> list[str]:
        width = max((len(name) for name in self._states), default=0)
        return [f"  {name.ljust(width)}  {state}" for name, state in self._states.items()]

    def render(self) -> Any:
        from rich.text import Text

        return Text("\n".join([self._title, *self.lines()]))


def ask(question: str) -> str:
    """A line that the person types; "" when there is nobody to ask."""
    if not sys.stdin.isatty():
        return ""
    with _lock:
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip()
