"""Official images: asked for, pinned by digest and pulled, all through the engine, which knows its registries.

What is deployed names `repository:tag@digest`, so that every node runs the same bytes and a tag that is pushed anew
changes nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secrets_quickstart.catalog.images import Image
from secrets_quickstart.errors import ImageError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.swarm.engine import Engine, translated

ANSWER_WITHIN = 5
"""Seconds for the registry to say what a tag stands for; the engine itself would try for half a minute."""

LOGIN_FOLDER = Path(__file__).with_name("registry_login")


class LoginRefused(ImageError):
    """The registry does not accept who we say we are, or we cannot say it."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in to the private registry."""

    user: str
    password_file: Path
    """The password, with or without a newline at the end."""

    def password(self) -> Sensitive:
        """Raises LoginRefused when the file cannot be read or is empty."""
        try:
            password = self.password_file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise LoginRefused(
                "the registry's password cannot be read",
                why=f"{self.password_file}: {getattr(error, 'strerror', None) or 'it is not text'}",
                fix="correct FLOWKIT_REGISTRY_PASSWORD_FILE in .env",
            ) from None
        if not password:
            raise LoginRefused(
                f"the registry's password file {self.password_file} is empty", fix="write the password into it"
            )
        return Sensitive(password)


@dataclass(frozen=True, slots=True)
class Official:
    """One official image, at the digest that its tag stands for."""

    image: Image
    repository: str
    tag: str
    digest: str

    @property
    def reference(self) -> str:
        """As it is deployed."""
        return f"{self.repository}:{self.tag}@{self.digest}"

    @property
    def held_as(self) -> str:
        """As the engine lists it once it is pulled."""
        return f"{self.repository}@{self.digest}"


def repository(image: Image, prefix: str) -> str:
    """`prefix` is a registry, or "" for the engine's own."""
    return f"{prefix.rstrip('/')}/{image.official}" if prefix else image.official


def host(repository: str) -> str:
    """The registry of a repository, as docker's logins name it."""
    import docker.auth

    index, _ = docker.auth.resolve_repository_name(repository)
    return str(docker.auth.INDEX_URL if index == docker.auth.INDEX_NAME else index)


def variables(chosen: Iterable[Official]) -> dict[str, str]:
    """What the stack files need in order to name these images."""
    found: dict[str, str] = {}
    for one in chosen:
        found |= {
            one.image.variable: one.repository,
            one.image.tag_variable: one.tag,
            one.image.pin_variable: f"@{one.digest}",
        }
    return found


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry behind one prefix, by way of one engine."""

    engine: Engine
    prefix: str = ""
    account: Account | None = None
    """None: what `docker login` left behind, if anything."""

    def official(self, image: Image, tag: str, within: float = ANSWER_WITHIN) -> Official:
        """What the tag stands for now; raises ImageError when the registry does not say so within that many seconds."""
        import docker.auth
        import requests.exceptions

        name = repository(image, self.prefix)
        reference = f"{name}:{tag}"
        login = self._login(name)
        headers = {"X-Registry-Auth": docker.auth.encode_header(login).decode()} if login else {}
        api = self.engine.api
        try:
            answer = api.get(
                f"{api.base_url}/v{api.api_version}/distribution/{reference}/json", headers=headers, timeout=within
            )
        except requests.exceptions.Timeout:
            raise ImageError(
                f"the registry does not answer for {reference}", why=f"nothing came for {within:g} s", fix=UNREACHED_FIX
            ) from None
        except requests.exceptions.RequestException as error:
            raise ImageError(f"{reference} cannot be asked for", why="the engine does not answer") from error
        if answer.status_code != 200:
            raise refusal(reference, answer.status_code, _message(answer))
        return Official(image, name, tag, str(answer.json()["Descriptor"]["digest"]))

    def pull(self, reference: str, tell: Callable[[str], None]) -> None:
        """Pull `repository:tag@digest` and give it its tag here; `tell` is told how far it is.  Raises ImageError."""
        name, _, digest = reference.partition("@")
        repository_name, _, tag = name.rpartition(":")
        progress = Amount()
        with translated(f"{reference} cannot be pulled"):
            events = self.engine.api.pull(
                repository_name,
                tag=digest,
                stream=True,
                decode=True,
                auth_config=self._login(repository_name) or None,
            )
            for event in events:
                if "error" in event:
                    raise refusal(reference, 0, str(event["error"]))
                if progress.take(event):
                    tell(str(progress))
            self.engine.api.tag(f"{repository_name}@{digest}", repository_name, tag)

    @property
    def has_login(self) -> bool:
        """Whether the nodes will need a login in order to pull from it."""
        return bool(self._login(self.prefix + "/x" if self.prefix else "x"))

    def client_environment(self, path: str) -> dict[str, str]:
        """What makes the docker command line log in as the account; empty when there is none.  Holds no secret.

        `path` is the PATH that it has.
        """
        if self.account is None:
            return {}
        return {
            "PATH": f"{LOGIN_FOLDER}:{path}",
            "DOCKER_CONFIG": str(LOGIN_FOLDER),
            "FLOWKIT_REGISTRY_HOST": host(f"{self.prefix}/x" if self.prefix else "x"),
            "FLOWKIT_REGISTRY_USER": self.account.user,
            "FLOWKIT_REGISTRY_PASSWORD_FILE": str(self.account.password_file),
        }

    def _login(self, name: str) -> dict[str, Any]:
        """The SDK's words for who logs in; {} for nobody."""
        import docker.auth
        import docker.errors

        if self.account is not None:
            return {"username": self.account.user, "password": self.account.password().text()}
        index, _ = docker.auth.resolve_repository_name(name)
        try:
            return dict(docker.auth.load_config().resolve_authconfig(index) or {})
        except docker.errors.DockerException as error:
            raise ImageError(
                "docker's stored logins cannot be read", why=str(error), fix="see ~/.docker/config.json"
            ) from None


