"""The images that the services need, and what could bring them; judges nothing, pulls nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from secrets_quickstart.catalog import images
from secrets_quickstart.catalog.images import Image
from secrets_quickstart.checks.facts_wanted import Unknown, Wanted
from secrets_quickstart.errors import EngineError
from secrets_quickstart.host import processes
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm.engine import Engine, translated

PATIENCE = 3
"""Seconds for a registry to say whether it has an image."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Names are those of the catalog; all of them are about the source that the settings choose."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    lacking_tools: tuple[str, ...] = ()
    """What building local images needs and is not there."""
    registry: str = ""
    """The one that was asked, "" when none had to be."""
    refusal: str = ""
    """Why the registry does not give us an image that is missing."""


def image_facts(settings: Settings, wanted: Wanted, engine: Engine) -> ImageFacts | Unknown:
    """Which images the engine holds.  With official ones to pull, the registry is asked for the first of them."""
    try:
        with translated("the images cannot be listed"):
            tags = [tag for item in engine.api.images() for tag in item.get("RepoTags") or ()]
    except EngineError as error:
        return Unknown(str(error), error.fix)
    rows = [images.BY_NAME[name] for name in wanted.images_needed]
    official = {row.name: reference(row, settings) for row in rows}
    if wanted.images == "official":
        present = tuple(name for name, text in official.items() if text in tags)
    else:
        present = tuple(row.name for row in rows if built(row, tags) or official[row.name] in tags)
    missing = tuple(row.name for row in rows if row.name not in present)
    tools = () if wanted.images == "official" else lacking_tools(tags)
    if wanted.images != "official" or not missing:
        return ImageFacts(present, missing, tools)
    return ImageFacts(
        present,
        missing,
        registry=settings.registry or "the public registry",
        refusal=_refusal(engine, official[missing[0]]),
    )


def reference(row: Image, settings: Settings) -> str:
    """The official image's full name, as the stack file would have it."""
    tag = settings.text(row.tag_variable) if row.tag_variable else row.tag
    return "/".join(filter(None, (settings.registry, f"{row.official}:{tag}")))


def built(row: Image, tags: Iterable[str]) -> bool:
    """Whether a local image of that row is among the tags: its repository's last part is the row's name."""
    repositories = {tag.rpartition(":")[0] for tag in tags}
    return any(item.rpartition("/")[2] == row.name and item != row.official for item in repositories)


def lacking_tools(tags: Iterable[str]) -> tuple[str, ...]:
    """What building needs: mmdebstrap and root's rights for the base image, unless that is there."""
    if built(images.BY_NAME["base"], tags):
        return ()
    tools = [] if processes.find("mmdebstrap") else ["mmdebstrap"]
    return (*tools, *(() if os.geteuid() == 0 else ("root's rights",)))


def _refusal(engine: Engine, name: str) -> str:
    import docker

    client: Any = docker.APIClient(base_url=engine.host, version=engine.api.api_version, timeout=PATIENCE)
    try:
        with translated(f"{name} is not to be had"):
            client.inspect_distribution(name)
    except EngineError as error:
        return str(error)
    finally:
        client.close()
    return ""
