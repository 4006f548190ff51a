"""Prepares Airflow's database as soon as it answers, in one process; what is done to it is `contents`."""

from __future__ import annotations

import os
import sys

from flowetl_service import database, mounted
from flowetl_service.mounted import DATABASE, Unusable

DEFAULTS = {
    "FLOWETL_AIRFLOW_ADMIN_EMAIL": "admin@flowkit.api",
    "FLOWETL_AIRFLOW_ADMIN_FIRSTNAME": "FlowETL",
    "FLOWETL_AIRFLOW_ADMIN_LASTNAME": "Admin",
    "FLOWETL_AIRFLOW_PG_POOL_SLOT_COUNT": "4",
}
REQUIRED = (DATABASE, "FLOWETL_AIRFLOW_ADMIN_USERNAME", "FLOWETL_AIRFLOW_ADMIN_PASSWORD")


def value(name: str) -> str:
    return mounted.given(name, os.environ) or DEFAULTS.get(name, "")


def slots(text: str) -> int:
    """The size of the pool; raises Unusable for what is none."""
    if not text.isdecimal() or int(text) < 1:
        raise Unusable("FLOWETL_AIRFLOW_PG_POOL_SLOT_COUNT is no number of slots. Set it to 1 or more.")
    return int(text)


def main() -> None:
    try:
        mounted.require([name for name in REQUIRED if not value(name)])
        size = slots(value("FLOWETL_AIRFLOW_PG_POOL_SLOT_COUNT"))
        database.wait_until_answering(value(DATABASE))
        from flowetl_service import contents  # noqa: PLC0415  it brings Airflow, which takes seconds

        contents.make_tables()
        contents.make_administrator(
            *(
                value(f"FLOWETL_AIRFLOW_ADMIN_{part}")
                for part in ("USERNAME", "PASSWORD", "EMAIL", "FIRSTNAME", "LASTNAME")
            )
        )
        contents.make_pool(database.POOL, size)
    except Unusable as error:
        print(f"FlowETL: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    print("FlowETL: the database, its administrator and the pool are ready.")


if __name__ == "__main__":
    main()
