"""`@task`: invoke's own, with our errors turned into exit statuses.  No task is here."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import invoke.tasks
from invoke.exceptions import Exit

from secrets_quickstart import audit, report
from secrets_quickstart.errors import HostError, QuickstartError, UsageError

if TYPE_CHECKING:
    from secrets_quickstart.settings import Settings

INTERRUPTED = 130
"""As the shell has it: 128 and the number of SIGINT."""


def task(**options: Any) -> Callable[[Callable[..., None]], Any]:
    """Make an invoke task of a function that may raise QuickstartError."""

    def decorate(body: Callable[..., None]) -> Any:
        @functools.wraps(body)
        def guarded(*args: Any, **kwargs: Any) -> None:
            with _recorded(_command(body, options.get("name")), _flags(body, args, kwargs)):
                try:
                    body(*args, **kwargs)
                except QuickstartError as problem:
                    report.error(problem)
                    raise Exit(code=problem.status) from problem
                except KeyboardInterrupt:
                    report.say("interrupted: nothing is lost, the next run carries on")
                    raise Exit(code=INTERRUPTED) from None
                except BrokenPipeError:
                    raise Exit(code=0) from None  # the reader has seen enough, as with `| head`
                except OSError as problem:
                    report.error(of_this_machine(problem))
                    raise Exit(code=HostError.status) from problem

        return invoke.tasks.task(**options)(guarded)

    return decorate


@contextmanager
def _recorded(command: str, flags: Sequence[str]) -> Iterator[None]:
    """What the command changes meanwhile goes to the audit log; where that cannot be written, it is said."""
    from secrets_quickstart.settings import caller

    audit.begin(command, flags, caller())
    status = 1
    try:
        yield
        status = 0
    except Exit as ended:
        status = ended.code
        raise
    finally:
        if problem := audit.end(status):
            report.say(f"warning: the audit log is not whole: {problem}")


def _command(body: Callable[..., None], name: str | None) -> str:
    """As invoke knows it, such as `secrets.import`."""
    collection = getattr(sys.modules.get(body.__module__), "ns", None)
    title = name or body.__name__.replace("_", "-")
    return f"{collection.name}.{title}" if collection is not None and collection.name else title


def _flags(body: Callable[..., None], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of those that were given; what was given with them may be anything."""
    signature = inspect.signature(body)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return ()
    optional = {name: row.default for name, row in signature.parameters.items() if row.default is not row.empty}
    return tuple(
        f"--{name.replace('_', '-')}" for name, value in given.items() if value and value != optional.get(name, value)
    )


def of_this_machine(problem: OSError) -> HostError:
    """What is said of a full disk or a missing right that nobody foresaw where it was met."""
    return HostError(
        f"{problem.filename or 'a file'} cannot be used",
        why=(problem.strerror or type(problem).__name__).lower(),
        fix="make room or give the right, then run this again: nothing is lost",
    )


def duration(flag: str, text: str) -> timedelta:
    """Raises UsageError for one that is not understood."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    if number.isdecimal() and len(number) < 7 and unit in units:
        return timedelta(**{units[unit]: int(number)})
    raise UsageError(f"{flag} {text} is not understood", fix="write it like 90s, 10m, 2h or 1d")


ROOT = Path(__file__).resolve().parents[2]
"""The repository's folder: `.env` and `compose/` are there."""


def settings() -> Settings:
    """What the operator has set."""
    from secrets_quickstart.settings import load

    chosen = load(ROOT)
    audit.place(chosen.state_dir, chosen.stack)
    return chosen


def agree(stack: str, lines: Iterable[str]) -> None:
    """Show what would be done; raises UsageError unless the stack's name is typed."""
    for line in lines:
        report.say(line)
    typed = report.ask(f"Type the stack's name ({stack}) to do this: ")
    if typed != stack:
        raise UsageError(
            "nothing was done", why=f"the stack's name is {stack}, and {typed or 'nothing'} was given", fix="give --yes"
        )
