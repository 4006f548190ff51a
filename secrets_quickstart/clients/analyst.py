"""An analyst: the unmodified flowclient, in a process of its own, as a notebook would use it.

Of its own, because flowclient waits without end, prints what it is surprised by, and needs a second to be imported.
The token goes in on stdin; what comes out on stdout is one JSON document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secrets_quickstart.clients.flowapi import Place, bracketed
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

CACHED_DATES = 120.0
"""Seconds for which FlowMachine answers with the dates that it read before."""

PATIENCE = 300.0
"""Seconds for the query itself."""

FOLDER = Path(__file__).resolve().parents[2]
"""Where `secrets_quickstart` is imported from."""


@dataclass(frozen=True, slots=True)
class Question:
    """A spatial_aggregate over daily_location (method last)."""

    date: str
    unit: str
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the analyst was given."""

    dates: Mapping[str, Sequence[str]]
    """Available dates by event type, each sorted."""
    rows: Sequence[Mapping[str, Any]]
    """Of the query: `pcod` and `value`."""


class Analyst:
    """Somebody with a token for one FlowAPI."""

    def __init__(self, place: Place, token: Sensitive) -> None:
        self._place = place
        self._token = token

    def ask(self, question: Question, expected_dates: Mapping[str, Sequence[str]]) -> Findings:
        """Wait until FlowAPI offers the expected dates, run the query, and return both answers.

        Dates that are still others after two minutes are returned as they are.  Raises ServiceError when FlowAPI
        refuses, the query fails, or flowclient breaks off.
        """
        from tempfile import TemporaryDirectory

        from secrets_quickstart.host import processes

        with TemporaryDirectory(prefix="flowkit-") as folder:
            order = {
                "place": [self._place.name, self._place.host, self._place.port, self._place.trust is not None],
                "certificate": ssl_certificate(self._place.trust, Path(folder)),
                "token": self._token.text(),
                "dates": {name: list(dates) for name, dates in expected_dates.items()},
                "date": question.date,
                "unit": question.unit,
                "event_types": list(question.event_types),
            }
            done = processes.run(
                [sys.executable, "-m", __name__],
                stdin=json.dumps(order).encode(),
                env={"NO_PROXY": "*", "LC_ALL": "C.UTF-8", "HOME": folder},
                cwd=str(FOLDER),
                check=False,
                timeout=CACHED_DATES + PATIENCE,
            )
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            raise ServiceError(
                "flowclient broke off", why=f"its process ended with status {done.status}", fix="run this again"
            ) from None
        if problem := answer.get("problem"):
            raise ServiceError(f"flowclient could not {answer['attempt']}", why=problem, fix=_fix(problem))
        return Findings({name: sorted(dates) for name, dates in answer["dates"].items()}, answer["rows"])


def ssl_certificate(pem: str | None, folder: Path) -> str | bool:
    """What an analyst gives flowclient: a file that holds the authority too, or True for a public authority's leaf."""
    from secrets_quickstart.material import certificates

    if pem is None:
        return True
    chain = certificates.parse(Sensitive(pem))
    if not any(certificates.signed(certificate, certificate) for certificate in chain):
        return True
    path = folder / "cert-flowkit.pem"
    path.write_text(pem, encoding="ascii")  # certificates are public
    return str(path)


STUCK_FIX = (
    "find the cause with `invoke logs flowmachine`; then empty redis (FLUSHALL with the vault's REDIS_PASSWORD), "
    "because FlowMachine repeats the failure of a query for ever"
)


def _fix(problem: str) -> str:
    if "errored" in problem or "cancelled" in problem:
        return STUCK_FIX
    return "see the logs: invoke logs flowapi, invoke logs flowmachine"


class Session:
    """What happens in the process: one order, one answer, and what was being attempted when it went wrong."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        self._order = order
        self.attempt = "be imported"

    def run(self) -> dict[str, Any]:
        import flowclient

        name, host, port, secure = self._order["place"]
        resolve_as(name, host)
        self.attempt = "connect"
        connection = flowclient.connect(
            url=f"{'https' if secure else 'http'}://{bracketed(name)}:{port}",
            token=self._order["token"],
            ssl_certificate=self._order["certificate"],
        )
        self.attempt = "read the available dates"
        dates = self._dates(lambda: flowclient.get_available_dates(connection=connection))
        self.attempt = "run the query"
        query = flowclient.spatial_aggregate(
            connection=connection,
            locations=flowclient.daily_location_spec(
                date=self._order["date"],
                aggregation_unit=self._order["unit"],
                method="last",
                event_types=self._order["event_types"],
            ),
        )
        query.run()
        self.attempt = "get the query's result"
        frame = query.get_result(poll_interval=POLL, disable_progress=True)
        return {"dates": dates, "rows": json.loads(frame.to_json(orient="records"))}

    def _dates(self, read: Any) -> Any:
        """The dates, once they are those expected or FlowMachine cannot have them from its memory any more."""
        import time

        expected = {name: sorted(dates) for name, dates in self._order["dates"].items()}
        end = time.monotonic() + CACHED_DATES + 5
        while True:
            dates = read()
            if {name: sorted(own) for name, own in dates.items()} == expected or time.monotonic() > end:
                return dates
            time.sleep(1)


POLL = 0.25
"""Seconds between two looks at a running query."""


def resolve_as(name: str, host: str) -> None:
    """What a line in the hosts file would do, for this process alone."""
    import socket

    original = socket.getaddrinfo

    def getaddrinfo(asked: Any, *arguments: Any, **options: Any) -> Any:
        return original(host if asked in {name, name.encode()} else asked, *arguments, **options)

    vars(socket)["getaddrinfo"] = getaddrinfo


def main() -> None:
    """Read an order on stdin, write the answer on stdout; whatever flowclient prints goes nowhere."""
    import io

    answers = sys.stdout
    sys.stdout = io.StringIO()
    session = Session(json.loads(sys.stdin.read()))
    try:
        answer = session.run()
    except Exception as error:
        # while it connects, flowclient's messages may hold the token
        said = type(error).__name__ == "FlowclientConnectionError" and session.attempt != "connect"
        answer = {"attempt": session.attempt, "problem": " ".join(str(error).split()) if said else type(error).__name__}
    answers.write(json.dumps(answer))


if __name__ == "__main__":
    main()
