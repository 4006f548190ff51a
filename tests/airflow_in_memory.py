"""An Airflow and a Flower on loopback, as far as their clients ask them; no test is here.

What they answer is what an Airflow 2.11 answered; tests/swarm/test_flowetl_image.py has the clients ask a real one.
"""

from __future__ import annotations

import base64
import http.server
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ADMIN, PASSWORD = "admin", "right-one"
FLOWER, FLOWER_PASSWORD = "flower", "another-right-one"
ATTEMPTS = 10
PAGE = 100
TASKS = ("create_staging_view", "extract", "attach", "update_records", "count_added_rows")
BEGUN = "2026-01-01T00:00:00+00:00"


class Airflow:
    """`play` is told of a run whose tasks are looked at, and may let it go on."""

    def __init__(self):
        self.states = {"metadatabase": "healthy", "scheduler": "healthy", "triggerer": "healthy"}
        self.pools = {"default_pool": 128, "postgres_etl": 4}
        self.dags = {}
        self.import_errors = []
        self.runs = []
        self.tasks = {}
        self.logs = {}
        self.events = []
        """Rows of the event log."""
        self.play: Callable[[dict[str, Any]], None] = lambda run: None
        self.takes_any_password = False
        self.workers = {"celery@one": 0.0}
        """Their names, and how many seconds ago each was heard."""
        self.flower_is_open = False
        self.attempts = 0
        self.sessions: dict[str, dict[str, Any]] = {}
        self.changes: list[str] = []
        """Requests that changed something."""

    def add_dag(self, name, cdr_type=None, *, paused=True, schedule=None, catchup=True):
        self.dags[name] = {"cdr_type": cdr_type, "is_paused": paused, "schedule": schedule, "catchup": catchup}

    def add_run(self, dag, day, state="success", *, name="", **tasks):
        """A run for a day (or a moment), with the states of its tasks, which are `state` if not given."""
        logical = datetime.fromisoformat(day).replace(tzinfo=UTC).isoformat()
        run = {"dag_id": dag, "dag_run_id": name or f"manual__{logical}", "logical_date": logical, "state": state}
        run["end_date"] = BEGUN if state in {"success", "failed"} else None
        self.runs.append(run)
        each = None if state == "queued" else state
        self.tasks[dag, run["dag_run_id"]] = {task: tasks.get(task, each) for task in TASKS}
        return run

    def ends(self, **tasks):
        """Let every run that is looked at come to its end, with these states of its tasks."""

        def play(run):
            own = self.tasks[run["dag_id"], run["dag_run_id"]]
            own.update({task: tasks.get(task, "success") for task in own})
            if "up_for_retry" not in own.values():
                run["state"] = "failed" if "failed" in own.values() else "success"
                run["end_date"] = BEGUN

        self.play = play

    @contextmanager
    def served(self):
        """Yields Airflow's port."""
        with _served(_airflow_handler(self)) as port:
            yield port

    @contextmanager
    def flower_served(self):
        with _served(_flower_handler(self)) as port:
            yield port

    def answer(self, method, path, query, body):
        """Of the REST API, to somebody who may ask: status and document."""
        parts = [unquote(part) for part in path.removeprefix("/api/v1/").split("/")]
        match method, parts:
            case "GET", ["pools", name]:
                return (200, {"name": name, "slots": self.pools[name]}) if name in self.pools else _absent("Pool")
            case "GET", ["dags"]:
                return 200, _page("dags", [self._dag(name) for name in self.dags], query, "limit", "offset")
            case "GET", ["importErrors"]:
                return 200, _page("import_errors", self.import_errors, query, "limit", "offset")
            case "GET", ["eventLogs"]:
                return 200, _page("event_logs", self._chosen_events(query), query, "limit", "offset")
            case "POST", ["dags", "~", "dagRuns", "list"]:
                return 200, _page("dag_runs", self._chosen_runs(body), body, "page_limit", "page_offset")
            case "POST", ["dags", "~", "dagRuns", "~", "taskInstances", "list"]:
                return 200, _page("task_instances", self._chosen_tasks(body), body, "page_limit", "page_offset")
            case _, ["dags", name, *rest] if name in self.dags:
                return self._answer_of_dag(method, name, rest, query, body)
        return _absent("It")

    def _answer_of_dag(self, method, name, rest, query, body):
        match method, rest:
            case "GET", ["details"]:
                kind = self.dags[name]["cdr_type"]
                params = {"cdr_type": {"__class": "airflow.models.param.Param", "value": kind}} if kind else {}
                return 200, {**self._dag(name), "params": params, "catchup": self.dags[name]["catchup"]}
            case "PATCH", []:
                self.dags[name]["is_paused"] = body["is_paused"]
                self.changes.append(f"unpause {name}")
                return 200, self._dag(name)
            case "POST", ["dagRuns"]:
                moment, own = body["logical_date"], [run for run in self.runs if run["dag_id"] == name]
                if any(run["logical_date"] == moment or run["dag_run_id"] == body["dag_run_id"] for run in own):
                    return 409, {"title": "Conflict", "detail": f"DAGRun with DAG ID: '{name}' already exists"}
                self.changes.append(f"trigger {name} {moment[:10]}")
                run = self.add_run(name, moment[:19], "queued", name=body["dag_run_id"])
                return 200, run
        for run in self.runs:
            if rest[:2] == ["dagRuns", run["dag_run_id"]] and run["dag_id"] == name:
                return self._answer_of_run(method, run, rest[2:], query)
        return _absent("DAGRun")

    def _answer_of_run(self, method, run, rest, query):
        own = self.tasks[run["dag_id"], run["dag_run_id"]]
        match method, rest:
            case "GET", []:
                return 200, run
            case "GET", ["taskInstances"]:
                if not self.dags[run["dag_id"]]["is_paused"]:
                    self.play(run)
                return 200, _page("task_instances", self._instances(run), query, "limit", "offset")
            case "POST", ["clear"]:
                self.changes.append(f"clear {run['dag_id']} {run['logical_date'][:10]}")
                run |= {"state": "queued", "end_date": None}
                own.update(dict.fromkeys(own))
                return 200, run
            case "GET", ["taskInstances", task, "logs", "1"] if task in own:
                return 200, self.logs.get((run["dag_id"], task), "")
        return _absent("TaskInstance")

    def _dag(self, name):
        row = self.dags[name]
        schedule = row["schedule"] and {"__type": "CronExpression", "value": row["schedule"]}
        return {"dag_id": name, "is_paused": row["is_paused"], "schedule_interval": schedule}

    def _instances(self, run):
        return [
            {
                "dag_id": run["dag_id"],
                "dag_run_id": run["dag_run_id"],
                "task_id": task,
                "state": state,
                "try_number": 0 if state is None else 1,
                "start_date": BEGUN if state in {"running", "success", "failed", "up_for_retry"} else None,
            }
            for task, state in self.tasks[run["dag_id"], run["dag_run_id"]].items()
        ]

    def _chosen_runs(self, wanted):
        first, last = (wanted.get(f"execution_date_{end}") for end in ("gte", "lte"))
        return [
            run
            for run in self.runs
            if run["dag_id"] in wanted["dag_ids"]
            and (not first or run["logical_date"] >= first)
            and (not last or run["logical_date"] <= last)
        ]

    def add_event(self, run, task, event, extra, attempt=1):
        row = {"dag_id": run["dag_id"], "run_id": run["dag_run_id"], "task_id": task, "try_number": attempt}
        self.events.append({**row, "event": event, "extra": extra})

    def _chosen_events(self, wanted):
        names = ("dag_id", "run_id", "task_id", "try_number")
        return [
            row
            for row in self.events
            if all(str(row[name]) == wanted[name] for name in names)
            and row["event"] in wanted["included_events"].split(",")
        ]

    def _chosen_tasks(self, wanted):
        runs = [run for run in self.runs if run["dag_id"] in wanted["dag_ids"]]
        return [task for run in runs for task in self._instances(run) if task["state"] in wanted["state"]]


