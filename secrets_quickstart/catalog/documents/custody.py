"""What the commands about secrets and backups print."""

from __future__ import annotations

from secrets_quickstart.catalog.documents.deployment import CHANGES
from secrets_quickstart.catalog.documents.document import Document
from secrets_quickstart.catalog.documents.shape import (
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

_COMPARED = mapping(
    record(
        {
            "tables": whole(),
            "rows": whole("in all of them"),
            "query": or_null(
                record(
                    {"day": or_null(day()), "subscribers": whole()},
                    "what an analyst would be told of the newest day; null where there is no such question",
                )
            ),
        }
    ),
    "by the component whose database it is",
)

DOCUMENTS = (
    Document(
        "secrets.list",
        listing(
            record(
                {
                    "name": text(),
                    "generation": or_null(whole("null for one without a value, which only --all shows")),
                    "created": or_null(moment("in UTC")),
                    "origin": or_null(text("generated, imported and the like")),
                    "purpose": text(),
                }
            )
        ),
    ),
    Document(
        "secrets.status",
        record(
            {
                "stack": text(),
                "drift": whole("how many are not as they should be"),
                "secrets": listing(
                    record(
                        {
                            "name": text('"" for a Docker secret that is none of the catalogue'),
                            "generation": or_null(whole()),
                            "created": or_null(moment()),
                            "object": text('the Docker secret, or ""'),
                            "used_by": listing(text(), "services that mount it"),
                            "state": one_of(
                                ("ok", "missing", "foreign", "changed", "orphaned", "unused", "superseded")
                            ),
                            "detail": text(),
                        }
                    )
                ),
            }
        ),
    ),
    Document(
        "secrets.adopt",
        record(
            {
                "changes": CHANGES,
                "actions": listing(text(), "what was done, or would be"),
                "held": listing(text(), "names that the vault has already"),
                "lost": listing(record({"name": text(), "why": text(), "then": text("what becomes of it")})),
            }
        ),
    ),
    Document(
        "secrets.rotate",
        record(
            {
                "names": listing(text(), "those with a new value, or that would get one"),
                "seconds": number("how long it took; not with --dry-run"),
                "afterwards": listing(text(), "what people have to do now; not with --dry-run"),
            },
            optional=["seconds", "afterwards"],
        ),
    ),
    Document(
        "backup.make",
        record(
            {
                "folder": text(),
                "bytes": whole(),
                "databases": mapping(one_of(("physical", "logical")), "by component"),
                "elsewhere": listing(text(), "components whose database is not in our care, and not in the backup"),
                "deleted": listing(text(), "folders of earlier backups, for --keep"),
            }
        ),
    ),
    Document("backup.verify", record({"folder": text(), "created": text(), "databases": _COMPARED})),
    Document(
        "upgrade",
        record(
            {
                "changes": listing(
                    record(
                        {
                            "service": text(),
                            "component": text(),
                            "old": text('its image; "" for a service that is new'),
                            "new": text(),
                        }
                    )
                ),
                "interrupted": flag("whether an earlier one would be brought to its end first; only with --dry-run"),
                "carried_on": flag("whether an earlier one was; this and what follows not with --dry-run"),
                "backup": text("the folder of what was there before"),
                "seconds": number("how long it took"),
                "afterwards": listing(text(), "what people have to do now"),
            },
            optional=["interrupted", "carried_on", "backup", "seconds", "afterwards"],
        ),
    ),
    Document("restore", record({"changes": CHANGES, "databases": _COMPARED})),
)
