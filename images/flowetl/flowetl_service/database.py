"""Airflow's database, asked before Airflow is there: whether it answers, and whether it is prepared.

Five Airflows that start before the database is prepared would each take seconds of a processor to find that out.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import psycopg2

from flowetl_service.mounted import Unusable

HEAD = Path("/opt/flowetl/head")
"""The revision of the database that the installed Airflow wants, written when the image is built."""

POOL = "postgres_etl"
"""Made last by `preparation`."""

PATIENCE = 600  # s; the migration of a large database
PAUSE = 1  # s


def wait_until_answering(url: str) -> None:
    """Raises Unusable if it does not within PATIENCE."""
    _wait(url, None, "Airflow's database does not answer")


def wait_until_prepared(url: str) -> None:
    """Raises Unusable if nobody prepares it within PATIENCE; a database that is not PostgreSQL is not waited for."""
    _wait(url, HEAD.read_text().strip(), "Airflow's database is not prepared")


def _wait(url: str, head: str | None, problem: str) -> None:
    found = re.fullmatch(r"postgresql(\+\w+)?(://.*)", url, re.DOTALL)
    if not found:
        return
    end = time.monotonic() + PATIENCE
    told = ""
    while reason := _hindrance(f"postgresql{found[2]}", head):
        if time.monotonic() > end:
            raise Unusable(f"{problem}: {reason}.")
        if reason != told:
            print(f"FlowETL: {problem} yet: {reason}.", file=sys.stderr)
            told = reason
        time.sleep(PAUSE)


def _hindrance(url: str, head: str | None) -> str:
    """Why it cannot be used yet, or "" if it can."""
    try:
        connection = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError as error:
        return str(error).strip().splitlines()[-1]  # has host and user in it, no password
    except psycopg2.ProgrammingError:  # has the whole URL in it
        raise Unusable("the URL of Airflow's database cannot be understood. Quote its password as in a URL.") from None
    try:
        if head is None:
            return ""
        with connection.cursor() as cursor:
            cursor.execute("SELECT version_num FROM alembic_version")
            version = cursor.fetchone()
            if version != (head,):
                return f"it has revision {version[0] if version else 'none'}, and this Airflow wants {head}"
            cursor.execute("SELECT 1 FROM slot_pool WHERE pool = %s", (POOL,))
            return "" if cursor.fetchone() else f"it has no pool {POOL} (bash /init.sh makes it)"
    except psycopg2.errors.UndefinedTable:
        return "it is empty (bash /init.sh prepares it)"
    except psycopg2.OperationalError as error:
        return str(error).strip().splitlines()[-1]
    finally:
        connection.close()
