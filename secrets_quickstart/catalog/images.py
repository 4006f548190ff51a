"""The table of images: where each comes from; not how it is built or pulled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """One image, named in the stack files as `${VARIABLE_IMAGE:-official}:${tag_variable:-tag}${VARIABLE_PIN}`."""

    name: str
    """The folder under `images/`, and the local repository's last part."""
    official: str
    """The repository that the stack files use by themselves."""
    tag: str
    """The official tag that the stack files use by themselves."""
    tag_variable: str = ""
    """The variable that chooses the tag, or "" when it is not the operator's choice."""
    built_on: str | None = "base"
    """The local image it starts from; None for one made from nothing."""

    @property
    def variable(self) -> str:
        return f"{self.name.upper()}_IMAGE"

    @property
    def pin_variable(self) -> str:
        return f"{self.name.upper()}_PIN"


FLOWKIT_RELEASE = "1.34.0"

IMAGES = (
    Image("base", "", "", built_on=None),
    Image("flowdb", "flowminder/flowdb", FLOWKIT_RELEASE, "CONTAINER_TAG"),
    Image("flowmachine", "flowminder/flowmachine", FLOWKIT_RELEASE, "CONTAINER_TAG"),
    Image("flowapi", "flowminder/flowapi", FLOWKIT_RELEASE, "CONTAINER_TAG"),
    # bitnami/redis, which FlowKit's own stack files name, left the Docker Hub in September 2025
    Image("redis", "redis", "7.2-bookworm", "REDIS_TAG"),
    Image("flowetl", "flowminder/flowetl", FLOWKIT_RELEASE, "CONTAINER_TAG"),
    Image("flowauth", "flowminder/flowauth", FLOWKIT_RELEASE, "CONTAINER_TAG"),
    Image("postgres", "postgres", "15-bookworm", "POSTGRES_TAG"),
    Image("edge", "caddy", "2", "EDGE_TAG"),
)

BY_NAME = {image.name: image for image in IMAGES}
