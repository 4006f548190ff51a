"""FlowAuth's image with its database and redis on a network of their own; no test is here.

Takes the newest local images whose repositories end in /flowauth, /postgres and /redis, unless the variables
FLOWAUTH_IMAGE, POSTGRES_IMAGE and REDIS_IMAGE name others.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from flowapi import specification
from tests.swarm.eventually import eventually

SCHEMAS = Path(__file__).parents[2] / "data" / "flowmachine_query_schemas_1.34.json"
DB_PASSWORD = "p@s:s/w#r%d?& {}\\x"
REDIS_PASSWORD = "redis password"
ADMIN, ADMIN_PASSWORD = "admin", "correct horse battery staple!"
USER_PASSWORD = "sixteen violet umbrellas dancing"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
LATEST = "2099-12-31T23:59:59.0Z"


def openapi(name: str = "toy_api") -> dict[str, Any]:
    """A FlowAPI's specification with every scope of FlowMachine 1.34."""
    return specification.document(json.loads(SCHEMAS.read_text())["query_schemas"], name)


def scopes_of(document: dict[str, Any]) -> list[str]:
    found: list[str] = document["components"]["securitySchemes"]["token"]["x-security-scopes"]
    return found


def newest_image(engine: docker.DockerClient, name: str) -> str:
    if named := os.environ.get(f"{name.upper()}_IMAGE"):
        return named
    tagged = [
        (image.attrs["Created"], tag)
        for image in engine.images.list()
        for tag in image.tags
        if tag.split(":")[0].endswith(f"/{name}") and not tag.startswith("flowminder/")
    ]
    if not tagged:
        pytest.fail(f"no local image of {name}: build it first, or name one in {name.upper()}_IMAGE")
    return max(tagged)[1]


class Person(httpx.Client):
    """Somebody at one replica, who keeps the cookies and sends the CSRF token."""

    def __init__(self, url: str) -> None:
        super().__init__(base_url=url, timeout=30, event_hooks={"request": [self._add_token]})

    def _add_token(self, request: httpx.Request) -> None:
        if token := self.cookies.get("X-CSRF"):
            request.headers.setdefault("X-CSRF-Token", token)

    def sign_in(self, name: str = ADMIN, password: str = ADMIN_PASSWORD, **more: str) -> httpx.Response:
        return self.post("/signin", json={"username": name, "password": password, **more})


class Deployment:
    def __init__(self, folder: Path) -> None:
        self.engine = docker.from_env()
        self.images = {name: newest_image(self.engine, name) for name in ("flowauth", "postgres", "redis")}
        self.network = self.engine.networks.create(f"flowauth-test-{uuid.uuid4().hex[:8]}")
        self.containers: list[Any] = []
        self.replicas: list[Any] = []
        self.urls: list[str] = []
        self.redis: Any = None
        self.postgres: Any = None
        self.secrets = folder / "secrets"
        self._write_secrets()

    def _write_secrets(self) -> None:
        pem = KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        self.secrets.mkdir()
        for name, value in {
            "FLOWAUTH_ADMIN_USER": ADMIN,
            "FLOWAUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "FLOWAUTH_DB_PASSWORD": DB_PASSWORD,
            "FLOWAUTH_FERNET_KEY": Fernet.generate_key().decode(),
            "SECRET_KEY": uuid.uuid4().hex,
            "FLOWAUTH_REDIS_PASSWORD": REDIS_PASSWORD,
            "PRIVATE_JWT_SIGNING_KEY": pem.decode(),
        }.items():
            (self.secrets / name).write_text(f"{value}\n")
        for folder in (self.secrets, *self.secrets.parents):  # for a uid that is not ours
            if folder.stat().st_uid == os.getuid():
                folder.chmod(folder.stat().st_mode | 0o011)
        self.secrets.chmod(0o755)
        for file in self.secrets.iterdir():
            file.chmod(0o444)

    def start(self, name: str, image: str, command: Any = None, **more: Any) -> Any:
        volumes = [f"{self.secrets}:/run/secrets:ro", *more.pop("volumes", [])]
        container = self.engine.containers.create(image, command, network=None, volumes=volumes, **more)
        self.containers.append(container)
        self.network.connect(container, aliases=[name])
        container.start()
        return container

    def start_postgres(self, name: str = "flowauth_postgres") -> Any:
        return self.start(
            name,
            self.images["postgres"],
            environment={
                "POSTGRES_USER": "flowauth",
                "POSTGRES_PASSWORD_FILE": "/run/secrets/FLOWAUTH_DB_PASSWORD",
            },
        )

    def start_redis(self) -> Any:
        return self.start("flowauth_redis", self.images["redis"], ["redis-server", "--requirepass", REDIS_PASSWORD])

    def start_flowauth(self, database: str = "flowauth_postgres", **environment: str) -> Any:
        return self.start(
            "flowauth",
            self.images["flowauth"],
            environment={
                "DB_URI": f"postgresql://flowauth:{{}}@{database}:5432/flowauth",
                "FLOWAUTH_CACHE_BACKEND": "redis",
                "FLOWAUTH_REDIS_HOST": "flowauth_redis",
                "FLOWAUTH_LOG_LEVEL": "info",
                **environment,
            },
            user="1234:1234",
            read_only=True,
            cap_drop=["ALL"],
            ports={"80/tcp": ("127.0.0.1", None)},
        )

    def url(self, container: Any) -> str:
        container.reload()
        bound = container.attrs["NetworkSettings"]["Ports"]["80/tcp"]
        url = f"http://localhost:{bound[0]['HostPort']}"
        eventually(lambda: httpx.get(f"{url}/version").status_code == 200)
        return url

    def close(self) -> None:
        for container in self.containers:
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True, v=True)
        self.network.remove()
        self.engine.close()


@contextlib.contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    made = Deployment(folder)
    try:
        yield made
    finally:
        made.close()


def add_server(admin: Person, name: str, **more: Any) -> int:
    body = {"name": name, "latest_token_expiry": LATEST, "longest_token_life_minutes": 2880, **more}
    answer = admin.post("/admin/servers", json={"scopes": scopes_of(openapi()), **body})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def add_user(admin: Person, name: str, **more: Any) -> int:
    answer = admin.post("/admin/users", json={"username": name, "password": USER_PASSWORD, "is_admin": False, **more})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def add_role(admin: Person, server: int, name: str, users: list[int], **more: Any) -> dict[str, Any]:
    ids = [scope["id"] for scope in admin.get(f"/admin/servers/{server}/scopes").json()]
    body = {"name": name, "server_id": server, "scopes": ids, "users": users}
    limits = {"latest_token_expiry": LATEST, "longest_token_life_minutes": 2880}
    answer = admin.post("/roles/", json={**body, **limits, **more})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made
