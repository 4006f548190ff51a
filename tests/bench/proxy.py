"""A proxy in front of the Engine's socket, which notes down every request; it changes none."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str

    @property
    def writes(self) -> bool:
        return self.method not in READING

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@contextmanager
def noting(target: Path, path: Path) -> Iterator[list[Request]]:
    """Listen on the socket `path` and pass everything on to the one at `target`; gives the requests so far."""
    requests: list[Request] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        threading.Thread(target=_accept, args=(listener, target, requests), daemon=True).start()
        try:
            yield requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, target: Path, requests: list[Request]) -> None:
    with contextlib.suppress(OSError):  # when the listener is shut down
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, target, requests), daemon=True).start()


def _serve(client: socket.socket, target: Path, requests: list[Request]) -> None:
    with client, socket.socket(socket.AF_UNIX) as engine, contextlib.suppress(OSError):
        engine.connect(str(target))
        answers = threading.Thread(target=_pass_on, args=(engine, client), daemon=True)
        answers.start()
        with client.makefile("rb") as asked:
            requests.extend(_requests(asked, engine))
        engine.shutdown(socket.SHUT_WR)
        answers.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _requests(asked: BinaryIO, engine: socket.socket) -> Iterator[Request]:
    """Every request of one connection, noted before it is passed on whole."""
    while first := asked.readline():
        method, path, _ = first.decode("latin-1").split(" ", 2)
        yield Request(method, path)
        head, headers = [first], dict[str, str]()
        while (line := asked.readline()).strip():
            head.append(line)
            name, _, text = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = text.strip().lower()
        engine.sendall(b"".join([*head, line]))
        if "upgrade" in headers:  # from here on it is no longer HTTP
            while data := asked.read1(65536):  # type: ignore[attr-defined]
                engine.sendall(data)
        elif headers.get("transfer-encoding") == "chunked":
            _pass_chunks(asked, engine)
        else:
            engine.sendall(asked.read(int(headers.get("content-length", "0"))))


def _pass_chunks(asked: BinaryIO, engine: socket.socket) -> None:
    while True:
        size = asked.readline()
        length = int(size.split(b";")[0], 16)
        engine.sendall(size + asked.read(length + 2))
        if length == 0:
            return
