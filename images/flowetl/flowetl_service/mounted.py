"""The secrets mounted into this container, by the names that Airflow's options go by; not Airflow's view of them.

Nothing here imports Airflow, which takes seconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

FOLDER = Path("/run/secrets")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
BROKER = "AIRFLOW__CELERY__BROKER_URL"
RESULTS = "AIRFLOW__CELERY__RESULT_BACKEND"
FERNET_KEY = "AIRFLOW__CORE__FERNET_KEY"
SECRET_KEY = "AIRFLOW__WEBSERVER__SECRET_KEY"  # noqa: S105  a name
FLOWER_LOGIN = "AIRFLOW__CELERY__FLOWER_BASIC_AUTH"

# The name in FlowKit's documentation, which nothing else reads, and the one of Airflow before 2.3
OTHER_NAMES = {DATABASE: ("AIRFLOW_DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")}

OPTIONS = frozenset(
    {
        DATABASE,
        BROKER,
        RESULTS,
        FERNET_KEY,
        SECRET_KEY,
        FLOWER_LOGIN,
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__SENTINEL_KWARGS",
        "AIRFLOW__CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS__SENTINEL_KWARGS",
        "AIRFLOW__CORE__DATASET_MANAGER_KWARGS",
        "AIRFLOW__CORE__INTERNAL_API_SECRET_KEY",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS",
        "AIRFLOW__LOGGING__REMOTE_TASK_HANDLER_KWARGS",
        "AIRFLOW__SENTRY__SENTRY_DSN",
        "AIRFLOW__SMTP__SMTP_PASSWORD",
    }
)
"""What Airflow asks a secrets backend for, where airflow.cfg says so: all its secret options but the backend's own."""

LOOKED_UP = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")
"""How the names begin of what Airflow asks a secrets backend for when a task wants it."""

OWN = "FLOWETL_"
"""How the names begin that only this image reads."""


class Unusable(Exception):
    """A secret or variable that Airflow cannot be started with; the message says which, why and what to do."""


def names(folder: Path = FOLDER) -> Iterator[str]:
    """Those of the secrets that can be variables; others, such as a certificate's, are not for Airflow."""
    if folder.is_dir():
        yield from sorted(file.name for file in folder.iterdir() if IDENTIFIER.fullmatch(file.name) and file.is_file())


def read(name: str, folder: Path = FOLDER) -> str | None:
    """The value without the newlines at its end; None when there is no such secret.

    Raises Unusable when it cannot be read.
    """
    if not IDENTIFIER.fullmatch(name):
        return None
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(
            f"the secret {name} cannot be read by uid {os.getuid()} ({error.strerror}). Mount it with mode 0444."
        ) from error
    if b"\0" in content:
        raise Unusable(f"the secret {name} has a NUL in it, which no variable can have. Make it anew as text.")
    return os.fsdecode(content).rstrip("\r\n")


def option(name: str, folder: Path = FOLDER) -> str | None:
    """The value of a secret option, under any of its names, in a form that Airflow takes."""
    for other in (name, *OTHER_NAMES.get(name, ())):
        value = read(other, folder)
        if value is not None:
            # FlowKit's documentation has postgres://, which SQLAlchemy no longer knows
            return re.sub(r"\A(db\+)?postgres://", r"\1postgresql://", value)
    return None


def require(missing: Sequence[str]) -> None:
    """Raises Unusable for names that nobody gave a value."""
    if missing:
        raise Unusable(f"{', '.join(missing)}: missing or empty. Mount a secret of that name, or set the variable.")


def given(name: str, variables: Mapping[str, str], folder: Path = FOLDER) -> str:
    """The value of a secret, or else of the variable of that name; "" when there is neither."""
    value = option(name, folder)
    if value:
        return value
    return next((variables[other] for other in (name, *OTHER_NAMES.get(name, ())) if variables.get(other)), "")
