"""What is known of upgrades: releases that change tables for good, and what has to outlive any of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Milestone:
    """A release from which on a component has other tables, for which there is a step of their own."""

    component: str
    release: str
    what: str
    """What becomes of the older tables."""
    fix: str
    """The step, which takes a dump."""
    afterwards: str = ""
    """What is left to do when the newer release runs."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an upgrade may not take from a component's database; patterns of `schema.table`."""

    rows: tuple[str, ...]
    """Tables that lose no row."""
    tables: tuple[str, ...]
    """Tables whose columns are the same once the former release is to run again."""


MILESTONES = (
    Milestone(
        "flowetl",
        "1.17.0",
        "these are the tables of an Airflow 1, and Airflow 2 changes them for good",
        "invoke etl.dump-airflow, and do what it says; then run this again (docs/airflow-migration.md)",
    ),
    Milestone(
        "flowauth",
        "1.18.1",
        "these are the tables of a FlowAuth before 1.18.1, and later ones change them for good",
        "invoke flowauth.migrate, which takes a dump; then run this again (docs/flowauth-migration.md)",
        "invoke flowauth.migrate: it checks users, servers and sign-in against the dump",
    ),
)
RECORDS = ("events.*", "dfs.*", "interactions.*", "infrastructure.*", "geography.*", "etl.etl_records")
"""Not what FlowETL has for the time of a load, nor FlowMachine's cache."""
KEPT = {
    "flowdb": Kept(rows=RECORDS, tables=RECORDS),
    "flowetl": Kept(
        ("public.dag_run", "public.task_instance", "public.connection", "public.variable", "public.ab_user"), ("*",)
    ),
    "flowauth": Kept(
        ('public."user"', "public.server", "public.role", "public.token_history", "public.two_factor_auth"), ("*",)
    ),
}
"""By component."""
