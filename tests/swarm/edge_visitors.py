"""Who comes to the edge of a deployed FlowAuth, and what they are shown; no test is here."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import httpx
from cryptography import x509

from tests.swarm.machine import containers

STACK = "selftest-edge"
HTTPS, HTTP = 22243, 22280
NAME = "flowauth.example.org"


def trust(authority: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority)
    return context


def served(context: ssl.SSLContext, name: str = NAME) -> x509.Certificate:
    """The certificate that the edge shows to whoever asks for that name; raises OSError if it is not believed."""
    with (
        socket.create_connection(("127.0.0.1", HTTPS), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as shown,
    ):
        return x509.load_der_x509_certificate(shown.getpeercert(binary_form=True) or b"")


def client(context: ssl.SSLContext, name: str = NAME) -> httpx.Client:
    """People's way to FlowAuth, by that name, though this machine knows it not."""
    return httpx.Client(
        transport=_Here(verify=context), base_url=f"https://{name}:{HTTPS}", timeout=60, follow_redirects=False
    )


class _Here(httpx.HTTPTransport):
    """Every name is this machine."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        here = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return super().handle_request(here)


def log(service: str) -> str:
    done = subprocess.run(
        ["docker", "service", "logs", "--raw", f"{STACK}_{service}"], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def docker(*words):
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr)
    return done.stdout


def running(service: str) -> list[str]:
    label = "com.docker.swarm.service.name"
    return [item["Id"] for item in containers(STACK) if item["Config"]["Labels"][label] == f"{STACK}_{service}"]


@dataclass
class Visitor:
    """Somebody who has signed in, and uses FlowAuth without a pause."""

    context: ssl.SSLContext
    password: str
    seen: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._client = client(self.context)
        signed_in = self._client.post("/signin", json={"username": "admin", "password": self.password})
        signed_in.raise_for_status()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _look(self) -> None:
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                self.seen[str(self._client.get("/is_signed_in").status_code)] += 1
            except httpx.HTTPError as problem:
                self.seen[repr(problem)] += 1
            self.slowest = max(self.slowest, time.monotonic() - start)
