"""The checks of the Docker Engine and its command; not of the swarm."""

from __future__ import annotations

from secrets_quickstart.checks.check import Check, Obstacle, Ok, Outcome, Skip, Warn
from secrets_quickstart.checks.conditions import with_engine
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_engine import ClientFacts, EngineFacts
from secrets_quickstart.checks.facts_wanted import Unknown

OLDEST_ENGINE = (20, 10)
"""What Debian 11 and 12 have, and the oldest that this was tried on."""
OLDEST_API = (1, 41)
"""That engine's; the one in which a service may be a job and its capabilities can be set."""
OLDEST_CLIENT = (20, 10)
SKEW_WARNING, SKEW_OBSTACLE = 5.0, 60.0
"""Seconds.  Certificates and tokens of ours start a day and no time ago, by our clock; the services use the other."""
OPEN_FILES = 10_032
"""Redis wants 10000 clients and 32 files of its own; below that it takes fewer clients."""


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def engine(facts: PreflightFacts) -> Outcome:
    if isinstance(facts.engine, Unknown):
        return Obstacle(facts.engine.why, facts.engine.fix)
    return Ok(f"answers, version {dotted(facts.engine.version)}")


@with_engine
def engine_version(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if engine.version < OLDEST_ENGINE:
        return Obstacle(
            f"it is {dotted(engine.version)}; {dotted(OLDEST_ENGINE)} is the oldest that works",
            "upgrade the Docker Engine with your distribution's packages (docker.io or docker-ce)",
        )
    if engine.api < OLDEST_API:
        return Obstacle(
            f"it offers the API {dotted(engine.api)}; {dotted(OLDEST_API)} is needed",
            "upgrade the Docker Engine, or unset DOCKER_API_VERSION",
        )
    return Ok(f"{dotted(engine.version)}, API {dotted(engine.api)}")


@with_engine
def platform(facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if engine.os_type != "linux":
        return Obstacle(f"it runs {engine.os_type} containers", "switch Docker to Linux containers")
    if facts.wanted.images == "official" and engine.architecture not in {"x86_64", "amd64"}:
        return Warn(
            f"FlowKit publishes images for x86_64, and this is {engine.architecture}",
            "set FLOWKIT_IMAGES=local: local images are built for this machine",
        )
    return Ok(f"{engine.os_type} on {engine.architecture}")


@with_engine
def rootless(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if engine.rootless:
        return Obstacle(
            "the engine runs rootless, where overlay networks do not work", "use the system's engine: unset DOCKER_HOST"
        )
    return Ok("it runs as root")


@with_engine
def live_restore(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if engine.live_restore and engine.membership.state != "active":
        return Obstacle(
            "live-restore is on, with which the engine refuses to make a swarm",
            'remove "live-restore" from /etc/docker/daemon.json and restart Docker',
        )
    return Ok("live-restore does not stand in the way")


@with_engine
def storage_driver(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if engine.storage_driver in {"vfs", "devicemapper", "aufs"}:
        return Warn(
            f"images are kept with {engine.storage_driver}, which copies every layer or is no longer maintained",
            'set "storage-driver": "overlay2" in /etc/docker/daemon.json (existing images have to be loaded again)',
        )
    return Ok(engine.storage_driver)


@with_engine
def limits(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    lacking = [name for name, there in (("memory", engine.memory_limits), ("CPU", engine.cpu_limits)) if not there]
    if lacking:
        return Warn(
            f"the kernel does not limit {' and '.join(lacking)} of containers, so one service can starve the others",
            "add cgroup_enable=memory to the kernel's command line and restart the machine",
        )
    return Ok("memory and CPU of containers can be limited")


@with_engine
def selinux(facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if engine.selinux and facts.directories:
        folders = " ".join(str(directory.path) for directory in facts.directories)
        return Warn(
            "the engine uses SELinux, which hides directories of the host from containers unless they are labelled",
            f"label them: chcon -Rt container_file_t {folders}",
        )
    return Ok("no labels needed")


@with_engine
def open_files(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if engine.open_files is None:
        return Skip("the limit of the engine's process cannot be read")
    if engine.open_files < OPEN_FILES:
        return Warn(
            f"containers may open {engine.open_files} files; redis alone wants {OPEN_FILES}",
            "raise LimitNOFILE of docker.service: systemctl edit docker",
        )
    return Ok(f"{engine.open_files} open files for each container's process")


@with_engine
def engine_clock(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    ahead = f"{abs(engine.skew):.0f} s {'ahead of' if engine.skew > 0 else 'behind'} ours"
    if abs(engine.skew) >= SKEW_OBSTACLE:
        return Obstacle(
            f"the engine's clock is {ahead}: tokens would be refused", "set both clocks with NTP (chrony or timesyncd)"
        )
    if abs(engine.skew) >= SKEW_WARNING:
        return Warn(f"the engine's clock is {ahead}", "set both clocks with NTP (chrony or timesyncd)")
    return Ok("the same as ours")


def client(facts: PreflightFacts) -> Outcome:
    if isinstance(facts.client, Unknown):
        return Obstacle(facts.client.why, facts.client.fix)
    if not facts.client.deploys_stacks:
        return Obstacle(
            f"{facts.client.path} cannot `stack deploy`",
            "install Docker's own command (docker.io or docker-ce-cli); podman's stand-in has no stacks",
        )
    if facts.client.version < OLDEST_CLIENT:
        return Obstacle(
            f"{facts.client.path} is {dotted(facts.client.version) or 'of an unknown version'}; "
            f"{dotted(OLDEST_CLIENT)} is the oldest that works",
            "install the docker command of your distribution (docker.io or docker-ce-cli)",
        )
    return Ok(f"{facts.client.path}, {dotted(facts.client.version)}")


@with_engine
def same_engine(facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    match facts.client:
        case ClientFacts(engine_id="") if engine.membership.error:
            return Skip("the swarm keeps the engine from answering in time")
        case ClientFacts(engine_id="", reason=reason):
            return Obstacle(
                f"the docker command reaches no engine: {reason or 'it names none'}",
                "see what `docker info` says, and DOCKER_HOST",
            )
        case ClientFacts(engine_id=found) if found != engine.id:
            return Obstacle(
                "the docker command speaks to another engine than we do",
                "set DOCKER_HOST to the one that is meant, and unset DOCKER_CONTEXT",
            )
        case ClientFacts():
            return Ok("the docker command and we speak to the same one")
    return Skip("there is no docker command")


CHECKS = (
    Check("engine", "Does a Docker Engine answer?", engine),
    Check("engine-version", "Is it new enough?", engine_version),
    Check("engine-platform", "Does it run Linux containers, on a processor that the images are for?", platform),
    Check("engine-rootless", "Can it make overlay networks?", rootless),
    Check("engine-live-restore", "Is it configured so that it can be in a swarm?", live_restore),
    Check("engine-storage", "Does it keep images in a sound way?", storage_driver),
    Check("engine-limits", "Can it limit the memory and CPU of containers?", limits),
    Check("engine-selinux", "Will containers see the host's directories?", selinux),
    Check("engine-open-files", "May containers open enough files?", open_files),
    Check("engine-clock", "Does its clock show our time?", engine_clock),
    Check("docker-command", "Is there a docker command that can deploy stacks?", client),
    Check("docker-command-engine", "Does it speak to the same engine as we do?", same_engine),
)
