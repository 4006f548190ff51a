"""Does an analyst get the numbers that FlowDB's records give?  The counting is done here in SQL, by the definition.

`daily_location`, method last: where each subscriber's last event of the day was, of those at a cell that was in
service that day and stands in a region.  `spatial_aggregate`: subscribers per region, where they are more than 15.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, LiteralString, Protocol

from secrets_quickstart.checks.check import Obstacle, Ok, Outcome, Warn
from secrets_quickstart.checks.verification_flowapi import signed
from secrets_quickstart.checks.verification_flowdb import FLOWMACHINE
from secrets_quickstart.checks.verification_world import Unasked, Verification, World
from secrets_quickstart.clients.analyst import Findings, Question
from secrets_quickstart.clients.flowapi import LOG_FIX
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive

if TYPE_CHECKING:
    from psycopg import sql

HIDDEN = 15
"""FlowMachine gives no count of subscribers that is not larger."""

UNITS = ("admin3", "admin2", "admin1", "admin0")
"""The finest first."""

EVENT_TYPES = ("calls", "sms")

COUNTING = 300.0
"""Seconds that FlowDB may take to count one day."""


class Records(Protocol):
    """FlowDB, as far as it is asked here."""

    def query(
        self,
        statement: LiteralString | sql.Composed,
        parameters: Sequence[object] | Mapping[str, object] | None = None,
        *,
        within: float = ...,
    ) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True, slots=True)
class Count:
    """Subscribers whose last event was in one region."""

    certain: int
    possible: int
    """With those who had another event, elsewhere, at that very time: FlowMachine takes any of the two."""

    def allows(self, value: int | None) -> bool:
        """Whether that is what FlowMachine may answer; None is no answer for the region."""
        if value is None:
            return self.certain <= HIDDEN
        return max(self.certain, HIDDEN + 1) <= value <= self.possible


def gives_flowdbs_numbers(world: World) -> Outcome:
    records = world.flowdb(FLOWMACHINE.name(world), world.needed(FLOWMACHINE.password))
    dates = available_dates(records)
    question, counts = counted(records, newest(dates))
    needed = scopes(question.unit)
    try:
        found = world.analyst(_token(world, needed)).ask(question, dates)
    except ServiceError as error:
        raise ServiceError(error.what, why=error.why, fix=_token_fix(world, needed) or error.fix) from error
    return judged(found, dates, counts, f"of {question.date} at {question.unit}")


def _token(world: World, needed: Sequence[str]) -> Sensitive:
    """The operator's, or one that holds these scopes in one role."""
    if world.given_token is not None:
        return world.given_token
    if world.secret("PRIVATE_JWT_SIGNING_KEY") is None:
        raise Unasked("the vault holds no signing key; give a token of FlowAuth's: invoke verify --token FILE")
    return signed(world, {"verify": needed})


def _token_fix(world: World, needed: Sequence[str]) -> str:
    """What may be wrong with the operator's token, or ""."""
    if world.given_token is None:
        return ""
    return f"give a token that is valid and has one role with all of {', '.join(needed)}"


def scopes(unit: str) -> tuple[str, ...]:
    """Those that the query needs, all in one role."""
    query = f"{unit}:spatial_aggregate"
    return ("run", "get_result", "get_available_dates", f"{query}:spatial_aggregate", f"{query}:daily_location")


def available_dates(records: Records) -> dict[str, list[str]]:
    """Days by event type, as FlowDB has them; each sorted."""
    rows = records.query("SELECT cdr_type::text, cdr_date FROM etl.available_dates ORDER BY cdr_type, cdr_date")
    dates: dict[str, list[str]] = {}
    for kind, day in rows:
        dates.setdefault(kind, []).append(day.isoformat())
    return dates


LOOKED_AT = 3
"""Days that are tried, if the newest ones have no event with a place."""


