"""Why FlowAuth's edge got no certificate from the ACME directory, in its own words; nothing is judged here."""

from __future__ import annotations

import json

from secrets_quickstart.checks.flowauth_place import EDGE
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.engine import Engine, translated

LINES = 200


def acme_trouble(engine: Engine, stack: str) -> str:
    """The last error since the edge started; "" if it had none, or does not run.

    Raises EngineError when it runs on another node.
    """
    container = containers.of_service(engine, stack, EDGE)
    if container is None:
        return ""
    with translated("the edge's log cannot be read"):
        lines = engine.api.logs(container, tail=LINES).decode(errors="replace").splitlines()
    return next(filter(None, map(trouble_in, reversed(lines))), "")


def trouble_in(line: str) -> str:
    """The error in a line of the edge's log that says that an attempt at a certificate has failed."""
    try:
        entry = json.loads(line)
        return str(entry.get("error", "")) if entry["logger"] == "tls.obtain" else ""
    except (ValueError, KeyError, AttributeError, TypeError):
        return ""
