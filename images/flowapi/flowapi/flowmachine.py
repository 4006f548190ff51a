"""FlowMachine, asked over ZeroMQ. Not what its answers mean to a client of ours."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import zmq
import zmq.asyncio

from flowapi import logs
from flowapi.problems import Unavailable

CONNECT_SECONDS = 5.0  # in a swarm's network a running service is reached in milliseconds
# What FlowMachine says when a handler of its own failed: odd parameters, a lost redis or FlowDB
HANDLER_FAILED = "Could not get reply for message"
NO_QUERY = "0" * 32


@dataclass(frozen=True, slots=True)
class Reply:
    succeeded: bool
    msg: str
    payload: dict[str, Any]

    @property
    def is_breakdown(self) -> bool:
        """No refusal, but something that FlowMachine did not foresee."""
        return not self.succeeded and self.msg == HANDLER_FAILED

    @property
    def query_state(self) -> str | None:
        state = self.payload.get("query_state")
        return state if isinstance(state, str) else None


class FlowMachine:
    """One server; a socket for each question, so that no answer can meet another's question."""

    def __init__(self, host: str, port: int, timeout: float, check_flowdb: Callable[[], Awaitable[None]]) -> None:
        """`timeout` is in seconds; `check_flowdb` raises Unavailable unless FlowDB answers."""
        self._address = f"tcp://{host}:{port}"
        self._timeout = timeout
        self._check_flowdb = check_flowdb
        self._context = zmq.asyncio.Context()

    async def ask(self, action: str, params: Mapping[str, Any] | None = None) -> Reply:
        """FlowMachine's reply, be it success or error.

        Raises Unavailable if there is none, or if redis or FlowDB is the reason for an error.
        """
        reply = await self._exchange(action, params)
        if reply.is_breakdown:
            # Asked again, FlowMachine gets over a restart of FlowDB. Every action may be repeated.
            reply = await self._exchange(action, params)
        if reply.is_breakdown:
            probe = await self._exchange("poll_query", {"query_id": NO_QUERY})
            if probe.is_breakdown:
                raise Unavailable("FlowMachine cannot reach its redis.")
            await self._check_flowdb()
        return reply

    def close(self) -> None:
        self._context.destroy(linger=0)

    async def _exchange(self, action: str, params: Mapping[str, Any] | None) -> Reply:
        request_id = (logs.about_request.get() or {}).get("request_id") or uuid.uuid4().hex
        question = {"action": action, "request_id": request_id, "params": dict(params or {})}
        try:
            async with asyncio.timeout(self._timeout):
                text = await self._round_trip(json.dumps(question).encode())
            reply = json.loads(text)
            return Reply(reply["status"] == "success", reply["msg"], reply["payload"])
        except (TimeoutError, zmq.ZMQError) as problem:
            logs.debug.error("FlowMachine at %s: no reply to %s", self._address, action)
            raise Unavailable("FlowMachine does not answer.") from problem
        except (ValueError, KeyError, TypeError) as problem:
            logs.debug.error("FlowMachine at %s: odd reply to %s", self._address, action)
            raise Unavailable("FlowMachine's answer could not be read.") from problem

    async def _round_trip(self, question: bytes) -> bytes:
        with self._context.socket(zmq.REQ) as socket:
            socket.linger = 0
            # Writable only once connected: a FlowMachine that is not there is noticed early
            socket.immediate = 1
            socket.connect(self._address)
            patience = min(CONNECT_SECONDS, self._timeout)
            if not await socket.poll(int(patience * 1000), zmq.POLLOUT):  # type: ignore[call-arg]
                raise TimeoutError
            await socket.send(question)
            return await socket.recv()
