"""Logs: one JSON object a line; access and query logs on stdout, all else on stderr.

Not a record of values: no token, password or result is given to it.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

# What every line written while a request is served says of it; set once for each request.
about_request: ContextVar[dict[str, object] | None] = ContextVar("about_request", default=None)

access = logging.getLogger("flowapi.access")
query = logging.getLogger("flowapi.query")
debug = logging.getLogger("flowapi.debug")


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
    for logger in (access, query):
        stdout = logging.StreamHandler(out)
        stdout.setFormatter(formatter)
        logger.handlers = [stdout]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    stderr = logging.StreamHandler(err)
    stderr.setFormatter(formatter)
    logging.root.handlers = [stderr]
    logging.root.setLevel(level.upper())
    # Ours are told apart by level; of the libraries' nobody wants the wire
    for library in ("asyncio", "uvicorn.error", "asyncpg"):
        logging.getLogger(library).setLevel(max(logging.INFO, logging.root.level))


def say(logger: logging.Logger, event: str, **fields: object) -> None:
    """One line on an access or query log."""
    logger.info(event, extra={"fields": fields})
