"""Debian's docker-registry on loopback; no test is here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.swarm.machine import OURS

PASSWORD = 'pu ll"er\\1'
USER = "puller"


@contextmanager
def two_doors() -> Iterator[tuple[str, str]]:
    """Addresses of two doors to one store: an open one, and one that wants USER and PASSWORD."""
    program = shutil.which("docker-registry") or pytest.fail("apt-get install docker-registry apache2-utils")
    htpasswd = shutil.which("htpasswd") or pytest.fail("apt-get install apache2-utils")
    folder = Path(tempfile.mkdtemp())
    users = subprocess.run([htpasswd, "-niB", USER], input=PASSWORD, capture_output=True, text=True, check=True).stdout
    (folder / "users").write_text(users)
    started: list[subprocess.Popen[bytes]] = []
    addresses: list[str] = []
    for auth in ("", f"auth: {{htpasswd: {{realm: x, path: {folder}/users}}}}\n"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        configuration = folder / f"{len(started)}.yml"
        configuration.write_text(
            f"version: 0.1\nhttp: {{addr: '{address}'}}\n{auth}"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        )
        started.append(
            subprocess.Popen(
                [program, "serve", configuration],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "FLOWKIT_STACK": f"{OURS}registry"},  # by which it is known if nobody ends it
            )
        )
        addresses.append(address)
    for address in addresses:
        host, port = address.split(":")
        for _ in range(100):
            with suppress(OSError):
                socket.create_connection((host, int(port))).close()
                break
            time.sleep(0.1)
    yield addresses[0], addresses[1]
    for process in started:
        process.terminate()
        process.wait()
    shutil.rmtree(folder)
