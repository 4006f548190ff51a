"""The step that deploys the stack and sees it up; what goes into it is decided by the steps before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from secrets_quickstart.catalog.components import BY_NAME, Service
from secrets_quickstart.catalog.labels import INPUTS
from secrets_quickstart.report import Tell
from secrets_quickstart.steps.step import Action, Plan, Unchanged
from secrets_quickstart.swarm import services, stack
from secrets_quickstart.swarm.convergence import Expectation, Phase, Standing, judge
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import StackState
from secrets_quickstart.swarm.stack_files import StackFile, differences
from secrets_quickstart.swarm.watching import wait_until_up


@dataclass(frozen=True, slots=True)
class Wanted:
    """One service as its stack file has it now."""

    component: str
    digest: str
    """Of the whole stack file, its variables filled in."""
    differences: tuple[str, ...]
    """From the service that runs, in words; empty when there is none."""


@dataclass(frozen=True, slots=True)
class Facts:
    state: StackState
    wanted: Mapping[str, Wanted]
    standings: Mapping[str, Standing]
    since: datetime
    """The engine's time when this was read."""


@dataclass(frozen=True, slots=True)
class Create:
    service: str

    def __str__(self) -> str:
        return f"create the service {self.service}"


@dataclass(frozen=True, slots=True)
class Update:
    service: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"update the service {self.service}: {'; '.join(self.reasons)}"


@dataclass(frozen=True, slots=True)
class Wait:
    """Deployed already, but not up yet."""

    service: str
    detail: str

    def __str__(self) -> str:
        return f"wait for {self.service}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that decides what is deployed."""

    stack: str
    components: tuple[str, ...]
    files: tuple[StackFile, ...]
    environment: Mapping[str, str]
    """What the stack files interpolate, and what the docker client needs."""
    registry_auth: bool
    deadline: float
    """Seconds."""

    @property
    def services(self) -> tuple[Service, ...]:
        return tuple(service for name in self.components for service in BY_NAME[name].services)

    @property
    def expectations(self) -> dict[str, Expectation]:
        return {service.name: Expectation(service.needs, service.runs_once) for service in self.services}


class StackStep:
    """Every service of the components runs what its stack file says, and is healthy."""

    name = "stack"

    def __init__(self, engine: Engine, inputs: Inputs, tell: Tell) -> None:
        """`tell` is told how each service stands, again and again, while they are waited for."""
        self._engine = engine
        self._inputs = inputs
        self._tell = tell

    def look(self) -> Facts:
        inputs = self._inputs
        usable = self._engine.membership().usable
        state = services.state(self._engine, inputs.stack) if usable else StackState({}, (), {})
        wanted: dict[str, Wanted] = {}
        for component, file in zip(inputs.components, inputs.files, strict=True):
            resolved = file.resolved(inputs.environment)
            digest = file.digest(inputs.environment)
            for name, entry in resolved["services"].items():
                running = state.services.get(name)
                secrets = resolved.get("secrets", {})
                found = differences(entry, secrets, running, inputs.stack) if running else ()
                wanted[name] = Wanted(component, digest, tuple(found))
        now = self._engine.now()
        return Facts(state, wanted, judge(state, inputs.expectations, now, now), now)

    def plan(self, facts: Facts) -> Plan:
        actions: list[Action] = []
        unchanged: list[Unchanged] = []
        for name, wanted in facts.wanted.items():
            running = facts.state.services.get(name)
            if running is None:
                actions.append(Create(name))
            elif wanted.differences:
                actions.append(Update(name, wanted.differences))
            elif running.labels.get(INPUTS) != wanted.digest:
                actions.append(Update(name, ("its stack file, filled in, is another than it was made from",)))
            elif facts.standings[name].phase is not Phase.CONVERGED:
                actions.append(Wait(name, facts.standings[name].detail))
            else:
                unchanged.append(Unchanged(name, f"as its stack file says, {facts.standings[name].detail}"))
        return Plan(tuple(actions), tuple(unchanged))

    def act(self, actions: Sequence[Action]) -> None:
        """Deploy if anything is to be created or updated, then wait until everything is up."""
        inputs = self._inputs
        since = self._engine.now()
        if any(not isinstance(action, Wait) for action in actions):
            digests = {file.inputs_variable: file.digest(inputs.environment) for file in inputs.files}
            stack.deploy(
                self._engine,
                inputs.stack,
                [file.path for file in inputs.files],
                {**inputs.environment, **digests},
                registry_auth=inputs.registry_auth,
            )
        wait_until_up(
            self._engine, inputs.stack, inputs.expectations, since=since, deadline=inputs.deadline, tell=self._tell
        )
