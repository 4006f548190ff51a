"""Endpoints about the data themselves: geography, available dates, quality checks."""

import re
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from flowapi import logs, rows, scopes
from flowapi.flowdb import FlowDB
from flowapi.flowmachine import FlowMachine
from flowapi.gate import Gate
from flowapi.problems import Problem, failure
from flowapi.results import Application, ResultResponse

DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Reference:
    def __init__(self, gate: Gate, flowmachine: FlowMachine, flowdb: FlowDB) -> None:
        self._gate = gate
        self._flowmachine = flowmachine
        self._flowdb = flowdb

    def routes(self) -> list[Route]:
        return [
            Route("/api/0/geography/{unit}", self.geography),
            Route("/api/0/available_dates", self.available_dates),
            Route("/api/0/qa/", self.checks),
            Route("/api/0/qa/{cdr_type}/{check}", self.outcomes),
            Route("/api/0/qa/{cdr_type}/{check}/{day}", self.outcome),
        ]

    async def geography(self, request: Request) -> Application:
        user = self._gate.user(request)
        unit = request.path_params["unit"]
        self._gate.require(user, {scopes.GET_RESULT} | scopes.of_geography(unit))
        payload = await self._ask("get_geography", aggregation_unit=unit)
        return ResultResponse(self._flowdb, str(payload["sql"]), rows.geojson(), f"{unit}.geojson")

    async def available_dates(self, request: Request) -> Response:
        self._require_dates(request)
        return JSONResponse({"available_dates": await self._ask("get_available_dates")})

    async def checks(self, request: Request) -> Response:
        self._require_dates(request)
        payload = await self._ask("list_qa_checks")
        return JSONResponse(payload["available_qa_checks"])

    async def outcomes(self, request: Request) -> Response:
        self._require_dates(request)
        start, end = (_day(request.query_params.get(name), name) for name in ("start_date", "end_date"))
        return JSONResponse(await self._outcomes(request, start, end))

    async def outcome(self, request: Request) -> Response:
        self._require_dates(request)
        day = _day(request.path_params["day"], "The last part of the path")
        outcomes = await self._outcomes(request, day, day)
        return PlainTextResponse(outcomes[0]["outcome"])

    async def _outcomes(self, request: Request, start: str, end: str) -> list[dict[str, str]]:
        cdr_type, check = request.path_params["cdr_type"], request.path_params["check"]
        payload = await self._ask("get_qa_checks", cdr_type=cdr_type, check_type=check, start_date=start, end_date=end)
        outcomes: list[dict[str, str]] = payload["qa_checks"]
        if not outcomes:
            reason = f"There is no outcome of {check} for {cdr_type} from {start} to {end}."
            raise Problem(404, {"status": "not found", "msg": reason})
        return outcomes

    def _require_dates(self, request: Request) -> None:
        # No scope of their own is known for quality checks; they tell about the same days
        self._gate.require(self._gate.user(request), [scopes.GET_AVAILABLE_DATES])

    async def _ask(self, action: str, **params: str) -> dict[str, Any]:
        reply = await self._flowmachine.ask(action, params)
        logs.say(logs.query, action, succeeded=reply.succeeded, **params)
        if not reply.succeeded:
            raise failure(500, reply.msg)
        return reply.payload


def _day(text: str | None, name: str) -> str:
    try:
        if text is not None and DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise Problem(400, {"status": "bad request", "msg": f"{name} must be a date: YYYY-MM-DD."})
