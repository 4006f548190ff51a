"""The application: the endpoints put together, and what is done around every request."""

import time
import uuid

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowapi import logs
from flowapi.documentation import Documentation
from flowapi.flowdb import FlowDB
from flowapi.flowmachine import FlowMachine
from flowapi.gate import Gate
from flowapi.problems import Problem
from flowapi.queries import Queries
from flowapi.reference import Reference


def application(gate: Gate, flowmachine: FlowMachine, flowdb: FlowDB, audience: str) -> ASGIApp:
    app = Starlette(
        routes=[
            Route("/", alive),
            *Queries(gate, flowmachine, flowdb).routes(),
            *Reference(gate, flowmachine, flowdb).routes(),
            *Documentation(flowmachine, audience).routes(),
        ],
        exception_handlers={Problem: tell_problem, HTTPException: tell_refusal},
    )
    return Observed(app)


async def alive(_request: Request) -> Response:
    return Response()


async def tell_problem(_request: Request, problem: Exception) -> Response:
    if not isinstance(problem, Problem):
        raise problem
    return JSONResponse(problem.body, problem.status, problem.headers)


async def tell_refusal(_request: Request, refusal: Exception) -> Response:
    """Starlette's own: no such path, or no such method there."""
    if not isinstance(refusal, HTTPException):
        raise refusal
    return JSONResponse({"msg": refusal.detail}, refusal.status_code, refusal.headers)


class Observed:
    """Around the application: a request id, a line in the access log, prudent headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = str(uuid.uuid4())
        status = 500  # as long as nothing else was sent
        complete = False
        client = scope.get("client")

        async def noting(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                ]
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            await send(message)

        logs.about_request.set(
            {
                "request_id": request_id,
                "method": scope["method"],
                "path": scope["path"],
                "src_ip": client[0] if client else None,
                "user": None,
            }
        )
        start = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            duration = round(time.perf_counter() - start, 6)
            logs.say(logs.access, "REQUEST", status=status, duration=duration, complete=complete)