UNREACHED_FIX = "see whether this machine reaches the registry, or set FLOWKIT_IMAGES=local in .env"

REFUSALS = (
    (("unauthorized", "authentication required", "no basic auth", "denied"), "the registry wants a login"),
    (("manifest unknown", "name unknown", "not found"), "the registry does not have it"),
    (
        ("no such host", "name resolution", "dial tcp", "timeout", "timed out", "connection refused", "EOF", "lookup"),
        "the registry cannot be reached",
    ),
    (("x509", "certificate", "HTTP response to HTTPS"), "its certificate is not trusted by the engine"),
)

FIXES = {
    "the registry wants a login": "correct FLOWKIT_REGISTRY_USER and FLOWKIT_REGISTRY_PASSWORD_FILE in .env",
    "the registry does not have it": "correct FLOWKIT_REGISTRY and CONTAINER_TAG in .env, or set FLOWKIT_IMAGES=local",
    "the registry cannot be reached": UNREACHED_FIX,
    "its certificate is not trusted by the engine": "give its CA to the engine: /etc/docker/certs.d/HOST:PORT/ca.crt",
}


def refusal(reference: str, status: int, said: str) -> ImageError:
    """The engine's words about a registry, understood."""
    meaning = next((meaning for marks, meaning in REFUSALS if any(mark in said for mark in marks)), "")
    if not meaning and status in {401, 403}:
        meaning = REFUSALS[0][1]
    kind = LoginRefused if meaning == REFUSALS[0][1] else ImageError
    return kind(
        f"{reference} cannot be had",
        why=f"{meaning}: {said}" if meaning else said or f"status {status}",
        fix=FIXES.get(meaning, UNREACHED_FIX),
    )


def _message(answer: Any) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError):
        return str(answer.text)[:200]


class Amount:
    """How much of a pull is here, from the engine's events; layers appear as they are found."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._shown = -1

    def take(self, event: Mapping[str, Any]) -> bool:
        """Take in an event; True when there is something new to say: at every tenth."""
        detail = event.get("progressDetail") or {}
        if event.get("status") == "Downloading" and detail.get("total"):
            self._layers[event["id"]] = (int(detail["current"]), int(detail["total"]))
        elif event.get("status") == "Download complete" and event.get("id") in self._layers:
            total = self._layers[event["id"]][1]
            self._layers[event["id"]] = (total, total)
        tenth = self._here * 10 // self._all if self._all else -1
        changed, self._shown = tenth != self._shown, tenth
        return changed

    @property
    def _here(self) -> int:
        return sum(here for here, _ in self._layers.values())

    @property
    def _all(self) -> int:
        return sum(total for _, total in self._layers.values())

    def __str__(self) -> str:
        return f"pulling: {self._here / 1e6:.0f} of {self._all / 1e6:.0f} MB"
