"""Stack files as `docker stack deploy` reads them: interpolated, parsed, compared with what runs.  Deploys nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from secrets_quickstart.errors import SettingsError
from secrets_quickstart.swarm.services import Service

VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>[_a-zA-Z][_a-zA-Z0-9]*)|"
    r"\{(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)(?:(?P<kind>:?[-?])(?P<text>[^}]*))?\})"
)
"""What the client replaces; it knows no variable within a default (20.10.24, tried)."""

SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[kmgtp]?)(?:i?b)?")


@dataclass(frozen=True)
class StackFile:
    """One file of `compose/`."""

    path: Path

    @cached_property
    def text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            why = getattr(problem, "strerror", None) or "it is not UTF-8"
            raise self._unusable(why) from None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def inputs_variable(self) -> str:
        """Holds the digest of all that went into the file's services, as their label."""
        return f"{self.name.upper()}_INPUTS"

    def variables(self) -> set[str]:
        """Every variable that the file speaks of, passed on or interpolated."""
        named = {found["name"] or found["plain"] for found in VARIABLE.finditer(self.text)} - {None}
        passed = {
            name
            for service in self._parsed(self.text)["services"].values()
            for name, value in _environment(service).items()
            if value is None
        }
        return named | passed

    def resolved(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """The file with its variables filled in; raises SettingsError for one that is required and missing."""
        content = self._parsed(interpolated(self.text, environment))
        for service in content["services"].values():
            service["environment"] = {
                name: environment.get(name) if value is None else _plain(value)
                for name, value in _environment(service).items()
                if value is not None or name in environment
            }
        return content

    def digest(self, environment: Mapping[str, str]) -> str:
        """The same for the same file and variables, whatever else is in the environment."""
        without = {name: value for name, value in environment.items() if name != self.inputs_variable}
        text = json.dumps(self.resolved(without), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _parsed(self, text: str) -> dict[str, Any]:
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            content: object = yaml.load(text, Loader=loader)  # noqa: S506  # both are safe loaders
        except yaml.MarkedYAMLError as problem:
            mark = problem.problem_mark
            where = f" in line {mark.line + 1}" if mark is not None else ""
            raise self._unusable(f"{problem.problem or 'it is no YAML'}{where}") from None
        except yaml.YAMLError:
            raise self._unusable("it is no YAML") from None
        services = content.get("services") if isinstance(content, dict) else None
        entries = list(services.values()) if isinstance(services, dict) else []
        whole = all(isinstance(entry, dict) and isinstance(entry.get("image"), str) for entry in entries)
        if not isinstance(content, dict) or not entries or not whole:
            raise self._unusable("it has no services with an image each")
        return content

    def _unusable(self, why: str) -> SettingsError:
        return SettingsError(
            f"{self.path} cannot be used", why=why, fix=f"mend it, or bring it back: git checkout {self.path}"
        )


def interpolated(text: str, environment: Mapping[str, str]) -> str:
    """The text with `${NAME}`, `${NAME:-default}` and `${NAME:?message}` replaced as the docker client does it."""

    def replace(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        name = found["name"] or found["plain"]
        kind = found["kind"] or ""
        value = environment.get(name)
        missing = value is None or (kind.startswith(":") and not value)
        if missing and kind.endswith("?"):
            raise SettingsError(
                f"{name} has no value", why=found["text"] or "a stack file needs it", fix=f"set {name} in .env"
            )
        if missing and kind.endswith("-"):
            return str(found["text"])
        return value or ""

    return VARIABLE.sub(replace, text)


def differences(wanted: Mapping[str, Any], secrets: Mapping[str, Any], service: Service, stack: str) -> Iterator[str]:
    """How a running service differs from its entry in a resolved stack file, in words.

    What is compared is what an operator chooses: image, replicas, environment, secrets, memory, ports, placement.
    """
    if wanted["image"] != service.image:
        yield f"image {service.image} becomes {wanted['image']}"
    deploy = wanted.get("deploy", {})
    replicas = int(deploy.get("replicas", 1))
    if service.replicas is not None and replicas != service.replicas:
        yield f"replicas {service.replicas} become {replicas}"
    limit = size(deploy.get("resources", {}).get("limits", {}).get("memory", 0))
    running_limit = ((service.spec["TaskTemplate"].get("Resources") or {}).get("Limits") or {}).get("MemoryBytes", 0)
    if limit != running_limit:
        yield f"memory limit {running_limit or 'none'} becomes {limit or 'none'}"
    yield from _changed("variable", _running_environment(service), wanted["environment"])
    names = {name: str(secrets[name].get("name", f"{stack}_{name}")) for name in _secret_sources(wanted)}
    mounted = {_target(entry): names[_source(entry)] for entry in wanted.get("secrets", ())}
    yield from _changed("secret", service.secret_names, mounted)
    ports = {str(port["target"]): str(port["published"]) for port in wanted.get("ports", ())}
    running_ports = {str(port["TargetPort"]): str(port.get("PublishedPort", "")) for port in service.ports}
    yield from _changed("port", running_ports, ports)
    constraints = sorted(deploy.get("placement", {}).get("constraints", ()))
    running_constraints = sorted((service.spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or ())
    if constraints != running_constraints:
        yield f"placement {', '.join(running_constraints)} becomes {', '.join(constraints)}"


def size(text: str | int) -> int:
    """Bytes, as the docker client reads `18GB`, `512m` or `0`: with binary units, whatever they are called."""
    found = SIZE.fullmatch(str(text).strip().lower())
    if found is None:
        raise SettingsError(f"{text} is no size", why="a stack file gives it as one", fix="write it like 512MB or 16GB")
    return int(float(found["number"]) * 1024 ** " kmgtp".index(found["unit"] or " "))


def _changed(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{kind} {name}: {old.get(name, 'not set')} becomes {new.get(name, 'not set')}"


def _running_environment(service: Service) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in service.container.get("Env") or ())
    return {name: value for name, mark, value in pairs if mark}


def _environment(service: Mapping[str, Any]) -> dict[str, Any]:
    given = service.get("environment") or {}
    if isinstance(given, list):
        pairs = (entry.partition("=") for entry in given)
        return {name: value if mark else None for name, mark, value in pairs}
    return dict(given)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _source(entry: Any) -> str:
    return str(entry if isinstance(entry, str) else entry["source"])


def _target(entry: Any) -> str:
    return str(entry if isinstance(entry, str) else entry.get("target", entry["source"]))


def _secret_sources(wanted: Mapping[str, Any]) -> set[str]:
    return {_source(entry) for entry in wanted.get("secrets", ())}
