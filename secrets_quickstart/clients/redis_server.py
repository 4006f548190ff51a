"""Redis, asked whether it lets us in; not what FlowMachine keeps in it."""

from __future__ import annotations

from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

WITHIN = 10.0
"""Seconds for connecting, and again for the answer."""


class RedisClient:
    """One redis; `password` None is somebody who gives none."""

    def __init__(self, host: str, port: int, password: Sensitive | None) -> None:
        self._host = host
        self._port = port
        self._password = password

    def ping(self) -> None:
        """Return when it answered; raises Refused when it wants another password, ServiceError when it is not there."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        client = redis.Redis(
            host=self._host,
            port=self._port,
            password=None if self._password is None else self._password.text(),
            socket_timeout=WITHIN,
            socket_connect_timeout=WITHIN,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # no HELLO: what is asked here is PING and AUTH alone
            lib_name=None,
            lib_version=None,
        )
        try:
            with client:
                client.ping()
        except redis.exceptions.AuthenticationError as error:
            raise Refused("redis refuses", why=_reason(error), fix=ENTRY_FIX) from None
        except redis.exceptions.ResponseError as error:
            if str(error).startswith("DENIED"):
                raise Refused(
                    "redis refuses", why="it has no password and is in protected mode", fix=OPEN_FIX
                ) from None
            raise ServiceError("redis cannot answer", why=type(error).__name__, fix="see its log: " + LOG) from None
        except redis.exceptions.RedisError as error:
            raise ServiceError(
                f"redis does not answer at {self._host} port {self._port}",
                why=type(error).__name__,
                fix=LOG_FIX,
            ) from None


LOG_FIX = "see its log: invoke logs redis"
ENTRY_FIX = "deploy again, so that redis starts with the vault's password"
OPEN_FIX = "start redis with --requirepass, as compose/flowmachine.yml does"


def _reason(error: Exception) -> str:
    """In our words: redis-py may put what was sent into its own."""
    if "without any password configured" in str(error):
        return "it has no password at all"
    return "a password is missing" if "required" in str(error).lower() else "the password is not accepted"
