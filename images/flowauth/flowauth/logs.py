"""Logs: one JSON object a line; requests and what was changed on stdout, all else on stderr.

Not a record of values: no token, password or code is given to it.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

# What every line written while a request is served says of it; set once for each request.
about_request: ContextVar[dict[str, object] | None] = ContextVar("about_request", default=None)

access = logging.getLogger("flowauth.access")
audit = logging.getLogger("flowauth.audit")  # who did what
debug = logging.getLogger("flowauth.debug")


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **(about_request.get() or {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> None:
    """Sets up the process's logging; `level` is that of stderr alone."""
    formatter = JsonLines()
    for logger in (access, audit):
        stdout = logging.StreamHandler(out)
        stdout.setFormatter(formatter)
        logger.handlers = [stdout]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    stderr = logging.StreamHandler(err)
    stderr.setFormatter(formatter)
    logging.root.handlers = [stderr]
    logging.root.setLevel(level.upper())
    # A statement's parameters are among what SQLAlchemy says at its lower levels
    for library in ("sqlalchemy", "alembic", "gunicorn"):
        logging.getLogger(library).setLevel(max(logging.WARNING, logging.root.level))


def say(logger: logging.Logger, event: str, **fields: object) -> None:
    """One line on the access or audit log."""
    logger.info(event, extra={"fields": fields})
