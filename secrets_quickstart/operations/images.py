"""The settings' images as a step, and their registry; building and pulling are in `swarm`."""

from __future__ import annotations

from pathlib import Path

from secrets_quickstart.catalog.images import BY_NAME, IMAGES
from secrets_quickstart.operations import course
from secrets_quickstart.report import Tell
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.images import ImagesStep, Mode, Wish
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.registry import Account, Registry

FOLDER = "images"


def step(settings: Settings, engine: Engine, names: tuple[str, ...], mode: Mode, tell: Tell) -> ImagesStep:
    """The step that has these images ready; `tell` is told how each of them stands."""
    tags = {row.tag_variable: str(settings[row.tag_variable]) for row in IMAGES if row.tag_variable}
    wish = Wish(names, mode, settings.folder / FOLDER, tags, settings.stack)
    return ImagesStep(engine, wish, registry(settings, engine), settings.base_environment, tell)


def reference(settings: Settings, engine: Engine, name: str, tell: Tell) -> str:
    """What the engine knows an image by, once it is there."""
    row = BY_NAME[name]
    chosen = step(settings, engine, (name,), settings.images, tell)
    course.carry_out([[chosen]])
    found = {row.tag_variable: str(settings[row.tag_variable]), row.pin_variable: "", **chosen.environment()}
    return f"{found[row.variable]}:{found[row.tag_variable]}{found[row.pin_variable]}"


def registry(settings: Settings, engine: Engine) -> Registry:
    """The registry that the settings name, with their login."""
    user, file = settings["FLOWKIT_REGISTRY_USER"], settings["FLOWKIT_REGISTRY_PASSWORD_FILE"]
    account = Account(str(user), Path(file)) if user and file else None
    return Registry(engine, settings.registry, account)
