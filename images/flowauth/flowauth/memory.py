"""Memory: what must be known for minutes by every thread, process and replica. Not the database.

Used two-factor codes and failed attempts are kept here. Every method is atomic, and may raise MemoryLost.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

PREFIX = "flowauth:"  # of the keys in redis, which others may share


class MemoryLost(Exception):
    """It cannot be reached; nothing may be allowed that depends on it."""


class Memory(Protocol):
    def first(self, key: str, seconds: int) -> bool:
        """True for one caller, False for all others within these seconds."""

    def add(self, key: str, seconds: int) -> None:
        """Counts one more; the count lapses `seconds` after the first."""

    def count(self, key: str) -> int: ...

    def forget(self, key: str) -> None: ...

    def check(self) -> None: ...


class FileMemory:
    """A file that the processes of one container share, or `:memory:` for the threads of one process."""

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: tuple[int, sqlite3.Connection] | None = None

    def first(self, key: str, seconds: int) -> bool:
        with self._changing() as connection:
            found = connection.execute("SELECT 1 FROM remembered WHERE key = ?", (key,)).fetchone()
            if found is None:
                connection.execute("INSERT INTO remembered VALUES (?, 1, ?)", (key, self._clock() + seconds))
            return found is None

    def add(self, key: str, seconds: int) -> None:
        with self._changing() as connection:
            connection.execute(
                "INSERT INTO remembered VALUES (?, 1, ?) ON CONFLICT (key) DO UPDATE SET number = number + 1",
                (key, self._clock() + seconds),
            )

    def count(self, key: str) -> int:
        with self._changing() as connection:
            found = connection.execute("SELECT number FROM remembered WHERE key = ?", (key,)).fetchone()
            return 0 if found is None else int(found[0])

    def forget(self, key: str) -> None:
        with self._changing() as connection:
            connection.execute("DELETE FROM remembered WHERE key = ?", (key,))

    def check(self) -> None:
        with self._changing():
            pass

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One caller at a time, in all processes; what has lapsed is gone."""
        try:
            with self._lock:
                connection = self._connection()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    connection.execute("DELETE FROM remembered WHERE until <= ?", (self._clock(),))
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.Error as problem:
            raise MemoryLost(f"{self._path}: {problem}") from problem

    def _connection(self) -> sqlite3.Connection:
        # A connection must not be carried over a fork
        if self._opened is None or self._opened[0] != os.getpid():
            connection = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
            connection.execute("BEGIN IMMEDIATE")  # others may open it just now
            connection.execute(
                "CREATE TABLE IF NOT EXISTS remembered (key TEXT PRIMARY KEY, number INTEGER, until REAL)"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS lapsing ON remembered (until)")
            connection.execute("COMMIT")
            self._opened = (os.getpid(), connection)
        return self._opened[1]


class RedisMemory:
    """A redis that all replicas share."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def first(self, key: str, seconds: int) -> bool:
        with _reaching():
            return self._redis.set(PREFIX + key, 1, nx=True, ex=seconds) is True

    def add(self, key: str, seconds: int) -> None:
        with _reaching(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(PREFIX + key, 0, nx=True, ex=seconds)
            pipeline.incr(PREFIX + key)
            pipeline.execute()

    def count(self, key: str) -> int:
        with _reaching():
            found = self._redis.get(PREFIX + key)
        return 0 if found is None else int(found)

    def forget(self, key: str) -> None:
        with _reaching():
            self._redis.delete(PREFIX + key)

    def check(self) -> None:
        with _reaching():
            self._redis.ping()


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except RedisError as problem:
        raise MemoryLost(f"redis: {problem}") from problem


def redis_memory(host: str, port: int, number: int, password: str | None) -> RedisMemory:
    return RedisMemory(
        Redis(
            host=host,
            port=port,
            db=number,
            password=password or None,
            socket_timeout=3,
            socket_connect_timeout=3,
            health_check_interval=15,
            retry=Retry(NoBackoff(), 1),  # once more, on a new connection: redis may have been restarted
        )
    )
