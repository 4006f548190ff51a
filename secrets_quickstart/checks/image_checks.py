"""The checks of where images come from."""

from __future__ import annotations

from secrets_quickstart.checks.check import Check, Obstacle, Ok, Outcome, Skip, Warn
from secrets_quickstart.checks.conditions import with_engine
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_engine import EngineFacts
from secrets_quickstart.checks.facts_wanted import Unknown


def building(facts: PreflightFacts) -> Outcome:
    images = facts.images
    if isinstance(images, Unknown):
        return Skip(images.why)
    if facts.wanted.images == "official":
        return Skip("official images are wanted")
    if not images.missing:
        return Ok(f"all are there: {', '.join(images.present)}")
    if images.lacking_tools:
        lacking = " and ".join(images.lacking_tools)
        fix = "apt-get install mmdebstrap, and run this as root; or load the images (docker load)"
        if facts.wanted.images == "auto":
            return Warn(f"without {lacking} no image can be built, so all hangs on a registry", fix)
        return Obstacle(f"{', '.join(images.missing)} cannot be built without {lacking}", fix)
    return Ok(f"to be built: {', '.join(images.missing)}")


def buildkit(facts: PreflightFacts) -> Outcome:
    images = facts.images
    if isinstance(images, Unknown) or isinstance(facts.client, Unknown):
        return Skip("there is no engine or no docker command")
    if facts.wanted.images == "official" or not images.missing:
        return Skip("nothing is built")
    if not facts.client.buildkit:
        return Warn(
            f"{facts.client.path} has no BuildKit (buildx), so building takes longer",
            "install docker-buildx, or put the distribution's docker first on PATH",
        )
    return Ok("the docker command has BuildKit")


@with_engine
def registry(facts: PreflightFacts, _engine: EngineFacts) -> Outcome:
    images = facts.images
    if isinstance(images, Unknown):
        return Skip(images.why)
    if not images.registry:
        return Skip("nothing has to be pulled, or the deployment itself asks (FLOWKIT_IMAGES=auto)")
    if images.refusal:
        return Obstacle(
            f"{images.registry} does not give us {', '.join(images.missing)}: {images.refusal}",
            "set FLOWKIT_REGISTRY to one that has them, or FLOWKIT_IMAGES=local",
        )
    return Ok(f"{images.registry} has them")


CHECKS = (
    Check("images-build", "Are the local images there, or can they be built?", building),
    Check("images-buildkit", "Can they be built side by side and with a cache?", buildkit),
    Check("images-registry", "Does the registry give us the official images that are missing?", registry),
)
