"""FlowMachine, asked over ZeroMQ from within its own container; not how a container is entered.

Its port is published nowhere: whoever reaches it may ask anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from secrets_quickstart.errors import ServiceError

WITHIN = 15
"""Seconds for each answer."""

# Arguments: seconds, then the messages.  One line of JSON comes back for each.
SCRIPT = """
import os, sys, zmq
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.LINGER, 0)
socket.setsockopt(zmq.RCVTIMEO, int(sys.argv[1]) * 1000)
socket.connect("tcp://127.0.0.1:" + os.environ.get("FLOWMACHINE_PORT", "5555"))
for message in sys.argv[2:]:
    socket.send_string(message)
    try:
        print(socket.recv_string())
    except zmq.Again:
        sys.exit(75)
"""

PYTHONS = (("python3",), ("pipenv", "run", "python"))
"""How the image's Python that has ZeroMQ is called: in ours, and in the official one."""

SILENT = 75
"""The script's exit status when no answer came: EX_TEMPFAIL of sysexits.h."""


class Execution(Protocol):
    """A program that ran in a container."""

    @property
    def status(self) -> int: ...

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...


Execute = Callable[[Sequence[str]], Execution]
"""Runs a program in FlowMachine's container; nothing secret may be in the arguments."""


@dataclass(frozen=True, slots=True)
class Answer:
    """FlowMachine's reply to one message."""

    succeeded: bool
    message: str
    payload: Mapping[str, Any]


class FlowmachineClient:
    """One FlowMachine, by way of a program in its container."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def ask(self, *questions: tuple[str, Mapping[str, object]]) -> list[Answer]:
        """Answers to (action, parameters) in order; raises ServiceError when one does not come."""
        messages = [
            json.dumps({"action": action, "request_id": f"verify-{number}", "params": dict(parameters)})
            for number, (action, parameters) in enumerate(questions)
        ]
        last: Execution | None = None
        for python in PYTHONS:
            last = self._execute([*python, "-c", SCRIPT, str(WITHIN), *messages])
            if last.status == 0:
                return [_answer(line) for line in last.stdout.splitlines()[-len(messages) :]]
            if last.status == SILENT:
                raise ServiceError("FlowMachine does not answer", why=f"nothing came for {WITHIN} s", fix=LOG_FIX)
        words = last.stderr.strip().splitlines() if last is not None else []
        raise ServiceError(
            "FlowMachine cannot be asked",
            why=words[-1] if words else "its container has no Python with ZeroMQ",
            fix="see whether its image is FlowMachine's: invoke status",
        )


LOG_FIX = "see its log: invoke logs flowmachine"


def _answer(line: str) -> Answer:
    try:
        reply = json.loads(line)
        return Answer(reply["status"] == "success", reply["msg"], reply["payload"])
    except (ValueError, KeyError, TypeError):
        raise ServiceError("FlowMachine answers in no form that is known", fix=LOG_FIX) from None