def newest(dates: Mapping[str, Sequence[str]]) -> list[tuple[str, tuple[str, ...]]]:
    """The newest days with calls or text messages, and which of them they have.  Raises Unasked when there are none."""
    days = sorted({day for kind in EVENT_TYPES for day in dates.get(kind, ())}, reverse=True)
    if not days:
        raise Unasked("FlowDB holds no records yet, so there is nothing to count")
    return [(day, tuple(kind for kind in EVENT_TYPES if day in dates.get(kind, ()))) for day in days[:LOOKED_AT]]


def counted(records: Records, days: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[Question, Mapping[str, Count]]:
    """The newest day and the finest unit at which FlowMachine has a number to give, and all counts there.

    Where it has none anywhere, the first with a count at all.  Raises Unasked when there is none of these either.
    """
    units = {name for (name,) in records.query(UNITS_THERE, [list(UNITS)])}
    [(table,)] = records.query("SELECT * FROM location_table()")
    hidden: tuple[Question, Mapping[str, Count]] | None = None
    for day, event_types in days:
        for unit in (unit for unit in UNITS if unit in units):
            rows = records.query(statement(unit, table, event_types), bounds(day), within=COUNTING)
            counts = {pcod: Count(certain, possible) for pcod, certain, possible in rows}
            found = Question(day, unit, event_types), counts
            if any(count.certain > HIDDEN for count in counts.values()):
                return found
            hidden = hidden or (found if counts else None)
    if hidden is None:
        raise Unasked(f"no event of {', '.join(day for day, _ in days)} is at a cell in a region")
    return hidden


UNITS_THERE = """
SELECT table_name::text FROM information_schema.columns
WHERE table_schema = 'geography' AND table_name = ANY (%s) AND column_name = table_name || 'pcod'
"""


def bounds(day: str) -> dict[str, str]:
    """From midnight to midnight, in FlowDB's own time zone, as FlowMachine asks."""
    return {"start": day, "end": (date.fromisoformat(day) + timedelta(days=1)).isoformat()}


def statement(unit: str, location_table: str, event_types: Sequence[str]) -> sql.Composed:
    """Counts by region: pcod, certain, possible."""
    from psycopg import sql

    events = sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT msisdn, datetime, location_id FROM {} WHERE datetime >= %(start)s AND datetime < %(end)s"
        ).format(sql.Identifier("events", kind))
        for kind in event_types
    )
    return sql.SQL("""
        WITH places AS MATERIALIZED (
            SELECT cell.id, region.{pcod} AS pcod,
                   coalesce(cell.date_of_first_service, '-infinity') AS first_day,
                   coalesce(cell.date_of_last_service, 'infinity') AS last_day
            FROM {cells} AS cell JOIN {regions} AS region ON ST_Within(cell.geom_point, region.geom)
        ), located AS (
            SELECT DISTINCT event.msisdn, event.datetime, places.pcod
            FROM ({events}) AS event JOIN places
              ON places.id = event.location_id AND event.datetime::date BETWEEN places.first_day AND places.last_day
        ), ranked AS (
            SELECT msisdn, pcod, rank() OVER (PARTITION BY msisdn ORDER BY datetime DESC) AS rank FROM located
        ), last_seen AS (
            SELECT pcod, count(*) OVER (PARTITION BY msisdn) AS places FROM ranked WHERE rank = 1
        )
        SELECT pcod, count(*) FILTER (WHERE places = 1), count(*) FROM last_seen GROUP BY pcod
        """).format(
        pcod=sql.Identifier(f"{unit}pcod"),
        cells=sql.Identifier(*location_table.split(".")),
        regions=sql.Identifier("geography", unit),
        events=events,
    )


DATES_FIX = "see that FlowMachine asks this FlowDB: invoke logs flowmachine"
STALE_FIX = (
    "if the day was loaded anew since it was first asked for, reset FlowMachine's cache; "
    "else compare `invoke logs flowmachine` with FlowDB"
)


