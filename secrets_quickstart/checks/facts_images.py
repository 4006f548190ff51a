"""The images that the services need, and what could bring them; judges nothing, pulls and builds nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.catalog.images import BY_NAME, Image
from secrets_quickstart.checks.facts_wanted import Unknown, Wanted
from secrets_quickstart.errors import EngineError, ImageError
from secrets_quickstart.host import processes
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import building, images, registry
from secrets_quickstart.swarm.base_image import PROGRAM
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.registry import Account, Registry

PATIENCE = 3
"""Seconds for a registry to say whether it has an image."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Names are those of the catalog."""

    missing: tuple[str, ...]
    """Those that are to be pulled, or built: never made, or made from other inputs than those of now."""
    without_base: bool = False
    """Whether the image that local ones stand on is missing too."""
    bootstrap: bool = True
    """Whether there is a mmdebstrap, which makes that one."""
    builder: str = ""
    """Why no docker command can build, "" when one can or need not."""
    registry: str = ""
    """The one that was asked, "" when none had to be."""
    refusal: str = ""
    fix: str = ""
    """Why it does not give us an image that is missing, and what to do."""


def image_facts(settings: Settings, wanted: Wanted, engine: Engine) -> ImageFacts | Unknown:
    """Which images the engine lacks.  With official ones to pull, the registry is asked for the first of them."""
    try:
        held = images.held(engine)
        if wanted.images == "official":
            return _official(settings, wanted, engine, held)
        return _local(settings.folder / "images", wanted, held, settings.base_environment, official(settings, wanted))
    except (EngineError, ImageError) as error:
        return Unknown(str(error), error.fix)


def official(settings: Settings, wanted: Wanted) -> dict[str, str]:
    """Full names of the official images, as the stack files would have them."""
    return {name: _reference(BY_NAME[name], settings) for name in wanted.images_needed}


def _reference(row: Image, settings: Settings) -> str:
    return f"{registry.repository(row, settings.registry)}:{_tag(row, settings)}"


def _tag(row: Image, settings: Settings) -> str:
    return (settings.text(row.tag_variable) if row.tag_variable else None) or row.tag


def _local(
    folder: Path,
    wanted: Wanted,
    held: Collection[str],
    environment: Mapping[str, str],
    official: Mapping[str, str],
) -> ImageFacts:
    if wanted.images == "auto" and all(name in held for name in official.values()):
        return ImageFacts(())
    recipes = images.recipes(folder, wanted.images_needed)
    missing = tuple(name for name in wanted.images_needed if recipes[name].reference not in held)
    if not missing:
        return ImageFacts(())
    return ImageFacts(
        missing,
        without_base=any(row.image.built_on is None and row.reference not in held for row in recipes.values()),
        bootstrap=processes.find(PROGRAM) is not None,
        builder=_builder(environment),
    )


def _builder(environment: Mapping[str, str]) -> str:
    try:
        building.choose(building.clients(environment))
    except ImageError as error:
        return str(error)
    return ""


def _official(settings: Settings, wanted: Wanted, engine: Engine, held: Collection[str]) -> ImageFacts:
    missing = tuple(name for name, reference in official(settings, wanted).items() if reference not in held)
    if not missing:
        return ImageFacts(())
    user, file = settings["FLOWKIT_REGISTRY_USER"], settings["FLOWKIT_REGISTRY_PASSWORD_FILE"]
    source = Registry(engine, settings.registry, Account(user, file) if user and file else None)
    name, first = settings.registry or "the public registry", BY_NAME[missing[0]]
    try:
        source.official(first, _tag(first, settings), within=PATIENCE)
    except ImageError as error:
        return ImageFacts(missing, registry=name, refusal=str(error), fix=error.fix)
    return ImageFacts(missing, registry=name)
