"""The gate: who asks, and whether one of his roles grants it. Not what is behind it."""

from collections.abc import Iterable

from starlette.requests import Request

from flowapi import logs, scopes
from flowapi.problems import Problem
from flowapi.tokens import TokenRefused, User, Verifier


class Gate:
    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def user(self, request: Request) -> User:
        """The bearer of the request's token. Raises Problem with status 401 or 422."""
        try:
            user = self._verifier.user(request.headers.get("authorization"))
        except TokenRefused as refusal:
            logs.say(logs.access, refusal.event, reason=refusal.reason)
            headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
            raise Problem(refusal.status, {"msg": refusal.reason}, headers) from refusal
        if (about := logs.about_request.get()) is not None:
            about["user"] = user.name
        return user

    def require(self, user: User, needed: Iterable[str]) -> None:
        """Raises Problem with status 403 unless one single role grants all that is needed."""
        wanted = sorted(needed)
        if not (granting := scopes.granting_roles(user.roles, wanted)):
            logs.say(logs.access, "CLAIMS_VERIFICATION_FAILED", needed=wanted)
            raise Problem(403, {"msg": "User claims verification failed"})
        logs.say(logs.access, "PERMITTED", needed=wanted, roles=granting)
