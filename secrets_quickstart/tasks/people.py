"""`users.*`: who uses FlowMachine as a library; FlowAuth's users are in `flowauth.*`."""

from __future__ import annotations

import os
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.errors import HostError, UsageError
from secrets_quickstart.tasks.inputs import path
from secrets_quickstart.tasks.task import settings, task

PRIVATE = 0o600


@task(
    positional=["name"],
    help={
        "name": "Of their login in FlowDB: lower-case letters, digits and _.",
        "host": "How their machine calls this one; the swarm's address of this node if not given.",
        "out": "Write it to this new file, which only you can read, and print its path.",
        "reset_password": "Give a user who is there a new password.",
        "json": "Print one JSON document, the arguments of flowmachine.connect.",
    },
)
def add(
    _c: Context, name: str, host: str = "", out: str = "", reset_password: bool = False, json: bool = False
) -> None:
    """Let somebody use FlowMachine as a library: a login in FlowDB, and what their machine needs, shown once."""
    from secrets_quickstart.operations import library_users

    file = path(out)
    if file is not None:
        _require_new(file)
    access = library_users.add(settings(), "invoke users.add", name, host=host, reset_password=reset_password)
    report.say(f"{name} can use FlowMachine as a library, from where {access.host} leads to this machine")
    if file is not None:
        _write(file, access.block().reveal(), name)
        report.result(str(file))
    elif json:
        report.document(access.arguments())
    else:
        report.say("what their machine needs, with two passwords, shown only this once:")
        report.value(access.block().reveal())


@task(positional=["name"], help={"name": "As invoke users.list shows it."})
def remove(_c: Context, name: str) -> None:
    """Shut a library user out: their sessions end, their login goes, their results stay for all."""
    from secrets_quickstart.operations import library_users

    ended = library_users.remove(settings(), "invoke users.remove", name)
    report.result(f"{name} is gone from FlowDB; {report.counted(ended, 'session')} ended, stored results stay")
    report.say(
        "they know redis's password, which all library users share: invoke secrets.rotate --names REDIS_PASSWORD"
    )


@task(name="list", help={"json": "Print one JSON document."})
def list_(_c: Context, json: bool = False) -> None:
    """Show who uses FlowMachine as a library, and how many sessions they have in FlowDB now."""
    from secrets_quickstart.operations import library_users

    rows = library_users.listed(settings())
    if json:
        report.document([row.document() for row in rows])
        return
    columns = ("NAME", "SINCE", "SESSIONS", "STATE")
    states = {True: "can log in", False: "shut out: run users.remove again"}
    report.table(columns, [(row.name, row.since, row.sessions, states[row.can_log_in]) for row in rows])


def _require_new(path: Path) -> None:
    """Before anything is made, since what is to be written is not shown twice."""
    if os.path.lexists(path):
        raise UsageError(f"{path} is not written", why="there is something already", fix="name a new file")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise HostError(
            f"{path} cannot be written", why="there is no such folder for you to write in", fix="name another"
        )


def _write(path: Path, content: bytes, name: str) -> None:
    from secrets_quickstart.host import files

    again = f"invoke users.add {name} --reset-password"
    try:
        outcome = files.write_new(path, [content], PRIVATE)
    except HostError as problem:
        problem.fix = f"{problem.fix}; then: {again}"
        raise
    if outcome is files.Outcome.OTHER:
        raise HostError(f"{path} is not written", why="somebody has put a file there meanwhile", fix=again)


ns = Collection("users", add, remove, list_)
