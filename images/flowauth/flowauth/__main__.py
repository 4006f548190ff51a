"""Starts FlowAuth: configuration, database, then the server.

gunicorn, because signing a token and hashing a password take a core each: processes share the work, and threads
wait for the database.
"""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from flowauth import configuration, logs, preparation, services
from flowauth.application import create_app, workers
from flowauth.configuration import Configuration, Misconfigured
from flowauth.memory import MemoryLost

STOP_SECONDS = 8  # for requests that are under way
LONGEST_HEADER = 8190  # bytes
STUCK_SECONDS = 60  # a process that shows no life for so long is replaced


def main() -> int:
    try:
        settings = configuration.read()
        logs.configure(settings.log_level)
        if settings.cache.backend == "file":
            services.memory_of(settings.cache).check()
        app = create_app(settings)
        preparation.prepare(app, settings)
    except (Misconfigured, MemoryLost) as problem:
        print(_sentence(problem), file=sys.stderr)
        return 1
    Server(app, settings).run()
    return 0


def _sentence(problem: Exception) -> str:
    if isinstance(problem, MemoryLost):
        return f"FlowAuth cannot start: FLOWAUTH_CACHE_FILE is not a file of its own that it can write ({problem})."
    return str(problem)


class Server(BaseApplication):
    def __init__(self, app: Flask, settings: Configuration) -> None:
        self._app = app
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": [f"0.0.0.0:{self._settings.port}"],
            "worker_class": "gthread",
            "workers": workers(self._settings),
            "threads": self._settings.threads,
            "worker_tmp_dir": "/dev/shm",  # noqa: S108  in memory, and there where the root is read-only
            "control_socket_disable": True,
            "timeout": STUCK_SECONDS,
            "graceful_timeout": STOP_SECONDS,
            "keepalive": 20,
            "limit_request_line": LONGEST_HEADER,
            "limit_request_field_size": LONGEST_HEADER,
            "forwarded_allow_ips": "",  # whom to believe is FLOWAUTH_TRUSTED_PROXIES' business
            "logger_class": Quiet,
            "proc_name": "flowauth",
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        return self._app


class Quiet(Logger):
    """gunicorn's messages go where FlowAuth's go."""

    def setup(self, _cfg: Any) -> None:
        self.error_log.propagate = True
        self.error_log.handlers = []


if __name__ == "__main__":
    sys.exit(main())