def judged(found: Findings, dates: Mapping[str, Sequence[str]], counts: Mapping[str, Count], what: str) -> Outcome:
    """The analyst's answers against FlowDB's."""
    if wrong := differing_dates(found.dates, dates):
        return Obstacle(wrong, DATES_FIX)
    try:
        values = {row["pcod"]: row["value"] for row in found.rows}
    except (KeyError, TypeError):
        return Obstacle(f"the result {what} has no pcod and value", LOG_FIX)
    if len(values) != len(found.rows):
        return Obstacle(f"the result {what} names a region twice", STALE_FIX)
    if wrong_regions := differing_regions(values, counts):
        return Obstacle(f"{what}: {', '.join(wrong_regions)}", STALE_FIX)
    if not values:
        return Warn(
            f"no region has more than {HIDDEN} subscribers {what}, so both gave no number",
            "verify again when there are more records",
        )
    return Ok(f"{sum(values.values())} subscribers in {len(values)} regions {what}, as FlowDB counts them")


def differing_dates(found: Mapping[str, Sequence[str]], expected: Mapping[str, Sequence[str]]) -> str:
    """The first difference, or ""."""
    for kind in sorted(found.keys() | expected.keys()):
        here, there = set(found.get(kind, ())), set(expected.get(kind, ()))
        if here != there:
            day = min(here ^ there)
            return f"{kind} of {day}: {'FlowAPI' if day in here else 'FlowDB'} alone has them"
    return ""


def differing_regions(values: Mapping[str, Any], counts: Mapping[str, Count]) -> Iterable[str]:
    """The first three; a count that FlowMachine hides is hidden here too."""
    none = Count(0, 0)
    wrong = [
        pcod for pcod in sorted(values.keys() | counts.keys()) if not counts.get(pcod, none).allows(values.get(pcod))
    ]
    return [
        f"{pcod}: FlowAPI {values.get(pcod, 'nothing')}, FlowDB {_shown(counts.get(pcod, none))}" for pcod in wrong[:3]
    ]


def _shown(count: Count) -> str:
    if count.possible <= HIDDEN:
        return f"{HIDDEN} or fewer"
    return str(count.certain) if count.certain == count.possible else f"{count.certain} to {count.possible}"


DATES_MEMORY = 125.0
"""Seconds after which FlowMachine has read the available dates anew: it keeps them for 120."""


def offers_flowdbs_dates(world: World) -> Outcome:
    import time

    records = world.flowdb(FLOWMACHINE.name(world), world.needed(FLOWMACHINE.password))
    needed = ("get_available_dates",)
    client = world.flowapi(_token(world, needed))
    end = time.monotonic() + DATES_MEMORY
    told = False
    while True:
        dates = available_dates(records)
        reply = client.get("/api/0/available_dates")
        if reply.status != 200:
            whose = "a right" if world.given_token is None else "the given"
            detail = f"with {whose} token it gets status {reply.status}: {reply.reason()}"
            return Obstacle(detail, _token_fix(world, needed) or LOG_FIX)
        wrong = differing_dates(reply.json().get("available_dates", {}), dates)
        if not wrong:
            break
        if time.monotonic() > end:
            return Obstacle(wrong, DATES_FIX)
        if not told:
            told = True
            world.tell("waiting until FlowMachine reads the available dates anew, up to two minutes")
        time.sleep(2)
    days = {day for own in dates.values() for day in own}
    return Ok(f"{len(days)} days of {', '.join(dates)}" if days else "none, as in FlowDB")


CHECKS = (
    Verification("available dates", "Does FlowAPI offer the dates that FlowDB has?", "flowapi", offers_flowdbs_dates),
    Verification(
        "a query's numbers",
        "Does flowclient get, through TLS, the numbers that SQL gives?",
        "flowapi",
        gives_flowdbs_numbers,
    ),
)
