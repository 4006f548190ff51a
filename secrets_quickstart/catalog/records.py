"""The table of the types of records that the example DAGs of `pipelines/` load; not how records are made up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class RecordType:
    """One type, which FlowETL calls cdr_type."""

    name: str
    """As the table in FlowDB's schema `events`."""
    columns: tuple[str, ...]
    """Of its CSV files, in order."""
    loaded: tuple[str, ...]
    """Where each of them is in FlowDB: SQL over that table which gives the same text again."""
    each: int
    """How many rows a day of made-up records has for each subscriber, unless another number is asked for."""

    @property
    def dag(self) -> str:
        """Both the DAG and its file are called so."""
        return f"load_{self.name}"

    def file(self, day: date) -> str:
        """The name of a day's file in FLOWDB_ETL_DIR."""
        return f"{self.name}_{day:%Y%m%d}.csv"


TIME = "to_char(datetime AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')"
"""The form of times in the files that we make up."""

TYPES = (
    RecordType(
        "calls",
        ("call_id", "event_time", "outgoing", "msisdn", "msisdn_counterpart", "duration", "cell_id", "tac"),
        ("id", TIME, "outgoing::text", "msisdn", "msisdn_counterpart", "duration", "location_id", "tac"),
        each=10,
    ),
    RecordType(
        "sms",
        ("message_id", "event_time", "outgoing", "msisdn", "msisdn_counterpart", "cell_id", "tac"),
        ("id", TIME, "outgoing::text", "msisdn", "msisdn_counterpart", "location_id", "tac"),
        each=6,
    ),
    RecordType(
        "mds",
        ("session_id", "start_time", "msisdn", "duration", "volume_up", "volume_down", "cell_id", "tac"),
        ("id", TIME, "msisdn", "duration", "volume_upload", "volume_download", "location_id", "tac"),
        each=4,
    ),
    RecordType(
        "topups",
        (
            *("topup_id", "event_time", "msisdn", "kind", "amount", "fee", "tax"),
            *("balance_before", "balance_after", "cell_id", "tac"),
        ),
        (
            *("id", TIME, "msisdn", "type", "recharge_amount", "airtime_fee", "tax_and_fee"),
            *("pre_event_balance", "post_event_balance", "location_id", "tac"),
        ),
        each=2,
    ),
)

BY_NAME = {row.name: row for row in TYPES}

EXAMPLES = ("README.md", "when_to_load.py", *(f"{row.dag}.py" for row in TYPES))
"""The files of `pipelines/`."""
