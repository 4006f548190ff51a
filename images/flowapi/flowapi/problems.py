"""Problems: what ends a request with an error reply. Not how the reply is sent."""

from collections.abc import Mapping


class Problem(Exception):
    """`status` and `body` are what the client gets."""

    def __init__(self, status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body.get('msg', '')}")
        self.status = status
        self.body = body
        self.headers = headers


def failure(status: int, reason: str, **more: object) -> Problem:
    """FlowAPI's usual error body: status "Error", the reason as msg."""
    return Problem(status, {"status": "Error", "msg": reason, **more})


class Unavailable(Problem):
    """FlowMachine or FlowDB does not answer; asking again later may help."""

    def __init__(self, reason: str) -> None:
        super().__init__(503, {"msg": reason}, {"Retry-After": "5"})
