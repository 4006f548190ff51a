"""Local images: what each is made of, what it is therefore called, and which of them the engine holds.

How they are built is `building`; where official ones come from is `registry`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secrets_quickstart.catalog.images import BY_NAME, Image
from secrets_quickstart.errors import ImageError
from secrets_quickstart.swarm.engine import Engine, translated

PREFIX = "flowkit"
"""What local repositories begin with."""

TAG = "local"
NAME_LABEL = "org.flowkit.image"
INPUTS_LABEL = "org.flowkit.inputs"

METHOD = "1"
"""Part of every image's inputs: change it when images built by `building` come out differently."""

SHOWN = 12
"""Hexadecimal digits of the inputs' hash in a reference."""

NOT_INPUTS = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"})


def is_local(reference: str) -> bool:
    """Whether an image is one of ours by its name."""
    return reference.startswith(f"{PREFIX}/")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that goes into a build."""

    name: str
    executable: bool
    content: bytes

    @property
    def mode(self) -> int:
        """Not the file's own: a checkout's umask shall not make another image."""
        return 0o755 if self.executable else 0o644


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a local image depends on."""

    image: Image
    entries: tuple[Entry, ...]
    inputs: str
    """SHA-256 over the entries, the base's inputs and how images are built."""

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def repository(self) -> str:
        return f"{PREFIX}/{self.image.name}"

    @property
    def pin(self) -> str:
        return f"-{self.inputs[:SHOWN]}"

    @property
    def reference(self) -> str:
        return f"{self.repository}:{TAG}{self.pin}"

    @property
    def labels(self) -> dict[str, str]:
        labels = {NAME_LABEL: self.name, INPUTS_LABEL: self.inputs, "org.opencontainers.image.title": self.repository}
        if self.image.tag_variable == "CONTAINER_TAG":
            labels["org.opencontainers.image.version"] = self.image.tag
        return labels

    def content(self, name: str) -> bytes:
        """One of the files; raises ImageError when it is not there."""
        for entry in self.entries:
            if entry.name == name:
                return entry.content
        raise ImageError(f"images/{self.name}/{name} is missing", fix="restore it: git checkout images")

    def context(self) -> bytes:
        """The entries as a tar archive, the same bytes for the same inputs: exactly what was hashed is built."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for entry in self.entries:
                member = tarfile.TarInfo(entry.name)
                member.size, member.mode = len(entry.content), entry.mode
                archive.addfile(member, io.BytesIO(entry.content))
        return buffer.getvalue()


def recipes(folder: Path, names: Iterable[str]) -> dict[str, Recipe]:
    """The recipes of these images and of what they are built on, a base before what stands on it.

    Raises ImageError for an image that has no folder under `folder`.
    """
    found: dict[str, Recipe] = {}
    for name in names:
        _add(folder, name, found)
    return found


def _add(folder: Path, name: str, found: dict[str, Recipe]) -> None:
    if name in found:
        return
    image = BY_NAME.get(name)
    if image is None:
        raise ImageError(f"there is no local image {name}", fix=f"choose among {', '.join(BY_NAME)}")
    if image.built_on is not None:
        _add(folder, image.built_on, found)
    base = found[image.built_on].inputs if image.built_on is not None else ""
    entries = tuple(_entries(folder / name))
    if not entries:
        raise ImageError(f"the folder {folder / name} is missing or empty", fix="restore it: git checkout images")
    found[name] = Recipe(image, entries, _hash(entries, base))


def _entries(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not NOT_INPUTS.intersection(name.parts) and path.suffix != ".pyc":
            yield Entry(name.as_posix(), bool(path.stat().st_mode & 0o100), path.read_bytes())


def _hash(entries: Sequence[Entry], base: str) -> str:
    digest = hashlib.sha256()
    for part in (METHOD, platform.machine(), base):
        digest.update(json.dumps(part).encode())
    for entry in entries:
        digest.update(json.dumps([entry.name, entry.mode, len(entry.content)]).encode())
        digest.update(entry.content)
    return digest.hexdigest()


def variables(recipes: Iterable[Recipe]) -> dict[str, str]:
    """What the stack files need in order to name these images."""
    chosen: dict[str, str] = {}
    for recipe in recipes:
        if recipe.image.tag_variable:
            chosen |= {
                recipe.image.variable: recipe.repository,
                recipe.image.tag_variable: TAG,
                recipe.image.pin_variable: recipe.pin,
            }
    return chosen


def held(engine: Engine) -> frozenset[str]:
    """Every reference under which the engine holds an image: by tag and by digest."""
    with translated("the engine's images cannot be listed"):
        images: list[dict[str, Any]] = engine.api.images()
    return frozenset(name for image in images for key in ("RepoTags", "RepoDigests") for name in image.get(key) or ())


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image that was built here, whether or not it is the current one."""

    name: str
    reference: str
    size: int
    """Bytes, layers shared with other images included."""
    created: int
    """Seconds since 1970."""


