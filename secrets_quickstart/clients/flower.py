"""Flower, the page about Airflow's workers, asked over HTTP; not what the workers do."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from secrets_quickstart.clients import http
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.http import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

LOG_FIX = "see its log: invoke logs flowetl_flower"
PASSWORD_FIX = "deploy again, so that Flower starts with the vault's password"  # noqa: S105  a sentence

CLOCK = 2.0
"""Seconds: an answer says when it was given in whole ones."""


class FlowerClient:
    """One Flower, asked by one person."""

    def __init__(self, place: Place, user: str, password: Sensitive) -> None:
        self.place = place
        self._user = user
        self._password = password

    def workers(self) -> tuple[str, ...]:
        """The names of the workers that answer now; Flower itself remembers those that are gone as well.

        Raises Refused for a wrong name or password.
        """
        with http.translated("Flower", self.place, LOG_FIX), http.open_client(self.place) as client:
            # Flower asks them all, and waits a second for the answers
            answer = client.get("/api/workers", params={"refresh": "1"}, auth=(self._user, self._password.text()))
        if answer.status_code in {401, 403}:
            raise Refused(f"Flower did not let {self._user} in", why=f"status {answer.status_code}", fix=PASSWORD_FIX)
        if answer.status_code != 200:
            why = f"status {answer.status_code}"
            raise ServiceError("Flower did not list the workers", why=why, fix=LOG_FIX)
        try:
            now = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            asked = now - answer.elapsed.total_seconds() - CLOCK
            heard = {str(name): float(worker.get("timestamp", 0)) for name, worker in answer.json().items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ServiceError(
                "Flower did not list the workers as it should", why="its answer has another form", fix=LOG_FIX
            ) from None
        return tuple(sorted(name for name, when in heard.items() if when >= asked))
