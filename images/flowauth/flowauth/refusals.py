"""Refusals: what ends a request with an error reply. Not how the reply is sent."""

from __future__ import annotations


class Refused(Exception):
    """`body` is what the client gets, with `status` and `headers`."""

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        bad_field: str | None = None,
        retry_after: int | None = None,
        **more: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {**more, "code": status, "message": message}
        if bad_field is not None:
            self.body["bad_field"] = bad_field
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


def unauthorised(message: str, **more: object) -> Refused:
    return Refused(message, 401, **more)  # type: ignore[arg-type]


def unavailable(message: str) -> Refused:
    """For what may work in a moment."""
    return Refused(message, 503, retry_after=5)