def _absent(what):
    return 404, {"title": f"{what} not found", "detail": f"{what} was not found"}


def _page(key, rows, query, limit, offset):
    first, many = int(query.get(offset, 0)), min(PAGE, int(query.get(limit, PAGE)))
    return {key: rows[first : first + many], "total_entries": len(rows)}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    airflow: Airflow

    def give(self, status, content, **headers):
        is_text = isinstance(content, str)
        body = (content if is_text else json.dumps(content)).encode()
        self.send_response_only(status)
        headers.setdefault("Date", formatdate(usegmt=True))
        for name, value in {"Content-Type": "text/html" if is_text else "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.respond(url.path, query, content)

    do_POST = do_PATCH = do_GET  # noqa: N815  the library calls it so

    def respond(self, path, query, content):
        raise NotImplementedError

    def log_message(self, *_):
        return


def _airflow_handler(airflow):
    class Handler(_Handler):
        def respond(self, path, query, content):
            if path == "/health":
                self.give(200, {name: {"status": state} for name, state in airflow.states.items()})
            elif path == "/login/":
                self.login(content)
            elif not self.session().get("is_signed_in"):
                self.give(403, {"title": "Forbidden", "detail": None})
            else:
                self.give(*airflow.answer(self.command, path, query, json.loads(content) if content else {}))

        def session(self):
            found = re.search(r"session=(\w+)", self.headers.get("Cookie", ""))
            return airflow.sessions.get(found[1], {}) if found else {}

        def login(self, content):
            if self.command == "GET":
                name, token = secrets.token_hex(8), secrets.token_hex(8)
                airflow.sessions[name] = {"csrf_token": token}
                page = f'<form><input id="csrf_token" name="csrf_token" type="hidden" value="{token}"></form>'
                self.give(200, page, Set_Cookie=f"session={name}; HttpOnly; Path=/; SameSite=Lax")
                return
            airflow.attempts += 1
            form = {name: values[0] for name, values in parse_qs(content.decode()).items()}
            session = self.session()
            if airflow.attempts > ATTEMPTS:
                self.give(429, "Too Many Requests")
            elif "csrf_token" not in session or form.get("csrf_token") != session["csrf_token"]:
                self.give(400, "The CSRF token is invalid.")
            elif form["username"] == ADMIN and (form["password"] == PASSWORD or airflow.takes_any_password):
                session["is_signed_in"] = True
                self.give(302, "", Location="/home")
            else:
                self.give(302, "", Location="/login/?next=/home")

    return Handler


def _flower_handler(airflow):
    class Handler(_Handler):
        def respond(self, path, query, content):
            login = base64.b64encode(f"{FLOWER}:{FLOWER_PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {login}" and not airflow.flower_is_open:
                self.give(401, "")
                return
            now = time.time()
            self.give(200, {name: {"stats": {}, "timestamp": now - ago} for name, ago in airflow.workers.items()})

    return Handler


@contextmanager
def _served(handler):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
