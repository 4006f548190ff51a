"""What a judgement needs before it can be made: an engine, a swarm, the engine's own machine; not the judgements."""

from __future__ import annotations

import functools
from collections.abc import Callable

from secrets_quickstart.checks.check import Outcome, Skip
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_engine import EngineFacts
from secrets_quickstart.checks.facts_swarm import SwarmFacts
from secrets_quickstart.checks.facts_wanted import Unknown

Judge = Callable[[PreflightFacts], Outcome]


def with_engine(judge: Callable[[PreflightFacts, EngineFacts], Outcome]) -> Judge:
    """Skipped when no engine answers: one check says that, once."""

    @functools.wraps(judge)
    def judged(facts: PreflightFacts) -> Outcome:
        if isinstance(facts.engine, Unknown):
            return Skip("no engine answers")
        return judge(facts, facts.engine)

    return judged


def with_swarm(judge: Callable[[PreflightFacts, SwarmFacts], Outcome]) -> Judge:
    """Skipped when the swarm cannot be read; a swarm that is still to be made is an empty one."""

    @functools.wraps(judge)
    def judged(facts: PreflightFacts) -> Outcome:
        if isinstance(facts.swarm, Unknown):
            return Skip(f"the swarm cannot be read: {facts.swarm.why}")
        return judge(facts, facts.swarm)

    return judged


def on_this_machine(judge: Judge) -> Judge:
    """Skipped when the engine is on another machine, about which nothing can be read here."""

    @functools.wraps(judge)
    def judged(facts: PreflightFacts) -> Outcome:
        if isinstance(facts.engine, EngineFacts) and not facts.engine.local:
            return Skip("the engine is on another machine")
        return judge(facts)

    return judged
