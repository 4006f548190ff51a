"""Where a secret value might show, as text to be searched; no test is here."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import docker.errors

from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.catalog.sources import Alias, FromVariable
from tests.swarm.machine import Machine, engine

PUBLIC = {row.name for row in SECRETS if row.public}
CHOSEN = {row.name for row in SECRETS if isinstance(row.source, FromVariable)}
NO_SECRET = PUBLIC | CHOSEN | {row.name for row in SECRETS if isinstance(row.source, Alias) and row.source.of in CHOSEN}


def values_of(machine: Machine) -> dict[str, str]:
    """Every value that has to stay secret; of a PEM one line from its middle, which a search finds in any quoting."""
    found = {}
    for row in machine.json("secrets.list"):
        name = row["name"]
        if name not in NO_SECRET:
            value = machine.value(name)
            lines = value.splitlines()
            found[name] = lines[len(lines) // 2] if value.startswith("-----BEGIN") else value
    return found


class Watch:
    """Reads the command line and environment of every process, again and again, while something runs."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    for name in ("cmdline", "environ"):
                        try:
                            self._seen.add((process / name).read_bytes())
                        except OSError:
                            continue

    def hits(self, values: Mapping[str, str]) -> list[str]:
        """Names of the values that were seen; there must have been something to see."""
        if len(self._seen) < 20:
            raise AssertionError("the watch saw next to nothing")
        return [name for name, value in values.items() if any(value.encode() in text for text in self._seen)]


def places(machine: Machine) -> Iterator[tuple[str, str]]:
    """Every place to search: its name and its text."""
    yield from _files(machine)
    yield from _docker()
    yield from _processes()


def _files(machine: Machine) -> Iterator[tuple[str, str]]:
    for root in (machine.folder, Path("/var/log"), Path("/tmp")):
        for path in root.rglob("*") if root != Path("/tmp") else root.glob("*"):
            try:
                if path.is_file() and path.stat().st_size < 64 << 20:
                    yield str(path), path.read_bytes().decode("latin-1")
            except FileNotFoundError:
                continue  # it was another test's


def _docker() -> Iterator[tuple[str, str]]:
    api = engine()
    label = {"label": "com.docker.stack.namespace"}
    for service in api.services(filters=label):
        yield f"service {service['Spec']['Name']}", json.dumps(service)
    for task in api.tasks(filters=label):
        yield f"task {task['ID']}", json.dumps(task)
    for item in api.containers(all=True):
        try:
            yield f"container {item['Names']}", json.dumps(api.inspect_container(item["Id"]))
            # not by service: of several tasks with much to say the Engine (20.10) keeps lines back, and never ends
            yield f"log of {item['Names']}", api.logs(item["Id"]).decode("latin-1")
        except docker.errors.NotFound:
            continue  # it was another test's
    for item in api.secrets():
        yield f"secret {item['Spec']['Name']}", json.dumps(item)
    for kind, listed in (("volume", api.volumes()["Volumes"] or ()), ("network", api.networks())):
        for item in listed:
            yield f"{kind} {item['Name']}", json.dumps(item)
    for image in api.images():
        try:
            yield f"image {image['RepoTags']}", json.dumps(api.inspect_image(image["Id"]))
            yield f"history of {image['RepoTags']}", json.dumps(api.history(image["Id"]))
        except docker.errors.NotFound:
            continue  # somebody is building
    yield "info", json.dumps(api.info())


def _processes() -> Iterator[tuple[str, str]]:
    yield "process list", subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
