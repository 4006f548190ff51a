"""A database in a place, and the step that looks at it; no test is here."""

import struct

from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.steps.data import DataStep
from secrets_quickstart.vault import Origin
from tests.fakes import FakeEngine


def database(directory, identifier=7):
    (directory / "global").mkdir(parents=True)
    (directory / "PG_VERSION").write_text("15\n")
    (directory / "global" / "pg_control").write_bytes(struct.pack("<Q", identifier) + b"rest")


def step(vault, place, *, sample=False, start_empty=False, engine=None):
    return DataStep(engine or FakeEngine(), vault, [place], sample=sample, start_empty=start_empty)


def carry_out(made):
    plan = made.plan(made.look())
    made.act(plan.actions)
    return plan.actions


def give(vault, *names):
    for name in names:
        vault.put(name, Sensitive("x"), Origin.IMPORTED)
