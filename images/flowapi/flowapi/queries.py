"""Endpoints about queries: run one, poll it, get its result."""

import json
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flowapi import logs, rows, scopes
from flowapi.flowdb import FlowDB
from flowapi.flowmachine import FlowMachine, Reply
from flowapi.gate import Gate
from flowapi.problems import Problem, failure
from flowapi.results import Application, ResultResponse
from flowapi.tokens import User

LARGEST_SPEC = 2**20  # bytes; FlowMachine's most elaborate queries are a few thousand
NOT_A_QUERY = "The request's body is not a JSON object with a query_kind."


class Queries:
    def __init__(self, gate: Gate, flowmachine: FlowMachine, flowdb: FlowDB) -> None:
        self._gate = gate
        self._flowmachine = flowmachine
        self._flowdb = flowdb

    def routes(self) -> list[Route]:
        return [
            Route("/api/0/run", self.run, methods=["POST"]),
            Route("/api/0/poll/{query_id}", self.poll),
            Route("/api/0/get/{file}", self.get),
        ]

    async def run(self, request: Request) -> Response:
        user = self._gate.user(request)
        spec = await _spec_in(request)
        await self._permit(user, spec, scopes.RUN)
        reply = await self._flowmachine.ask("run_query", spec)
        if not reply.succeeded:
            raise failure(400, reply.msg, payload=reply.payload)
        query_id = reply.payload["query_id"]
        logs.say(logs.query, "run_query", query_kind=spec["query_kind"], query_id=query_id)
        body = {"query_id": query_id, "progress": reply.payload.get("progress", {})}
        return JSONResponse(body, 202, {"Location": f"/api/0/poll/{query_id}"})

    async def poll(self, request: Request) -> Response:
        user = self._gate.user(request)
        query_id = request.path_params["query_id"]
        await self._permit(user, await self._spec_of(query_id), scopes.RUN)
        reply = await self._flowmachine.ask("poll_query", {"query_id": query_id})
        logs.say(logs.query, "poll_query", query_id=query_id, query_state=reply.query_state)
        status = {"status": reply.query_state}
        match reply.query_state:
            case "completed":
                return JSONResponse(status, 303, {"Location": f"/api/0/get/{query_id}"})
            case "executing" | "queued":
                progress = reply.payload.get("progress", {})
                return JSONResponse({**status, "msg": reply.msg, "progress": progress}, 202)
            case "errored" | "cancelled" as state:
                raise Problem(500, {**status, "msg": reply.msg or f"The query is {state}."})
            case None:
                raise Problem(500, {"status": "error", "msg": reply.msg})
            case state:
                raise Problem(404, {**status, "msg": reply.msg or f"The query is {state}."})

    async def get(self, request: Request) -> Application:
        user = self._gate.user(request)
        query_id, dot, extension = request.path_params["file"].partition(".")
        match extension if dot else "json":
            case "json":
                result: rows.Format = rows.json_result(query_id)
            case "csv":
                result = rows.CsvRows()
            case "geojson":
                result = rows.geojson()
            case _:
                raise failure(400, "A result can be had as json, csv or geojson.")
        spec = await self._spec_of(query_id)
        geographic = result.extension == "geojson"
        await self._permit(user, spec, scopes.GET_RESULT, geographic=geographic)
        action = "get_geo_sql_for_query_result" if geographic else "get_sql_for_query_result"
        reply = await self._flowmachine.ask(action, {"query_id": query_id})
        logs.say(logs.query, action, query_id=query_id, query_kind=spec["query_kind"], as_=extension)
        if not reply.succeeded:
            if reply.query_state in ("executing", "queued"):
                return JSONResponse({}, 202)
            _refuse_result(reply)
        filename = f"{query_id}.{result.extension}"
        return ResultResponse(self._flowdb, reply.payload["sql"], result, filename)

    async def _spec_of(self, query_id: str) -> dict[str, Any]:
        reply = await self._flowmachine.ask("get_query_params", {"query_id": query_id})
        if reply.succeeded:
            spec: dict[str, Any] = reply.payload["query_params"]
            return spec
        status = 404 if reply.query_state == "awol" else 500
        raise Problem(status, {"status": reply.query_state or "error", "msg": reply.msg})

    async def _permit(self, user: User, spec: dict[str, Any], action: str, *, geographic: bool = False) -> None:
        """Passes if a role grants the action on this query. FlowMachine knows the query's unit."""
        if not scopes.granting_roles(user.roles, [action]):
            self._gate.require(user, [action])  # spares FlowMachine a question, and refuses
        reply = await self._flowmachine.ask("get_aggregation_unit", spec)
        if not reply.succeeded:
            raise failure(400, reply.msg, payload=reply.payload)
        unit = reply.payload.get("aggregation_unit")
        geography = scopes.of_geography(unit) if geographic else frozenset()
        self._gate.require(user, {action} | scopes.of_query(spec, unit) | geography)


async def _spec_in(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_SPEC:
            raise Problem(413, {"msg": f"A query is at most {LARGEST_SPEC} bytes."})
    try:
        spec = json.loads(bytes(body), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as problem:
        raise Problem(400, {"msg": NOT_A_QUERY}) from problem
    if not isinstance(spec, dict) or not isinstance(spec.get("query_kind"), str):
        raise Problem(400, {"msg": NOT_A_QUERY})
    return spec


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_result(reply: Reply) -> NoReturn:
    match reply.query_state:
        case "errored":
            raise failure(403, reply.msg)
        case None if reply.is_breakdown:  # redis and FlowDB are well: it has no SQL, as a dummy_query
            raise failure(404, "FlowMachine has no result for this query.")
        case None:
            raise failure(500, reply.msg)
        case _:  # awol, known, cancelled, resetting: there is no result
            raise failure(404, reply.msg)
