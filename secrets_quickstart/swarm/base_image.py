"""Makes the base image: a Debian from its packages, by mmdebstrap, which needs no registry.

images/base says what is in it.  Of the host nothing stays in it, neither sources nor proxies nor certificates.
"""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from secrets_quickstart.errors import ImageError, ProcessError
from secrets_quickstart.host import package_sources, processes
from secrets_quickstart.host.memory_files import memory_files
from secrets_quickstart.host.package_sources import PackageSources
from secrets_quickstart.report import Tell
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.images import TAG, Recipe

PROGRAM = "mmdebstrap"

CLEAN_UP = (
    'rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99mmdebstrap '
    '"$1"/var/log/apt/* "$1"/var/log/*.log "$1"/var/cache/ldconfig/*'
)
"""A mmdebstrap hook; $1 is the new system's root."""

SHOWN = ("I: downloading", "I: extracting", "I: installing", "I: creating")
"""How the lines of mmdebstrap begin that are worth showing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What images/base/base.toml says."""

    suite: str
    variant: str
    packages: tuple[str, ...]
    updated: date
    changes: tuple[str, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> Settings:
        """Raises ImageError when the file is not what it should be."""
        try:
            found = tomllib.loads(recipe.content("base.toml").decode())
            return cls(
                str(found["suite"]),
                str(found["variant"]),
                tuple(found["packages"]),
                date.fromisoformat(str(found["updated"])),
                tuple(found["changes"]),
            )
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, ValueError, TypeError) as error:
            raise ImageError(
                "images/base/base.toml cannot be used", why=f"{type(error).__name__}: {error}", fix="correct the file"
            ) from error

    @property
    def epoch(self) -> int:
        """Seconds since 1970 at the start of the day `updated`."""
        return int(datetime.combine(self.updated, time(), UTC).timestamp())


def command(settings: Settings, target: Path, files: Mapping[str, str]) -> list[str]:
    """mmdebstrap's arguments; it reads the package sources from its standard input.

    `files` are paths of apt.conf and dpkg.cfg, which stay in the image, and host.conf, which does not.
    """
    argv = [PROGRAM, f"--variant={settings.variant}", f"--dpkgopt={files['dpkg.cfg']}"]
    if settings.packages:
        argv.append(f"--include={','.join(settings.packages)}")
    if "host.conf" in files:
        argv.append(f"--aptopt={files['host.conf']}")
    argv.append(f"--customize-hook=upload {files['apt.conf']} /etc/apt/apt.conf.d/90flowkit")
    argv.append(f"--customize-hook={CLEAN_UP}")
    return [*argv, settings.suite, str(target), "-"]


def build(
    engine: Engine,
    recipe: Recipe,
    sources: PackageSources,
    environment: Mapping[str, str],
    tell: Tell,
) -> None:
    """Make it and name it, in that order: what was cut short has no name.  Raises ImageError."""
    if processes.find(PROGRAM) is None:
        raise ImageError(
            "the base image cannot be built",
            why=f"{PROGRAM}, which makes a Debian from its packages, is not installed",
            fix=f"apt-get install {PROGRAM}",
        )
    settings = Settings.of(recipe)
    bundle = environment.get("SSL_CERT_FILE") or f"/{package_sources.CA_BUNDLE}"
    host = sources.apt_conf.text().replace(package_sources.CA_IN_BUILD, bundle)
    contents = {name: recipe.content(name) for name in ("apt.conf", "dpkg.cfg")}
    if host:
        contents["host.conf"] = host.encode()
    tell({recipe.name: "building"})
    with tempfile.TemporaryDirectory(prefix="flowkit-") as folder, memory_files(contents) as files:
        pipe = Path(folder) / "image"
        os.mkfifo(pipe, 0o600)

        def make() -> None:
            processes.run(
                command(settings, pipe, files),
                stdin=sources.apt_sources.reveal(),
                env={**environment, "SOURCE_DATE_EPOCH": str(settings.epoch)},
                on_line=lambda line: _follow(recipe.name, line, tell),
            )

        try:
            image = _take_in(engine, stream(pipe, make), recipe, settings.changes)
        except processes.Interrupted:
            tell({recipe.name: "interrupted"})
            raise
        except ProcessError as error:
            tell({recipe.name: "failed"})
            raise ImageError(
                "the base image could not be built",
                why=next((line for line in reversed(error.log) if line.startswith("E:")), error.why),
                fix="see the lines above: mostly a package source cannot be reached, or lacks the suite",
                log=error.log,
            ) from error
    with translated("the base image cannot be named"):
        engine.api.tag(image, recipe.repository, f"{TAG}{recipe.pin}")
    tell({recipe.name: f"built: {recipe.reference}"})


def stream(pipe: Path, make: Callable[[], None]) -> Iterator[bytes]:
    """What `make` writes into the pipe; ends with its exception if it raises one, so that no half is taken for a whole.

    The pipe is held open as long as `make` runs: mmdebstrap opens its target once to see whether it can be written.
    """
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(pipe, os.O_WRONLY)
    os.set_blocking(reader, True)
    with ThreadPoolExecutor(max_workers=1) as pool:
        made = pool.submit(make)
        made.add_done_callback(lambda _: os.close(writer))
        with os.fdopen(reader, "rb") as file:  # closed early, it ends mmdebstrap by a broken pipe
            while chunk := file.read(1 << 18):
                yield chunk
        made.result()


def _take_in(engine: Engine, archive: Iterator[bytes], recipe: Recipe, changes: Sequence[str]) -> str:
    """The ID of the new image, which has no name yet."""
    labels = (f"LABEL {name}={value}" for name, value in recipe.labels.items())
    with translated("the engine does not take in the base image"):
        answer: str = engine.api.import_image_from_data(archive, changes=[*changes, *labels])
    said = json.loads(answer.strip().splitlines()[-1])
    if "status" not in said:
        raise ImageError("the engine does not take in the base image", why=str(said.get("error", said)))
    return str(said["status"])


def _follow(name: str, line: str, tell: Tell) -> None:
    if line.startswith(SHOWN):
        tell({name: f"building: {line[3:].rstrip('.')}"})
