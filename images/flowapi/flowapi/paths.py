"""The paths of the OpenAPI document, as data. Not the code that answers on them."""

from typing import Any

Schema = dict[str, Any]

UNITS = ["admin0", "admin1", "admin2", "admin3", "lon-lat"]
DATE = {"type": "string", "format": "date"}
TEXT = {"type": "string"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _reply(description: str, schema: Schema | None = None, **more: Any) -> Schema:
    content = {"content": {"application/json": {"schema": schema}}} if schema is not None else {}
    return {"description": description, **content, **more}


def _in_path(name: str, description: str, schema: Schema) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def _in_query(name: str, description: str) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": True,
        "description": description,
        "schema": DATE,
    }


def _location(description: str) -> Schema:
    return {"headers": {"Location": {"description": description, "schema": TEXT}}}


def _get(summary: str, replies: Schema, *parameters: Schema, token: bool = True) -> Schema:
    refusals = REFUSALS if token else {}
    operation: Schema = {"summary": summary, "responses": {**refusals, **UNAVAILABLE, **replies}}
    if token:
        operation["security"] = [{"token": []}]
    if parameters:
        operation["parameters"] = list(parameters)
    return {"get": operation}


PROGRESS = _object(eligible={"type": "integer"}, queued={"type": "integer"}, running={"type": "integer"})
FEATURES = _object(type={"type": "string", "enum": ["FeatureCollection"]}, features=_list({"type": "object"}))
OUTCOME = _object(outcome=TEXT, cdr_date=DATE, type_of_query_or_check=TEXT)

PROBLEM_SCHEMAS: Schema = {
    "Problem": {
        "type": "object",
        "properties": {"msg": TEXT, "status": TEXT, "payload": {"type": "object"}},
        "required": ["msg"],
    },
    "Progress": PROGRESS,
    "FeatureCollection": FEATURES,
}

PROBLEM = _ref("Problem")
REFUSALS: Schema = {
    "401": _reply("No token, or one that has expired", PROBLEM),
    "403": _reply("No role in the token holds all the scopes that this needs", PROBLEM),
    "422": _reply("The token is not one for this server", PROBLEM),
}
UNAVAILABLE: Schema = {
    "503": _reply("FlowMachine or FlowDB does not answer; try again later", PROBLEM),
}
UNKNOWN_QUERY = _reply("No such query", PROBLEM)
SERVER_ERROR = _reply("The server could not do it", PROBLEM)

QUERY_ID = _in_path("query_id", "The id that running the query gave", TEXT)
STILL_RUNNING = _reply("Not finished yet", {"type": "object"})
RESULT_REPLIES: Schema = {
    "202": STILL_RUNNING,
    "400": _reply("The id ends in the name of no file type that there is", PROBLEM),
    "403": _reply("Not permitted, or the query ended with an error", PROBLEM),
    "404": UNKNOWN_QUERY,
    "500": SERVER_ERROR,
}
RESULT = _reply("The rows", _object(query_id=TEXT, query_result=_list({"type": "object"})))
CSV_RESULT = {"description": "The rows", "content": {"text/csv": {"schema": TEXT}}}
GEO_RESULT = {
    "description": "The regions, each with its row's columns among its properties",
    "content": {"application/geo+json": {"schema": _ref("FeatureCollection")}},
}

RUN: Schema = {
    "post": {
        "summary": "Run a query",
        "security": [{"token": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("FlowmachineQuerySchema")}},
        },
        "responses": {
            **REFUSALS,
            **UNAVAILABLE,
            "202": _reply(
                "Accepted",
                _object(query_id=TEXT, progress=_ref("Progress")),
                **_location("Where to poll the query"),
            ),
            "400": _reply("Not a query, or one that FlowMachine refuses", PROBLEM),
            "413": _reply("Larger than any query", PROBLEM),
        },
    }
}

POLL = _get(
    "Ask how far a query is",
    {
        "202": _reply(
            "Queued or executing",
            _object(status=TEXT, msg=TEXT, progress=_ref("Progress")),
        ),
        "303": _reply("Completed", _object(status=TEXT), **_location("Where the result is")),
        "404": UNKNOWN_QUERY,
        "500": _reply("The query ended with an error or was cancelled", PROBLEM),
    },
    QUERY_ID,
)

QA_PATH = (
    _in_path("cdr_type", "Kind of record, such as calls or sms", TEXT),
    _in_path("check_id", "Name of the check", TEXT),
)
QA_REPLIES: Schema = {
    "400": _reply("Not a date", PROBLEM),
    "404": _reply("No outcome of this check then", PROBLEM),
    "500": SERVER_ERROR,
}

PATHS: Schema = {
    "/api/0/run": RUN,
    "/api/0/poll/{query_id}": POLL,
    "/api/0/get/{query_id}": _get(
        "Get a result as JSON",
        {**RESULT_REPLIES, "200": RESULT},
        QUERY_ID,
    ),
    "/api/0/get/{query_id}.json": _get(
        "Get a result as JSON, by its file name", {**RESULT_REPLIES, "200": RESULT}, QUERY_ID
    ),
    "/api/0/get/{query_id}.csv": _get("Get a result as CSV", {**RESULT_REPLIES, "200": CSV_RESULT}, QUERY_ID),
    "/api/0/get/{query_id}.geojson": _get(
        "Get a result with its regions as GeoJSON",
        {**RESULT_REPLIES, "200": GEO_RESULT},
        QUERY_ID,
    ),
    "/api/0/geography/{aggregation_unit}": _get(
        "Get the regions of an aggregation unit as GeoJSON",
        {"200": GEO_RESULT, "500": SERVER_ERROR},
        _in_path("aggregation_unit", "The unit", {"type": "string", "enum": UNITS}),
    ),
    "/api/0/available_dates": _get(
        "Get the days of which there are records",
        {
            "200": _reply(
                "Days by kind of record",
                _object(available_dates={"type": "object", "additionalProperties": _list(DATE)}),
            ),
            "500": SERVER_ERROR,
        },
    ),
    "/api/0/qa/": _get(
        "List the quality checks there are",
        {
            "200": _reply("The checks", _list(_object(cdr_type=TEXT, type_of_query_or_check=TEXT))),
            "500": SERVER_ERROR,
        },
    ),
    "/api/0/qa/{cdr_type}/{check_id}": _get(
        "Get the outcomes of a quality check from one day to another, both included",
        {**QA_REPLIES, "200": _reply("The outcomes", _list(OUTCOME))},
        *QA_PATH,
        _in_query("start_date", "First day"),
        _in_query("end_date", "Last day"),
    ),
    "/api/0/qa/{cdr_type}/{check_id}/{check_date}": _get(
        "Get the outcome of a quality check on one day",
        {
            **QA_REPLIES,
            "200": {"description": "The outcome", "content": {"text/plain": {"schema": TEXT}}},
        },
        *QA_PATH,
        _in_path("check_date", "The day", DATE),
    ),
    "/api/0/spec/openapi.json": _get(
        "Get this document as JSON", {"200": _reply("OpenAPI", {"type": "object"})}, token=False
    ),
    "/api/0/spec/openapi.yaml": _get(
        "Get this document as YAML",
        {
            "200": {
                "description": "OpenAPI",
                "content": {"application/yaml": {"schema": {"type": "object"}}},
            }
        },
        token=False,
    ),
    "/api/0/spec/redoc": _get(
        "Read this document in a browser",
        {"200": {"description": "A page", "content": {"text/html": {"schema": TEXT}}}},
        token=False,
    ),
}
