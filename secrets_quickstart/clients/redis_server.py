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
            driver_info=None,
        )
        try:
            with client:
                client.ping()
        except redis.exceptions.ResponseError as error:
            raise _refusal(str(error)) from None
        except redis.exceptions.AuthenticationError as error:
            raise _refusal(str(error)) from None
        except redis.exceptions.RedisError as error:
            raise ServiceError(
                f"redis does not answer at {self._host} port {self._port}",
                why="not in time" if isinstance(error, redis.exceptions.TimeoutError) else "no connection",
                fix=LOG_FIX,
            ) from None


LOG_FIX = "see its log: invoke logs redis"
ENTRY_FIX = "deploy again, so that redis starts with the vault's password"
OPEN_FIX = "start redis with --requirepass, as compose/flowmachine.yml does"


def _refusal(words: str) -> ServiceError:
    """In our words: redis-py may put what was sent into its own."""
    match words.partition(" ")[0]:
        case _ if "without any password configured" in words:
            return ServiceError("redis lets anybody in", why="it was started without a password", fix=OPEN_FIX)
        case "DENIED":
            return ServiceError("redis lets nobody in", why="it was started without a password", fix=OPEN_FIX)
        case _ if "required" in words:
            return Refused("redis refuses", why="authentication required", fix=ENTRY_FIX)
        case _ if "username-password" in words or "invalid" in words:
            return Refused("redis refuses", why="not the password", fix=ENTRY_FIX)
        case _:
            return ServiceError("redis cannot answer", why="it is not ready, or not redis", fix=LOG_FIX)
