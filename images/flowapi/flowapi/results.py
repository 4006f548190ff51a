"""Results: rows sent while they are read, in constant memory. Not which rows, nor for whom.

A result that fails after its beginning was sent is cut off: its last chunk is never sent, so that
no client takes it for a whole one.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from flowapi import logs
from flowapi.flowdb import FlowDB
from flowapi.problems import Problem
from flowapi.rows import Format, Row

CLIENT_SECONDS = 60.0  # for a client to take what was sent; it holds a connection to FlowDB


class Application(Protocol):
    """What Starlette asks of a response: to be an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class ResultResponse:
    """The rows of a SELECT in some format, as a file to save if `filename` is given."""

    def __init__(self, flowdb: FlowDB, sql: str, rows: Format, filename: str | None) -> None:
        self._flowdb = flowdb
        self._sql = sql
        self._rows = rows
        self._filename = filename

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises a Problem as long as nothing was sent."""
        rows = self._rows
        size = rows.batch_rows
        request = Request(scope, receive)
        begun = False

        async def write(text: str, *, more: bool) -> None:
            message = {"type": "http.response.body", "body": text.encode(), "more_body": more}
            async with asyncio.timeout(CLIENT_SECONDS):
                await send(message)

        try:
            async with self._flowdb.batches(self._sql, size) as batches:
                first: Sequence[Row] = await anext(batches, ())
                begun = True
                await send(self._start())
                await write(rows.opening() + rows.batch(first), more=True)
                async for batch in batches:
                    if await request.is_disconnected():
                        logs.debug.info("The client left before the end of the result")
                        return
                    await write(rows.batch(batch), more=True)
            await write(rows.closing(), more=False)
        except (Problem, TimeoutError, OSError) as problem:
            if not begun:
                raise
            logs.debug.error("A result was cut off: %r", problem)
            logs.say(logs.query, "RESULT_CUT_OFF", file=self._filename)

    def _start(self) -> dict[str, object]:
        headers = [(b"content-type", self._rows.media_type.encode())]
        if self._filename:
            disposition = f"attachment;filename={self._filename}"
            headers.append((b"content-disposition", disposition.encode("latin-1")))
        return {"type": "http.response.start", "status": 200, "headers": headers}
