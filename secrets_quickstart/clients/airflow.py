"""Airflow, asked over HTTP as its web page asks it, by whoever has signed in there; not what is made of the answers.

The official FlowETL and the local one have the same interface: the page's session cookie opens the REST API.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from secrets_quickstart.clients import http
from secrets_quickstart.clients.airflow_records import Dag, Health, ImportFailure, Run, TaskInstance
from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.clients.http import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

T = TypeVar("T")

TITLE = "Airflow"
FORM_FIX = "see whether its release is an Airflow 2: invoke logs flowetl_webserver"
LOG_FIX = "see its log: invoke logs flowetl_webserver"
WAIT_FIX = "wait a minute, then run this again"
PASSWORD_FIX = "give the vault's: invoke secrets.show FLOWETL_AIRFLOW_ADMIN_PASSWORD"  # noqa: S105  a sentence

API = "/api/v1"
AT_ONCE = 100
"""Rows of one answer: Airflow gives no more, unless it is told otherwise."""

BEFALL = ("heartbeat timeout", "state mismatch", "stuck in queued tries exceeded", "task launch failure")
"""Airflow's names for what ends an attempt from outside: a worker was lost, or could not begin or take up the task."""

CSRF_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


class Absent(ServiceError):
    """There is no such thing in Airflow."""


class TooManyAttempts(ServiceError):
    """It listens to nobody from here for a while, which says nothing about the password."""


class Taken(ServiceError):
    """There is such a thing in Airflow already."""


