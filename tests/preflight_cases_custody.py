"""What the checks of vault, secrets, data and certificates find wanting, and what they let pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from secrets_quickstart.checks.data import Content
from secrets_quickstart.checks.facts_custody import CustodyFacts
from secrets_quickstart.checks.facts_swarm import SecretFacts
from tests.preflight_facts import (
    AIRFLOW_DATA,
    FLOWAUTH_DATA,
    FLOWDB_DATA,
    LEAF,
    NOW,
    SECRET,
    SOUND,
    fine,
    obstacle,
    skipped,
    warning,
)

NO_VAULT = CustodyFacts(SOUND.custody.path, exists=False)
GONE = replace(FLOWDB_DATA, content=Content.NOTHING, identifier="")
SCRAPS = replace(FLOWAUTH_DATA, content=Content.UNFINISHED, identifier="")
BY_HAND = SecretFacts("REDIS_PASSWORD", "", "", None, "", "")


def ending(days: float, *, ours: bool = False) -> tuple[object, ...]:
    return (replace(LEAF, ours=ours, facts=replace(LEAF.facts, not_after=NOW + timedelta(days=days))),)


CASES = (
    obstacle("vault", "open to others", custody__problem="the vault is open to others", custody__fix="chmod 600"),
    obstacle("vault", "may not be made", custody=replace(NO_VAULT, creatable=False)),
    fine("vault", "none yet", custody=NO_VAULT),
    warning("vault-key", "beside it", custody__key_beside=True),
    obstacle("password-files", "registry.txt", custody__exposed=(Path("registry.txt"),)),
    obstacle("secrets-weak", "REDIS_PASSWORD is a placeholder", custody__weak={"REDIS_PASSWORD": "a placeholder"}),
    skipped("secrets-weak", "nothing yet", custody=NO_VAULT),
    warning("secrets-shared", "A = B", custody__shared=(("A", "B"),)),
    obstacle("secrets-loose", "FLOWAPI_IDENTIFIER", custody__loose=("FLOWAPI_IDENTIFIER",)),
    obstacle("names-secrets", "flowkit_REDIS_PASSWORD_g1", swarm__secrets=(replace(SECRET, stack=""),)),
    obstacle("names-secrets", "flowkit_REDIS_PASSWORD_g1", swarm__secrets=(replace(SECRET, stack="other"),)),
    fine("names-secrets", "left alone: REDIS_PASSWORD", swarm__secrets=(BY_HAND,)),
    obstacle("secrets-in-swarm", "there is no vault", custody=NO_VAULT),
    obstacle("secrets-in-swarm", "another vault", custody__id="v2"),
    obstacle("secrets-in-swarm", "an old copy", swarm__secrets=(replace(SECRET, generation=2),)),
    obstacle("secrets-in-swarm", "another value", swarm__secrets=(replace(SECRET, fingerprint="zz"),)),
    obstacle("secrets-in-swarm", "another value", swarm__secrets=(replace(SECRET, generation=None),)),
    obstacle("secrets-in-swarm", "another vault", custody__id="v2", custody__left_out={"SECRET_KEY": 1}),
    fine(
        "secrets-in-swarm",
        "0 in the swarm",
        custody__id="v2",
        custody__fingerprints={},
        custody__left_out={"REDIS_PASSWORD": 1},
    ),
    fine("secrets-in-swarm", "0 in the swarm", custody=NO_VAULT, swarm__secrets=(replace(SECRET, stack="other"),)),
    skipped("secrets-in-swarm", "cannot be opened", custody__problem="locked"),
    obstacle("data", "does not know", data=(replace(FLOWDB_DATA, claim=None),)),
    obstacle("data", "another database", data=(replace(FLOWDB_DATA, identifier="8"),)),
    obstacle("data", "is empty", data=(GONE,)),
    fine("data", "holds nothing", data=(GONE,), wanted__start_empty=True),
    obstacle("data", "no database", data=(replace(FLOWDB_DATA, content=Content.UNFINISHED, claim=None),)),
    obstacle("data", "does not know", data=(FLOWDB_DATA, replace(FLOWAUTH_DATA, claim=None))),
    obstacle("data", "no dump", data=(FLOWDB_DATA, replace(FLOWAUTH_DATA, claim=None, imported=True))),
    obstacle("data", "flowkit_flowauth_postgres_data holds files", data=(GONE, SCRAPS), wanted__start_empty=True),
    fine("data", "flowkit_flowauth_postgres_data holds a database"),
    obstacle("data", "PostgreSQL 11, and FlowDB is 15", data=(replace(FLOWDB_DATA, postgresql="11"),)),
    obstacle("data", "PostgreSQL 11, of an Airflow 1", data=(replace(AIRFLOW_DATA, postgresql="11", outdated=True),)),
    fine("data", "holds a database", data=(replace(AIRFLOW_DATA, postgresql="15"),)),
    obstacle("data", "Airflow 1, which FlowKit had up to 1.16", data=(replace(AIRFLOW_DATA, outdated=True),)),
    fine("data", "holds a database", data=(replace(AIRFLOW_DATA, outdated=True, dumped=True),)),
    obstacle("data", "no dump", data=(replace(AIRFLOW_DATA, claim=None, imported=True),)),
    warning("data", "may not be looked at", data=(replace(AIRFLOW_DATA, content=Content.HIDDEN, claim=None),)),
    fine("data", "cannot be looked at from here", data=(replace(AIRFLOW_DATA, content=Content.HIDDEN),)),
    skipped("data", "no database of ours", data=()),
    obstacle("certificate-key", "another key", custody__certificates=(replace(LEAF, fits_key=False),)),
    obstacle("certificate-key", "damaged", custody__spoiled={"cert-flowkit.pem": "it is damaged"}),
    warning("certificate-dates", "time to order", custody__certificates=ending(60.5)),
    warning("certificate-dates", "ends in 30 days, on 2026-07-02", custody__certificates=ending(30.5)),
    warning("certificate-dates", "in 7 days", custody__certificates=ending(7.5)),
    obstacle("certificate-dates", "ended on 2026-05-31", custody__certificates=ending(-1)),
    warning("certificate-dates", "ended on 2026-05-31", custody__certificates=ending(-1, ours=True)),
    warning("certificate-dates", "in 1 day, on 2026-06-0", custody__certificates=ending(1.5, ours=True)),
    fine("certificate-dates", "until", custody__certificates=ending(61.5)),
    obstacle("certificate-dates", "valid only from 2026-05-22", machine__now=NOW - timedelta(days=20)),
    warning("certificate-names", "not for flow.api", custody__certificates=(replace(LEAF, lacking=("flow.api",)),)),
    fine("certificate-names", "will be made", custody__certificates=(replace(LEAF, lacking=("flow.api",), ours=True),)),
)
