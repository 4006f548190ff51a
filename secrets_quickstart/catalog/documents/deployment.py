"""What the commands about the deployment as a whole print."""

from __future__ import annotations

from secrets_quickstart.catalog.documents.document import Document
from secrets_quickstart.catalog.documents.shape import (
    Shape,
    day,
    flag,
    listing,
    mapping,
    moment,
    number,
    one_of,
    or_null,
    record,
    text,
    whole,
)

CHANGES = whole("how many changes were made, or would be")
STEP_FIELDS = {
    "step": text("its name"),
    "actions": listing(text(), "what was changed, or would be, a line for people each"),
    "unchanged": listing(record({"subject": text(), "reason": text()}), "what is right already, and why"),
}
STEPS = listing(record(STEP_FIELDS), "in their order")
STATUSES = ("ok", "warning", "obstacle", "skipped")
FINDINGS: dict[str, Shape] = {
    "counts": record({status: whole() for status in STATUSES}, "how many findings there are of each status"),
    "findings": listing(
        record(
            {
                "check": text("its name"),
                "status": one_of(STATUSES),
                "detail": text("what was found"),
                "fix": text('what to do; "" where nothing has to be done'),
            }
        )
    ),
}
_BROUGHT_ABOUT = record(
    {
        "changes": CHANGES,
        "verified": flag("whether all services were asked now; not with --dry-run"),
        "steps": STEPS,
    },
    optional=["verified"],
)
PLANNED = record({"changes": CHANGES, "steps": STEPS})
CERTIFICATES = listing(
    record(
        {
            "name": text("as the vault has it"),
            "names": text("for which hosts, with commas"),
            "issuer": text(),
            "expires": text('the day as 2027-01-31; "" for one that cannot be read'),
            "days_left": or_null(
                {"type": "integer", "description": "below 0 when it has ended; null for one that cannot be read"}
            ),
            "origin": text("generated, imported and the like"),
            "warning": text('"" when nothing needs to be done'),
            "fix": text("what to do about the warning"),
        }
    ),
    "those of the vault",
)
_SERVICES = listing(
    record(
        {
            "service": text(),
            "state": one_of(("up", "starting", "failed")),
            "tasks": text("how far they are, for people"),
            "since": text('when the newest running task came up, by the engine\'s clock; "" if none runs'),
            "port": text("published ports, with commas"),
            "image": text("that the service asks for"),
            "health": one_of(("healthy", "starting", "unhealthy", "unchecked", ""), 'the worst task\'s; "" if none'),
            "digest": text('the registry\'s that the service asks for; "" for an image that no registry has'),
            "image_id": text('by which this node\'s engine knows the image that runs; "" if none runs here'),
        }
    )
)
_PLACES = listing(
    record(
        {
            "name": text("the variable of a directory, or a Docker volume"),
            "path": text(),
            "bytes": or_null(whole("on the disk; null when it could not be measured")),
            "free": or_null(whole("bytes left on its file system")),
            "total": or_null(whole("bytes of its file system")),
            "unknown": text('why it could not be measured, or ""'),
        }
    ),
    "where data is on this node",
)
_CACHE = or_null(
    record(
        {
            "bytes": whole("what FlowMachine's results take in FlowDB"),
            "limit": whole("above which the cache cleaner drops results"),
            "results": whole("how many there are"),
            "database_bytes": whole("all of FlowDB, the cache too"),
        },
        "null when FlowDB could not be asked",
    )
)
_DAYS = listing(
    record({"type": text(), "days": whole(), "first": day(), "last": day()}),
    "of each type of records, the days that queries see",
)
_BYTES = {
    name: whole(says)
    for name, says in {
        "memory": "bytes",
        "memory_limit": "bytes; the machine's memory where the service has no limit",
        "received": "bytes since the task came up",
        "sent": "likewise",
        "read": "likewise, from disks",
        "written": "likewise, to disks",
        "processes": "with their threads",
    }.items()
}
_TASK = {"service": text(), "task": text("the service and its slot, such as flowetl_worker.2")}

DOCUMENTS = (
    Document("quickstart", _BROUGHT_ABOUT),
    Document("deploy", _BROUGHT_ABOUT),
    Document("plan", PLANNED),
    Document("verify", record({"target": or_null(text("null for all that is deployed")), **FINDINGS})),
    Document(
        "doctor",
        record(
            {
                "target": text(),
                **FINDINGS,
                "sizing": listing(
                    record(
                        {
                            "variable": text(),
                            "value": text(),
                            "reason": text(),
                            "given": flag("whether an operator has set it"),
                        }
                    ),
                    "FlowDB's share of the machine",
                ),
                "beside": mapping(whole("bytes"), "what the other services take when idle"),
            }
        ),
    ),
    Document(
        "status",
        record(
            {
                "stack": text(),
                "services": _SERVICES,
                "certificates": CERTIFICATES,
                "places": _PLACES,
                "cache": _CACHE,
                "days": _DAYS,
                "unknown": mapping(text(), "why a part could not be asked, by its name"),
            }
        ),
    ),
    Document(
        "top",
        record(
            {
                "stack": text(),
                "tasks": listing(
                    record({**_TASK, "cpu": number("percent of one processor, over the last second"), **_BYTES}),
                    "those that run on this node",
                ),
                "elsewhere": listing(record({**_TASK, "node": text()}), "those that can only be asked on their node"),
                "unknown": text('why it is not known what runs elsewhere, or ""'),
            }
        ),
    ),
    Document(
        "logs",
        record({"time": text("by its node's clock"), "task": _TASK["task"], "text": text()}),
        note="One document for each line, on a line of its own.",
    ),
    Document(
        "audit",
        listing(
            record(
                {
                    "time": moment("in UTC"),
                    "command": text(),
                    "flags": listing(text(), "the names of those that were given"),
                    "user": text("who called sudo, if somebody did"),
                    "stack": text(),
                    "actions": listing(text(), "what was changed"),
                    "status": or_null({"type": "integer", "description": "null if it was killed or has not ended"}),
                }
            ),
            "the earliest first",
        ),
    ),
    Document("down", record({"changes": CHANGES, "stopped": listing(text(), "services")})),
    Document("purge", record({"changes": CHANGES, "deletes": listing(text(), "what was deleted, or would be")})),
    Document("certs.status", CERTIFICATES),
    Document("hosts.plan", PLANNED),
    Document(
        "swarm.status",
        record(
            {
                "state": text("inactive, pending, active, locked or error"),
                "manager": flag(),
                "error": text(),
                "nodes": listing(
                    record(
                        {
                            "name": text(),
                            "state": one_of(("ready", "down")),
                            "availability": one_of(("active", "drained")),
                            "data": flag("whether data is kept on it"),
                        }
                    )
                ),
            }
        ),
    ),
    Document("images.build", record({"changes": CHANGES, **STEP_FIELDS})),
    Document("images.pull", listing(record({"name": text(), "reference": text("with its digest")}))),
    Document(
        "images.list",
        listing(
            record(
                {
                    "name": text(),
                    "reference": text(),
                    "state": one_of(("current", "not built", "of former inputs")),
                    "bytes": or_null(whole("with the layers that it shares; null if it is not built")),
                    "created": or_null(moment("in UTC")),
                }
            )
        ),
    ),
    Document(
        "images.prune",
        listing(
            record(
                {
                    "reference": text(),
                    "outcome": text("what became of it, or would"),
                    "reason": text('why it stays, or ""'),
                }
            )
        ),
    ),
)
