"""FlowDB, read through a pool of connections and server-side cursors. Not what is read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from asyncpg.transaction import Transaction

from flowapi import logs
from flowapi.problems import Unavailable, failure
from flowapi.rows import RawJson, Row

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

DATABASE = "flowdb"
MOST_CONNECTIONS = 20
CONNECT_SECONDS = 5.0
BUSY_SECONDS = 15.0  # to wait for a connection while all are in use
BEGIN_SECONDS = 5.0  # BEGIN costs nothing: no answer in this time means a dead connection
END_SECONDS = 5.0  # ROLLBACK likewise, but it may have to cancel a query first
FETCH_SECONDS = 300.0  # for one batch; the first may have to sort or join everything
RETRY_SECONDS = 5.0

# FlowDB is away, starting, stopping or full, as opposed to unable to do what was asked
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


class FlowDB:
    """Connects when it is first needed and again whenever it must: FlowDB may come and go."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._where = f"{host}:{port}"
        self._pool = asyncpg.create_pool(
            host=host,
            port=port,
            user=user,
            password=password,
            database=DATABASE,
            min_size=0,
            max_size=MOST_CONNECTIONS,
            timeout=CONNECT_SECONDS,
            command_timeout=FETCH_SECONDS,
            statement_cache_size=0,  # result tables come and go under the same names
            init=_pass_json_on,
            server_settings={"application_name": "flowapi"},
        )

    async def open(self) -> None:
        await self._pool

    async def close(self) -> None:
        self._pool.terminate()

    async def check(self) -> None:
        """Raises Unavailable unless FlowDB answers."""
        async with self._transaction():
            pass

    async def greet(self) -> None:
        """Says in the log whether FlowDB can be used, and keeps asking until it can."""
        complaint = None
        while True:
            try:
                await self.check()
                break
            except Unavailable as problem:
                cause = repr(problem.__cause__)
                if cause != complaint:
                    logs.debug.error("FlowDB at %s cannot be used yet: %s", self._where, cause)
                    complaint = cause
                await asyncio.sleep(RETRY_SECONDS)
        logs.debug.info("FlowDB at %s answers", self._where)

    @asynccontextmanager
    async def batches(self, sql: str, size: int) -> AsyncIterator[AsyncGenerator[Sequence[Row], None]]:
        """The rows of one SELECT, `size` at a time, in one read-only transaction.

        Raises Unavailable when FlowDB is away, a Problem with status 500 when it refuses the SQL.
        """
        async with (
            self._transaction() as connection,
            aclosing(self._fetch(connection, sql, size)) as batches,
        ):
            yield batches

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator["Connection"]:
        connection, transaction = await self._begin()
        try:
            yield connection
        finally:
            try:
                async with asyncio.timeout(END_SECONDS):
                    await transaction.rollback()  # nothing was written
            except (*AWAY, asyncpg.PostgresError):
                connection.terminate()  # and the pool makes another when one is needed
            await self._pool.release(connection)

    async def _begin(self, *, last_try: bool = False) -> tuple["Connection", Transaction]:
        """A connection in a transaction: the first that is alive of those that the pool has."""
        try:
            connection = await self._pool.acquire(timeout=BUSY_SECONDS)
        except AWAY as problem:
            raise Unavailable("FlowDB does not answer.") from problem
        transaction = connection.transaction(readonly=True)
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                await transaction.start()
        except BaseException as problem:
            connection.terminate()
            await self._pool.release(connection)
            if not isinstance(problem, AWAY):
                raise
            if last_try:
                raise Unavailable("FlowDB does not answer.") from problem
            # FlowDB was restarted, maybe: then the other idle connections are dead too
            await self._pool.expire_connections()
            return await self._begin(last_try=True)
        return connection, transaction

    async def _fetch(self, connection: "Connection", sql: str, size: int) -> AsyncGenerator[Sequence[Row], None]:
        try:
            cursor = await connection.cursor(sql)
            while rows := await cursor.fetch(size):
                yield rows
        except AWAY as problem:
            logs.debug.error("FlowDB at %s went away: %r", self._where, problem)
            raise Unavailable("FlowDB does not answer.") from problem
        except asyncpg.PostgresError as problem:
            logs.debug.error("FlowDB at %s refused: %r in %s", self._where, problem, sql)
            raise failure(500, "FlowDB could not give the result.") from problem


async def _pass_json_on(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=RawJson, format="text")
