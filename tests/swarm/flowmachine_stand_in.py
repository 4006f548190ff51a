"""A FlowMachine that knows its protocol and three made-up queries. Runs in FlowAPI's own image."""

import json
import sys

import zmq  # type: ignore[import-not-found,unused-ignore]  # only the image has it

SPEC = {
    "query_kind": "spatial_aggregate",
    "locations": {
        "query_kind": "daily_location",
        "date": "2016-01-01",
        "method": "last",
        "aggregation_unit": "admin3",
    },
}
SQL = {
    "rows": """SELECT 'a,"b"' AS pcod, 50 AS value, 1.25::numeric AS share, date '2016-01-01' AS day,
        json_build_object('k', ARRAY[1, 2]) AS extra, NULL AS nothing, 'NaN'::float8 AS odd""",
    "many": "SELECT n, repeat('x', 1000) AS filling FROM generate_series(1, 100000) n",
    "broken": "SELECT n, 1 / (50000 - n) AS value FROM generate_series(1, 50000) n",
    "forbidden": "SELECT * FROM events.calls",
}
FEATURES = """SELECT 'Feature' AS type, n AS id,
    json_build_object('type', 'Point', 'coordinates', ARRAY[n, 0.5]) AS geometry,
    json_build_object('pcod', 'r' || n, 'value', 50) AS properties FROM generate_series(1, 3) n"""
PROGRESS = {"eligible": 1, "queued": 0, "running": 1}
OUTCOME = {"outcome": "600", "cdr_date": "2016-01-01", "type_of_query_or_check": "count"}


def answer(action, params, schemas):
    """Message, payload; a message that is not empty means an error."""
    query_id = params.get("query_id")
    if query_id is not None and query_id not in (*SQL, "running"):
        return f"Unknown query id: '{query_id}'", {"query_id": query_id, "query_state": "awol"}
    if query_id == "running" and "sql" in action:
        return "is currently running", {"query_id": query_id, "query_state": "executing"}
    match action:
        case "get_query_schemas":
            return "", schemas
        case "get_aggregation_unit":
            return "", {"aggregation_unit": "admin3"}
        case "run_query":
            return "", {"query_id": "rows", "progress": PROGRESS}
        case "poll_query":
            state = "executing" if query_id == "running" else "completed"
            return "", {"query_id": query_id, "query_state": state, "progress": PROGRESS}
        case "get_query_params":
            return "", {"query_id": query_id, "query_params": SPEC}
        case "get_sql_for_query_result":
            return "", {"query_id": query_id, "query_state": "completed", "sql": SQL[query_id]}
        case "get_geo_sql_for_query_result" | "get_geography":
            return "", {"query_state": "completed", "sql": FEATURES}
        case "get_available_dates":
            return "", {"calls": ["2016-01-01"]}
        case "list_qa_checks":
            check = {"cdr_type": "calls", "type_of_query_or_check": "count"}
            return "", {"available_qa_checks": [check]}
        case "get_qa_checks":
            return "", {"qa_checks": [OUTCOME] if params["check_type"] == "count" else []}
        case _:
            return "Invalid action request.", {"action": ["Not a valid choice."]}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123  nothing but the protocol here
        schemas = json.load(file)
    socket = zmq.Context().socket(zmq.REP)
    socket.bind("tcp://*:5555")
    while True:
        request = json.loads(socket.recv())
        msg, payload = answer(request["action"], request.get("params", {}), schemas)
        status = "error" if msg else "success"
        socket.send_string(json.dumps({"status": status, "msg": msg, "payload": payload}))


if __name__ == "__main__":
    main()
