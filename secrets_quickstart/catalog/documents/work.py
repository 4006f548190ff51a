"""What the commands about people, FlowAuth and days of records print."""

from __future__ import annotations

from secrets_quickstart.catalog.documents.deployment import CHANGES, FINDINGS, STEPS
from secrets_quickstart.catalog.documents.document import Document
from secrets_quickstart.catalog.documents.shape import (
    Shape,
    day,
    flag,
    listing,
    mapping,
    moment,
    one_of,
    or_null,
    record,
    text,
    whole,
)

_NEXT = listing(text(), "what to do next")
_DUMP = or_null(text("the dump that leads back"))
_CENSUS = or_null(
    record(
        {"tables": one_of(("groups", "roles", "none"), "of FlowAuth before 1.18.1, of those since"),
         "users": whole(), "servers": whole()},
        "null when it was not counted",
    )
)  # fmt: skip
_AIRFLOW: Shape = record(
    {
        "actions": listing(text()),
        "dump": _DUMP,
        "airflow": or_null(whole("1 or 2, as the tables are; null where there are none")),
        "dag_runs": whole(),
        "connections": whole(),
        "next": _NEXT,
    }
)

DOCUMENTS = (
    Document(
        "users.add",
        record(
            {
                "flowdb_host": text(),
                "flowdb_port": whole(),
                "flowdb_user": text(),
                "flowdb_password": text(),
                "redis_host": text(),
                "redis_port": whole(),
                "redis_password": text(),
            }
        ),
        note="The arguments of `flowmachine.connect`, with two passwords.",
    ),
    Document(
        "users.list",
        listing(
            record(
                {
                    "name": text(),
                    "since": text("when they were added, ISO 8601"),
                    "can_log_in": flag("false for one whose removal was broken off"),
                    "sessions": whole("connections to FlowDB now"),
                }
            )
        ),
    ),
    Document(
        "flowauth.link",
        record(
            {
                "server": text(),
                "changes": CHANGES,
                "scopes": record({"added": listing(text()), "removed": listing(text())}),
                "steps": STEPS,
            }
        ),
    ),
    Document(
        "flowauth.users",
        listing(
            record(
                {
                    "name": text(),
                    "admin": flag(),
                    "two_factor": text("for people"),
                    "roles": listing(record({"server": text(), "role": text()})),
                }
            )
        ),
    ),
    Document(
        "flowauth.migrate",
        record(
            {
                "actions": listing(text()),
                "changes": CHANGES,
                "dump": _DUMP,
                "before": _CENSUS,
                "after": _CENSUS,
                "upload_again": listing(text(), "servers whose specification FlowAuth has to be given again"),
                **FINDINGS,
                "next": _NEXT,
            }
        ),
    ),
    Document(
        "etl.init",
        record({"directory": text(), "files": mapping(text("what became of it"), "by name")}),
    ),
    Document(
        "etl.sample",
        listing(
            record(
                {
                    "type": text(),
                    "file": text(),
                    "outcome": text("what became of it"),
                    "rows": whole(),
                    "checksum": {"type": "integer", "description": "as FlowDB sums it up once the file is loaded"},
                    "subscribers_by_region": mapping(whole(), "that an analyst has to get, by the region's code"),
                }
            )
        ),
    ),
    Document(
        "etl.run",
        listing(
            record(
                {
                    "type": text(),
                    "date": day(),
                    "dag": text(),
                    "run": or_null(text("Airflow's name for it")),
                    "state": one_of(("unchanged", "succeeded", "failed")),
                    "loaded": flag("whether queries see the day"),
                    "detail": text(),
                    "rows": or_null(whole()),
                    "tasks": whole("how many the run has"),
                    "failed": listing(
                        record({"task": text(), "attempt": whole(), "log": listing(text(), "its last lines")})
                    ),
                }
            )
        ),
    ),
    Document(
        "etl.status",
        listing(
            record(
                {
                    "type": text(),
                    "date": day(),
                    "state": one_of(("loaded", "running", "failed", "missing")),
                    "detail": text(),
                    "loaded": or_null(moment("since when queries see it")),
                    "dag": or_null(text()),
                    "run": or_null(text()),
                    "checks": mapping(text("what it found"), "QA checks by name"),
                }
            )
        ),
    ),
    Document("etl.dump-airflow", _AIRFLOW),
    Document("etl.restore-airflow", _AIRFLOW),
)