class AirflowClient:
    """One session, from signing in until it is closed."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection, and forget the cookie: the session ends by itself."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def health(self) -> Health:
        """Airflow says so to anybody."""
        return self._ask("GET", "/health", "say how it is", Health.read)

    def sign_in(self, user: str, password: Sensitive) -> None:
        """Raises Refused for a wrong name or password, TooManyAttempts after ten in 40 seconds, right or wrong."""
        attempt = f"let {user} in"
        page = self._send("GET", "/login/")
        found = CSRF_FIELD.search(page.text)
        if page.status_code != 200 or found is None:
            raise _failure(attempt, page.status_code, "its page has no form for a name and a password")
        form = {"username": user, "password": password.text(), "csrf_token": found[1]}
        answer = self._send("POST", "/login/", data=form)
        if answer.status_code == 429:
            raise TooManyAttempts(f"{TITLE} did not {attempt}", why="too many attempts in a short time", fix=WAIT_FIX)
        if answer.status_code != 302:
            raise _failure(attempt, answer.status_code, "")
        if "/login" in answer.headers.get("Location", ""):
            raise Refused(f"{TITLE} did not {attempt}", why="not the name, or not the password", fix=PASSWORD_FIX)

    def slots(self, pool: str) -> int | None:
        """How many tasks the pool lets run at once; None if there is no such pool."""
        path = f"{API}/pools/{quote(pool, safe='')}"
        try:
            return self._ask("GET", path, "show its pools", lambda reply: int(reply["slots"]))
        except Absent:
            return None

    def dags(self) -> tuple[Dag, ...]:
        """Those that the scheduler has read, and has not lost since."""
        attempt = "list its DAGs"
        names = [str(row["dag_id"]) for row in self._rows(f"{API}/dags", "dags", attempt, {"only_active": "true"})]
        return tuple(self._ask("GET", f"{_dag(name)}/details", attempt, Dag.read) for name in names)

    def import_failures(self) -> tuple[ImportFailure, ...]:
        attempt = "say which DAG files it cannot read"
        return tuple(map(ImportFailure.read, self._rows(f"{API}/importErrors", "import_errors", attempt)))

    def unpause(self, dag: str) -> None:
        """Let its runs begin; the scheduler then begins those of its schedule as well."""
        self._ask("PATCH", _dag(dag), f"unpause {dag}", _anything, {"is_paused": False})

    def runs(self, dags: Sequence[str], since: date | None = None, until: date | None = None) -> tuple[Run, ...]:
        """All of these DAGs' runs for the days from `since` to `until`, those included, in no order."""
        wanted: dict[str, Any] = {"dag_ids": list(dags)}
        if since is not None:
            wanted["execution_date_gte"] = _text(since, time.min)
        if until is not None:
            wanted["execution_date_lte"] = _text(until, time.max)
        return tuple(map(Run.read, self._listed(f"{API}/dags/~/dagRuns/list", "dag_runs", "list its runs", wanted)))

    def run(self, dag: str, run: str) -> Run:
        return self._ask("GET", _run(dag, run), f"show a run of {dag}", Run.read)

    def trigger(self, dag: str, day: date) -> Run:
        """Have a DAG run for a day, or find the run that somebody triggered for it at midnight.

        The run's name is the one that Airflow itself gives such runs.
        """
        moment = datetime.combine(day, time.min, UTC)
        name = f"manual__{moment.isoformat()}"
        body = {"dag_run_id": name, "logical_date": moment.isoformat()}
        try:
            return self._ask("POST", f"{_dag(dag)}/dagRuns", f"run {dag}", Run.read, body)
        except Taken:
            for run in self.runs([dag], day, day):
                if run.logical == moment or run.id == name:
                    return run
            raise

    def clear(self, run: Run) -> Run:
        """Have all tasks of a run done anew."""
        path = f"{_run(run.dag, run.id)}/clear"
        self._ask("POST", path, f"run {run.dag} again", _anything, {"dry_run": False})
        return self.run(run.dag, run.id)

    def tasks(self, run: Run) -> tuple[TaskInstance, ...]:
        path = f"{_run(run.dag, run.id)}/taskInstances"
        return tuple(map(TaskInstance.read, self._rows(path, "task_instances", f"list the tasks of {run.dag}")))

    def tasks_in(self, states: Collection[str], dags: Sequence[str]) -> tuple[TaskInstance, ...]:
        """Those of all runs of these DAGs that are in one of these states."""
        path = f"{API}/dags/~/dagRuns/~/taskInstances/list"
        wanted = {"dag_ids": list(dags), "state": sorted(states)}
        return tuple(map(TaskInstance.read, self._listed(path, "task_instances", "list tasks", wanted)))

    def log(self, task: TaskInstance) -> str:
        """What a task wrote at its last attempt, with Airflow's own words around it."""
        path = f"{_run(task.dag, task.run)}/taskInstances/{quote(task.task, safe='')}/logs/{max(1, task.attempt)}"
        answer = self._send("GET", path, headers={"Accept": "text/plain"}, params={"full_content": "true"})
        if answer.status_code != 200:
            raise _failure(f"show the log of {task.task}", answer.status_code, _detail(answer))
        return answer.text

    def events(self, task: TaskInstance) -> tuple[str, ...]:
        """What befell a task at its last attempt that its own log cannot know, in Airflow's words; oldest first."""
        chosen = {
            "dag_id": task.dag,
            "run_id": task.run,
            "task_id": task.task,
            "try_number": str(max(1, task.attempt)),
            "included_events": ",".join(BEFALL),
        }
        rows = self._rows(f"{API}/eventLogs", "event_logs", f"say what befell {task.task}", chosen)
        # the scheduler may note the same more than once
        return tuple(dict.fromkeys(_without_link(str(row["extra"])) for row in rows if row.get("extra")))

    def _rows(
        self, path: str, key: str, attempt: str, parameters: Mapping[str, str] | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """All rows of a list that comes in pages."""
        yield from _paged(
            lambda offset: self._ask(
                "GET", path, attempt, _page(key), parameters={"limit": AT_ONCE, "offset": offset, **(parameters or {})}
            )
        )

    def _listed(self, path: str, key: str, attempt: str, wanted: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The same for a list that is asked for with a document."""
        if not wanted["dag_ids"]:
            return  # to Airflow that means all of them
        yield from _paged(
            lambda offset: self._ask(
                "POST", path, attempt, _page(key), {"page_limit": AT_ONCE, "page_offset": offset, **wanted}
            )
        )

    def _ask(
        self,
        method: str,
        path: str,
        attempt: str,
        read: Callable[[Any], T],
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> T:
        """What `read` makes of the answer's JSON.  `attempt` completes the sentence "Airflow did not ..."."""
        answer = self._send(method, path, json=body, params=parameters)
        if answer.status_code != 200:
            raise _failure(attempt, answer.status_code, _detail(answer))
        try:
            return read(answer.json())
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise ServiceError(
                f"{TITLE} did not {attempt} as it should", why="its answer has another form", fix=FORM_FIX
            ) from None

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        with http.translated(TITLE, self.place, "see whether it runs: invoke status"):
            if self._client is None:
                self._client = http.open_client(self.place)
            return self._client.request(method, path, **more)


def _dag(name: str) -> str:
    return f"{API}/dags/{quote(name, safe='')}"


def _run(dag: str, run: str) -> str:
    return f"{_dag(dag)}/dagRuns/{quote(run, safe='')}"


def _text(day: date, moment: time) -> str:
    return datetime.combine(day, moment, UTC).isoformat()


def _page(key: str) -> Callable[[Any], list[Mapping[str, Any]]]:
    return lambda reply: [dict(row) for row in reply[key]]


def _paged(ask: Callable[[int], list[Mapping[str, Any]]]) -> Iterator[Mapping[str, Any]]:
    """The rows of one page after another, the last of which is not full."""
    offset = 0
    while rows := ask(offset):
        yield from rows
        if len(rows) < AT_ONCE:
            return
        offset += len(rows)


def _anything(reply: Any) -> None:
    """For an answer that says no more than its status."""


def _without_link(text: str) -> str:
    """An event's sentences but the last one, if that only says where to read on."""
    return re.split(r" (?:See|Learn more:?) https?://", text, maxsplit=1)[0]


def _detail(answer: httpx.Response) -> str:
    """Airflow's own words, which quote what it was asked for, and no password; "" when there are none."""
    try:
        reply = answer.json()
        return str(reply.get("detail") or reply.get("title") or "")
    except (ValueError, AttributeError):
        return ""


def _failure(attempt: str, status: int, detail: str) -> ServiceError:
    """What an answer that is none means, as the error to raise."""
    what, why = f"{TITLE} did not {attempt}", detail or f"status {status}, and it gives no reason"
    match status:
        case 401:
            return Refused(what, why=why, fix=PASSWORD_FIX)
        case 403:
            return Forbidden(what, why=why, fix="sign in as somebody whose role in Airflow is Admin")
        case 404:
            return Absent(what, why=why, fix="see what there is on its page: invoke status shows the port")
        case 409:
            return Taken(what, why=why, fix="see its runs: invoke etl.status")
        case 429:
            return ServiceError(what, why="too many requests in a short time", fix=WAIT_FIX)
        case _:
            return ServiceError(what, why=why, fix=LOG_FIX)
