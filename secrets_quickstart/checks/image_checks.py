"""The checks of where images come from."""

from __future__ import annotations

from secrets_quickstart.checks.check import Check, Obstacle, Ok, Outcome, Skip, Warn
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_wanted import Unknown


def folder(facts: PreflightFacts) -> Outcome:
    match facts.images:
        case Unknown(why=why, fix=fix) if not isinstance(facts.engine, Unknown):
            return Obstacle(why, fix or "see the engine's log")
        case Unknown(why=why):
            return Skip(why)
        case found if found.missing:
            return Ok(f"still to come: {', '.join(found.missing)}")
    return Ok("all are there")


def _unbuildable(facts: PreflightFacts, lacking: str, fix: str) -> Outcome:
    """With `auto` a registry may still have them."""
    if facts.wanted.images == "auto":
        return Warn(f"{lacking}, so all hangs on a registry", fix)
    return Obstacle(lacking, fix)


def base(facts: PreflightFacts) -> Outcome:
    images = facts.images
    if isinstance(images, Unknown):
        return Skip(images.why)
    if facts.wanted.images == "official" or not images.without_base:
        return Skip("it does not have to be made")
    if not images.bootstrap:
        return _unbuildable(
            facts,
            "the image that local ones stand on cannot be made without mmdebstrap",
            "apt-get install mmdebstrap, or bring the images from elsewhere (invoke images.load)",
        )
    return Ok("mmdebstrap makes it")


def buildkit(facts: PreflightFacts) -> Outcome:
    images = facts.images
    if isinstance(images, Unknown):
        return Skip(images.why)
    if facts.wanted.images == "official" or not images.missing:
        return Skip("nothing has to be built")
    if images.builder:
        return _unbuildable(
            facts,
            images.builder,
            "install Debian's docker.io, which builds by itself, or Docker's docker-buildx-plugin",
        )
    return Ok("a docker command can build")


def registry(facts: PreflightFacts) -> Outcome:
    images = facts.images
    if isinstance(images, Unknown):
        return Skip(images.why)
    if not images.registry:
        return Skip("nothing has to be pulled, or the deployment itself asks (FLOWKIT_IMAGES=auto)")
    if images.refusal:
        return Obstacle(images.refusal, images.fix)
    return Ok(f"{images.registry} has them")


def airflow_group(facts: PreflightFacts) -> Outcome:
    group = facts.wanted.airflow_group
    if group is None:
        return Skip("FlowETL is not deployed")
    if group and facts.wanted.images != "local":
        return Warn(
            f"FLOWETL_HOST_GROUP_ID is {group}, and the official FlowETL image lets only the group 0 write its files",
            "take FLOWETL_HOST_GROUP_ID out of .env",
        )
    return Ok(f"{group}")


CHECKS = (
    Check("images", "Is it known which images are there and which are to come?", folder),
    Check("images-base", "Can the image be made that local ones stand on?", base),
    Check("images-build", "Can local images be built?", buildkit),
    Check("images-registry", "Does the registry give us the official images that are missing?", registry),
    Check("images-airflow-group", "Does Airflow run as the group that its image is made for?", airflow_group),
)
