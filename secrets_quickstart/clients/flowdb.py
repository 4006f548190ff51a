"""FlowDB, asked in SQL as one of its roles; not what it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, LiteralString

from secrets_quickstart.clients.answers import Forbidden, Refused
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

DATABASE = "flowdb"
CONNECT_WITHIN = 10
"""Seconds; a FlowDB under load answers in less, and one that is starting says so."""


class FlowdbClient:
    """One role at one address.  Reads only: each question is a read-only transaction on a connection of its own."""

    def __init__(self, host: str, port: int, user: str, password: Sensitive) -> None:
        self._host = host
        self._port = port
        self.user = user
        self._password = password

    def query(
        self,
        statement: LiteralString | sql.Composed,
        parameters: Sequence[object] | Mapping[str, object] | None = None,
        *,
        within: float = 30.0,
    ) -> list[tuple[Any, ...]]:
        """All rows of the answer.

        Raises Refused when the password is not accepted, Forbidden when the role lacks a right, and ServiceError when
        FlowDB does not answer, not within that many seconds, or finds fault with the statement.
        """
        import psycopg

        options = f"-c default_transaction_read_only=on -c statement_timeout={round(within * 1000)}"
        try:
            connection = psycopg.connect(
                host=self._host,
                port=self._port,
                user=self.user,
                password=self._password.text(),
                dbname=DATABASE,
                connect_timeout=CONNECT_WITHIN,
                application_name="flowkit-quickstart",
                options=options,
                gssencmode="disable",
            )
        except psycopg.Error as error:
            raise self._unconnected(error) from None
        with connection:
            try:
                return connection.execute(statement, parameters).fetchall()
            except psycopg.Error as error:
                raise self._unanswered(error, within) from None

    def _unconnected(self, error: psycopg.Error) -> ServiceError:
        """Why there is no connection.  The library gives no SQLSTATE for it, so the server's words have to do."""
        words = _server_words(str(error))
        used_password = error.pgconn is not None and bool(error.pgconn.used_password)
        if "authentication failed" in words or (used_password and not words):
            return Refused(f"FlowDB refuses {self.user}", why=words or "the password is not accepted", fix=ENTRY_FIX)
        if "no pg_hba.conf entry" in words or "not permitted to log in" in words:
            return Refused(f"FlowDB refuses {self.user}", why=words, fix="see which roles and addresses FlowDB allows")
        return ServiceError(
            f"FlowDB does not answer at {self._host} port {self._port}",
            why=words or type(error).__name__,
            fix="see its log: invoke logs flowdb",
        )

    def _unanswered(self, error: psycopg.Error, within: float) -> ServiceError:
        import psycopg.errors

        words = error.diag.message_primary or type(error).__name__
        match error:
            case psycopg.errors.InsufficientPrivilege():
                return Forbidden(f"FlowDB's role {self.user} lacks a right", why=words, fix=RIGHTS_FIX)
            case psycopg.errors.QueryCanceled():
                return ServiceError(
                    f"FlowDB did not answer {self.user} within {within:g} s",
                    why="the statement took longer",
                    fix="run this again when FlowDB has less to do",
                )
            case _:
                return ServiceError(
                    f"FlowDB cannot answer {self.user}", why=words, fix="see its log: invoke logs flowdb"
                )


ENTRY_FIX = (
    "a password is baked in when the data directory is first used: bring back the vault of that time, "
    "or set it anew with ALTER ROLE"
)
RIGHTS_FIX = "the database was not made by this version's image: compare its grants with images/flowdb/schema"


def _server_words(text: str) -> str:
    """What the server itself said, or the library's reason; "" when neither can be made out."""
    for mark in ("FATAL:", "failed:"):
        if mark in text:
            return " ".join(text.rpartition(mark)[2].split())
    return " ".join(text.split())
