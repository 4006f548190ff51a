"""The step that sees to images: chooses official or local ones, then pulls or builds what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from secrets_quickstart.catalog.components import SERVICES
from secrets_quickstart.catalog.images import BY_NAME
from secrets_quickstart.errors import ImageError
from secrets_quickstart.host import processes
from secrets_quickstart.report import Tell
from secrets_quickstart.steps.step import Action, Plan, Unchanged
from secrets_quickstart.swarm import building, images, registry, services
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.images import Recipe
from secrets_quickstart.swarm.registry import LoginRefused, Official, Registry

Mode = Literal["auto", "official", "local"]


@dataclass(frozen=True, slots=True)
class Build:
    """Build a local image."""

    name: str
    reference: str
    why: str

    def __str__(self) -> str:
        return f"build {self.reference}: {self.why}"


@dataclass(frozen=True, slots=True)
class Pull:
    """Pull an official image."""

    name: str
    reference: str

    def __str__(self) -> str:
        return f"pull {self.reference}"


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the images come from, and why."""

    reason: str
    local: tuple[Recipe, ...] = ()
    """With what they are built on, that first; empty when they are official."""
    official: tuple[Official, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    choice: Choice
    held: frozenset[str]
    """The engine's references, by tag and by digest."""
    built: frozenset[str] = frozenset()
    """Names of local images of which the engine has any state."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was configured about images."""

    names: tuple[str, ...]
    """Rows of the catalog."""
    mode: Mode
    folder: Path
    """Where the local images' folders are."""
    tags: Mapping[str, str]
    """The operator's tags of official images, by variable."""
    stack: str


class ImagesStep:
    """Every image that the wanted services run is in the engine."""

    name = "images"

    def __init__(
        self,
        engine: Engine,
        wish: Wish,
        source: Registry,
        environment: Mapping[str, str],
        tell: Tell,
    ) -> None:
        """`environment` is the whole environment of the programs started; `tell` is told how each image stands."""
        self._engine = engine
        self._wish = wish
        self._registry = source
        self._environment = environment
        self._tell = tell
        self._choice: Choice | None = None

    def look(self) -> Facts:
        """Chooses once: a registry that goes away meanwhile does not change what is being deployed."""
        held = images.held(self._engine)
        if self._choice is None:
            self._choice = self._choose(held)
        return Facts(self._choice, held, frozenset(image.name for image in images.built(self._engine)))

    def plan(self, facts: Facts) -> Plan:
        choice = facts.choice
        actions: list[Action] = []
        unchanged = [Unchanged("source of images", choice.reason)]
        missing = [recipe for recipe in choice.local if recipe.reference not in facts.held]
        needed = {recipe.image.built_on for recipe in missing} | {*self._wish.names}
        for recipe in choice.local:
            if recipe.reference in facts.held:
                unchanged.append(Unchanged(recipe.reference, "built from these inputs already"))
            elif recipe.name in needed:
                why = "its inputs changed" if recipe.name in facts.built else "not built yet"
                actions.append(Build(recipe.name, recipe.reference, why))
            else:
                unchanged.append(Unchanged(recipe.reference, "nothing has to be built on it"))
        for official in choice.official:
            if official.held_as in facts.held:
                unchanged.append(Unchanged(official.reference, "pulled already"))
            else:
                actions.append(Pull(official.image.name, official.reference))
        return Plan(tuple(actions), tuple(unchanged))

    def act(self, actions: Sequence[Action]) -> None:
        builds: list[str] = []
        for action in actions:
            match action:
                case Build(name=name):
                    builds.append(name)
                case Pull(name=name, reference=reference):
                    self._pull(name, reference)
                case _:
                    raise TypeError(f"not an action of this step: {action!r}")
        if builds:
            every = {recipe.name: recipe for recipe in self._chosen().local}
            builder = building.Builder(self._engine, self._environment, self._tell)
            with processes.ending_on_ctrl_c():
                builder.build([every[name] for name in builds], every)

    def environment(self) -> dict[str, str]:
        """Variables for the stack files and for the client that deploys them; holds no secret."""
        choice = self._chosen()
        if choice.local:
            return images.variables(choice.local)
        found = registry.variables(choice.official)
        if self.registry_auth:
            found |= self._registry.client_environment(self._environment.get("PATH", ""))
        return found

    @property
    def registry_auth(self) -> bool:
        """Whether the nodes have to be handed a login with the stack."""
        return bool(self._chosen().official) and self._registry.has_login

    def _chosen(self) -> Choice:
        return self._choice if self._choice is not None else self.look().choice

    def _choose(self, held: frozenset[str]) -> Choice:
        mode = self._wish.mode
        if mode == "local":
            return self._local("local ones, as FLOWKIT_IMAGES says")
        deployed = self._deployed() if mode == "auto" else {}
        if any(reference.startswith(f"{images.PREFIX}/") for reference in deployed.values()):
            return self._local("local ones, as the stack runs them already")
        try:
            official = tuple(self._official(name, held) for name in self._wish.names)
        except ImageError as error:
            refused = (
                isinstance(error, LoginRefused) and self._registry.account is not None
            )  # without one: no such image
            if mode == "official" or deployed or refused:
                raise
            return self._local(f"local ones: {error}")
        return Choice("official ones" if mode == "auto" else "official ones, as FLOWKIT_IMAGES says", official=official)

    def _local(self, reason: str) -> Choice:
        return Choice(reason, local=tuple(images.recipes(self._wish.folder, self._wish.names).values()))

    def _official(self, name: str, held: frozenset[str]) -> Official:
        """What was pulled stays until it is pulled anew: a tag that moves changes no running system."""
        row = BY_NAME[name]
        tag = self._wish.tags[row.tag_variable]
        repository = registry.repository(row, self._registry.prefix)
        if f"{repository}:{tag}" in held:
            for digest in images.digests_of(self._engine, f"{repository}:{tag}"):
                if digest.startswith(f"{repository}@"):
                    return Official(row, repository, tag, digest.partition("@")[2])
        return self._registry.official(row, tag)

    def _deployed(self) -> dict[str, str]:
        """What the stack's services run, by service; none when there is no swarm yet."""
        if not self._engine.membership().usable:
            return {}
        found = services.state(self._engine, self._wish.stack).services
        return {name: service.image for name, service in found.items() if self._is_wanted(name)}

    def _is_wanted(self, service: str) -> bool:
        row = SERVICES.get(service)
        return row is not None and row.image in self._wish.names

    def _pull(self, name: str, reference: str) -> None:
        self._tell({name: "pulling"})

        def tell(how_far: str) -> None:
            if processes.interrupted():
                raise processes.Interrupted(f"the pull of {reference} was interrupted", fix="run this again")
            self._tell({name: how_far})

        self._registry.pull(reference, tell)
        self._tell({name: f"pulled: {reference}"})
