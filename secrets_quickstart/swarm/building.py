"""Builds local images by BuildKit, and their base.  What they are made of is `images`.

What the host knows about mirrors, indexes and CAs goes into a build as BuildKit secrets, which no layer keeps.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from secrets_quickstart.errors import ImageError, ProcessError
from secrets_quickstart.host import package_sources, processes
from secrets_quickstart.host.memory_files import memory_files
from secrets_quickstart.report import Tell
from secrets_quickstart.swarm import base_image
from secrets_quickstart.swarm.engine import Engine, parse_version
from secrets_quickstart.swarm.images import Recipe

LARGEST_SECRET = 500 * 1024
"""Bytes; BuildKit's limit."""


@dataclass(frozen=True, slots=True)
class Client:
    """A docker command line."""

    path: str
    version: tuple[int, ...]
    buildx: bool

    @property
    def command(self) -> tuple[str, ...]:
        """How it builds with the engine's own BuildKit, which alone can start from local images; () if it cannot."""
        if self.buildx:
            return (self.path, "buildx", "build", "--builder", "default", "--load")
        if (18, 9) <= self.version < (23,):  # has BuildKit's client in it; later ones ask for the plugin
            return (self.path, "build")
        return ()

    @property
    def ending(self) -> signal.Signals:
        """What ends it and its build: the engine stops building for a client that has gone.

        On a milder signal 20.10 may wait for the end of the build; but the plugin is a program of its own, and lives on
        unless the client tells it.
        """
        return signal.SIGTERM if self.buildx else signal.SIGKILL


def choose(clients: Iterable[Client]) -> Client:
    """The first that can build with BuildKit; raises ImageError when there is none."""
    seen = list(clients)
    for client in seen:
        if client.command:
            return client
    found = ", ".join(f"{client.path} {'.'.join(map(str, client.version))}" for client in seen)
    raise ImageError(
        "no docker command line here can build with BuildKit",
        why=f"without the buildx plugin: {found}" if found else "there is none",
        fix="install buildx (Docker's packages: docker-buildx-plugin), or Debian's docker.io, which builds without it",
    )


def clients(environment: Mapping[str, str]) -> Iterator[Client]:
    """The command lines on this machine, the one on PATH first."""
    seen: set[str] = set()
    for path in (processes.find("docker"), "/usr/bin/docker"):
        if path is None or path in seen:
            continue
        seen.add(path)
        try:
            said = processes.run([path, "--version"], env=environment).stdout
            plugin = processes.run([path, "buildx", "version"], env=environment, check=False)
        except ProcessError:
            continue
        found = re.search(r"version (\S+)", said)
        yield Client(path, parse_version(found[1]) if found else (), plugin.status == 0)


def cause(log: Sequence[str]) -> str:
    """The line in which BuildKit says what failed, without its preamble; "" when there is none."""
    for line in reversed(log):
        found = re.search(r"(?:ERROR:|failed to solve:?|error:)\s*(.+)", line)
        if found:
            return found[1]
    return ""


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds on one engine, with what one host knows."""

    engine: Engine
    environment: Mapping[str, str]
    """The whole environment of the programs started."""
    tell: Tell

    def build(self, wanted: Sequence[Recipe], every: Mapping[str, Recipe]) -> None:
        """Build these, a base before what stands on it, else side by side; raises ImageError for the first failure.

        `every` holds what they stand on.  An image is named when it is complete, so a build that was killed leaves
        nothing half done, and BuildKit carries on from the last finished line.
        """
        if not wanted:
            return
        base = next(recipe for recipe in every.values() if recipe.image.built_on is None)
        sources = package_sources.read(self.environment, base_image.Settings.of(base).suite)
        too_large = [name for name, value in sources.files().items() if len(value) > LARGEST_SECRET]
        if too_large:
            raise ImageError(
                f"what this machine has as {', '.join(too_large)} is too large for a build",
                why=f"more than {LARGEST_SECRET // 1024} KiB",
                fix="set SSL_CERT_FILE to a bundle of only the certificates needed",
            )
        for recipe in wanted:
            if recipe.image.built_on is None:
                base_image.build(self.engine, recipe, sources, self.environment, self.tell)
        rest = [recipe for recipe in wanted if recipe.image.built_on is not None]
        if not rest:
            return
        client = choose(clients(self.environment))
        with (
            memory_files({name: value.reveal() for name, value in sources.files().items()}) as secrets,
            ThreadPoolExecutor(max_workers=min(len(rest), os.cpu_count() or 1)) as pool,
        ):
            jobs = [pool.submit(self._build_one, client, recipe, every, secrets) for recipe in rest]
            try:
                for job in jobs:
                    job.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _build_one(
        self, client: Client, recipe: Recipe, every: Mapping[str, Recipe], secrets: Mapping[str, str]
    ) -> None:
        base = every[recipe.image.built_on or ""]
        argv = [*client.command, "--progress", "plain", "--tag", recipe.reference]
        argv += ["--build-arg", f"BASE={base.reference}"]
        for name in package_sources.proxies(self.environment):
            argv += ["--build-arg", name]  # without a value: the client takes it from its environment
        for name, path in secrets.items():
            argv += ["--secret", f"id={name},src={path}"]
        labels = {**recipe.labels, "org.opencontainers.image.base.name": base.reference}
        for label, value in labels.items():
            argv += ["--label", f"{label}={value}"]
        self.tell({recipe.name: "building"})
        try:
            processes.run(
                [*argv, "-"],
                stdin=recipe.context(),
                env={**self.environment, "DOCKER_HOST": self.engine.host, "DOCKER_BUILDKIT": "1"},
                on_line=lambda line: self._follow(recipe.name, line),
                ending=client.ending,
            )
        except processes.Interrupted:
            self.tell({recipe.name: "interrupted"})
            raise
        except ProcessError as error:
            self.tell({recipe.name: "failed"})
            raise ImageError(
                f"the image {recipe.name} could not be built",
                why=cause(error.log) or error.why,
                fix=f"see the lines above and images/{recipe.name}/Dockerfile, then run invoke images.build again",
                log=error.log,
            ) from error
        self.tell({recipe.name: f"built: {recipe.reference}"})

    def _follow(self, name: str, line: str) -> None:
        found = re.match(r"#\d+ \[(?P<step>[^\]]+)\] (?P<what>[A-Z]+)", line)
        if found:
            self.tell({name: f"building: {found['step']} {found['what']}"})
