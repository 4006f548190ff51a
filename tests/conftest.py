"""What a unit test may not do: start programs, speak to other machines, see this account's environment or folder."""

import errno
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from secrets_quickstart import audit, report
from secrets_quickstart.catalog.documents import BY_COMMAND
from tests.documents import require_documented

PACKAGE = Path(__file__).parents[1] / "secrets_quickstart"


@pytest.fixture(autouse=True)
def _alone(request, monkeypatch, tmp_path, tmp_path_factory):
    """Tests marked `swarm` are for the real world."""
    if request.node.get_closest_marker("swarm") is not None:
        return
    for name in set(os.environ) - {"PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", _near(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", _near(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", _known(socket.getaddrinfo))
    own = tmp_path_factory.getbasetemp()
    monkeypatch.setattr(subprocess.Popen, "_execute_child", _own(own, subprocess.Popen._execute_child))  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _documented(monkeypatch):
    """Whatever a command prints as JSON, in whichever test, is as its schema says."""
    for name in ("document", "line"):
        monkeypatch.setattr(report, name, _checked(getattr(report, name)))


def _checked(write):
    def guarded(content):
        command = audit._run.command if audit._run is not None else None
        if command in BY_COMMAND:
            require_documented(command, content)
        write(content)

    return guarded


def _own(folder, execute):
    """Python itself, our own programs, those that a test wrote, and `cat`: this machine has no others."""
    folders = {folder, PACKAGE}

    def guarded(self, argv, *options):
        environment = options[5]
        path = (environment if environment is not None else os.environ).get("PATH", os.defpath)
        found = shutil.which(argv[0], path=path)
        if found not in {None, sys.executable, shutil.which("cat", path=path)} and not folders & {*Path(found).parents}:
            raise FileNotFoundError(errno.ENOENT, "a unit test starts no programs", found)
        return execute(self, argv, *options)

    return guarded


def _near(connect):
    def guarded(self, address):
        if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
            raise AssertionError(f"a unit test speaks to no other machine: {address}")
        return connect(self, address)

    return guarded


def _known(getaddrinfo):
    def guarded(host, *arguments, **options):
        if host and not _is_loopback(host):
            raise AssertionError(f"a unit test asks no name server: {host}")
        return getaddrinfo(host, *arguments, **options)

    return guarded


def _is_loopback(host):
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