def built(engine: Engine) -> list[LocalImage]:
    """The engine's images that are ours, by name."""
    with translated("the engine's images cannot be listed"):
        images: list[dict[str, Any]] = engine.api.images(filters={"label": NAME_LABEL})
    return sorted(
        (
            LocalImage(image["Labels"][NAME_LABEL], reference, image["Size"], image["Created"])
            for image in images
            for reference in image.get("RepoTags") or ()
            if is_local(reference)
        ),
        key=lambda image: (image.name, image.reference),
    )


def in_use(engine: Engine) -> frozenset[str]:
    """References by which containers, running or not, and services were made: none of them may lose its name."""
    with translated("containers and services cannot be listed"):
        containers: list[dict[str, Any]] = engine.api.containers(all=True)
        found: list[dict[str, Any]] = engine.api.services() if engine.membership().usable else []
    specs = (service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] for service in found)
    return frozenset((*(container["Image"] for container in containers), *specs))


def remove(engine: Engine, reference: str) -> None:
    """Remove one; nothing happens when it is gone already."""
    import docker.errors

    with translated(f"{reference} cannot be removed"), suppress(docker.errors.ImageNotFound):
        engine.api.remove_image(reference)


def save(engine: Engine, references: Sequence[str], path: Path) -> int:
    """Write the images to one file, compressed, for `load` elsewhere; returns its size in bytes.

    The file appears when it is whole; one of that name is replaced then.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    with translated("the images cannot be saved"):
        url = f"{engine.api.base_url}/v{engine.api.api_version}/images/get"
        answer = engine.api.get(url, params={"names": list(references)}, stream=True)
        if answer.status_code == 404:
            raise ImageError("the images cannot be saved", why=answer.json()["message"], fix="invoke images.build")
        answer.raise_for_status()
        try:
            with answer, gzip.open(unfinished, "wb", compresslevel=1) as stream:
                for chunk in answer.iter_content(1 << 20):
                    stream.write(chunk)
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise ImageError(
                f"{path} cannot be written", why=error.strerror or str(error), fix="choose another place"
            ) from error
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    return path.stat().st_size


def load(engine: Engine, path: Path) -> list[str]:
    """Take in what `save` wrote; returns the references."""
    try:
        stream = path.open("rb")
    except OSError as error:
        why = error.strerror or str(error)
        raise ImageError(f"{path} cannot be read", why=why, fix="name a file of images.save") from error
    with stream, translated(f"the engine refuses the images of {path}"):
        loaded = engine.client.images.load(stream)
    return sorted(tag for image in loaded for tag in image.tags)


def digests_of(engine: Engine, reference: str) -> list[str]:
    """`repository@digest` of an image that the engine holds, for every registry it came from."""
    with translated(f"the image {reference} cannot be looked at"):
        return list(engine.api.inspect_image(reference).get("RepoDigests") or ())
