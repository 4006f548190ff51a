"""The image's entrypoint: gives a command its environment, waits for what it needs, and becomes it.

A secret of any name that a variable can have reaches the command: what Airflow asks its secrets backend for stays in
its file, all else is put into the environment.  Nothing is put into arguments.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from flowetl_service import database, mounted
from flowetl_service.mounted import BROKER, DATABASE, FERNET_KEY, FLOWER_LOGIN, RESULTS, SECRET_KEY, Unusable

AIRFLOW = "/opt/flowetl/bin/airflow"
PROGRAMS = ("airflow", "bash", "python", "python3", "sh")
OWN_BACKEND = "AIRFLOW__SECRETS__BACKEND"
"""Set by an operator who has another secrets backend: ours is not asked then."""

FLOWER = "celery flower"
FLOWER_CONFIGURATION = Path(__file__).with_name("flower.py")

EVERY = (DATABASE, FERNET_KEY, SECRET_KEY)
CELERY = (BROKER, RESULTS)
ROLES = {
    "scheduler": EVERY,
    "webserver": EVERY,
    "triggerer": EVERY,
    "dag-processor": EVERY,
    "celery worker": (*EVERY, *CELERY),
    # Flower without a password is open to everybody
    FLOWER: (DATABASE, BROKER, FLOWER_LOGIN),
}
"""What the services do not start without: Airflow has no default for these, or one that must not be used."""


def environment(variables: Mapping[str, str], folder: Path = mounted.FOLDER) -> dict[str, str]:
    """The environment to start with; a secret outdoes the variable of its name.

    Raises Unusable for a secret that cannot be read.
    """
    found = dict(variables)
    values: dict[str, str] = {}
    for name in mounted.names(folder):
        if name.endswith("_FILE"):  # as in the official image: the path, not what is there
            values[name.removesuffix("_FILE")] = str(folder / name)
        elif not name.startswith(mounted.OWN):
            values[name] = mounted.read(name, folder) or ""
    for name, others in mounted.OTHER_NAMES.items():
        value = mounted.option(name, folder)
        if value is not None:
            values[name] = value
        elif value := mounted.given(name, variables, folder):
            found[name] = value
        for other in others:
            found.pop(other, None)
            values.pop(other, None)
    others_backend = OWN_BACKEND in found or OWN_BACKEND in values
    for name, value in values.items():
        if not others_backend and (name in mounted.OPTIONS or name.startswith(mounted.LOOKED_UP)):
            found.pop(name, None)  # Airflow would take it before it asks for the secret
        else:
            found[name] = value
    return found


def command(arguments: Sequence[str]) -> list[str]:
    """What to become: a program by its name or path, or else a command of Airflow's."""
    login = [f"--flower-conf={FLOWER_CONFIGURATION}"] if role(arguments) == FLOWER else []
    if not arguments or (arguments[0] not in PROGRAMS and not arguments[0].startswith("/")):
        return [AIRFLOW, *arguments, *login]
    return [*arguments, *login]


def role(arguments: Sequence[str]) -> str:
    """Which of ROLES this is, or ""."""
    words = [*arguments]
    if words and words[0] in ("airflow", AIRFLOW):
        words = words[1:]
    for length in (1, 2):
        if (found := " ".join(words[:length])) in ROLES:
            return found
    return ""


def missing(name: str, variables: Mapping[str, str], folder: Path = mounted.FOLDER) -> list[str]:
    """The options that this role, or none (""), needs and nobody gave."""
    executor = variables.get("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    needed = (*ROLES.get(name, ()), *(CELERY if name == "scheduler" and "Celery" in executor else ()))
    return [
        option
        for option in needed
        if not mounted.given(option, variables, folder)
        and not any(variables.get(f"{option}{way}") for way in ("_CMD", "_SECRET"))
    ]


def main() -> None:
    arguments = sys.argv[1:]
    try:
        variables = environment(os.environ)
        name = role(arguments)
        mounted.require(missing(name, variables))
        if name and name != FLOWER:
            database.wait_until_prepared(mounted.given(DATABASE, variables))
    except Unusable as error:
        print(f"FlowETL: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    home = Path(variables.get("AIRFLOW_HOME", "/tmp/airflow"))  # noqa: S108  nothing in it outlives the container
    home.mkdir(parents=True, exist_ok=True)
    for file in home.glob("*.pid"):  # of processes that ended with the container
        file.unlink()
    argv = command(arguments)
    try:
        os.execvpe(argv[0], argv, variables)  # noqa: S606  no shell: no word is split
    except OSError as error:
        print(f"FlowETL: {argv[0]} cannot be started: {error.strerror}", file=sys.stderr)
        raise SystemExit(127) from None


if __name__ == "__main__":
    main()
