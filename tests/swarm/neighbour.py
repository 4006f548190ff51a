"""A deployment beside that of the smoke test: its own ports, its own hosts file; no test is here."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.swarm.machine import Ended, Machine, objects
from tests.swarm.machine import ports as published

ENGINE = "/var/run/docker.sock"
KINDS = ("services", "tasks", "secrets", "networks", "volumes")


@contextmanager
def neighbour(where: Path, stack: str, ports: int = 27000, **variables: str) -> Iterator[Machine]:
    """Nothing deployed in `where`, which is made; purged at the end.  Ports are counted from `ports`."""
    where.mkdir(exist_ok=True)
    hosts = where / "hosts"
    hosts.write_text("127.0.0.1\tlocalhost\n")
    made = Machine.make(
        where,
        stack,
        **{
            **published(ports),
            "FLOWKIT_HOSTS_FILE": str(hosts),
            "FLOWKIT_DATA_NODE_LABEL": stack,  # which no purge of another takes away
            "FLOWKIT_IMAGES": "local",  # nobody has to be asked for them
            **variables,
        },
    )
    try:
        yield made
    finally:
        made.invoke("purge", "--stack", stack, expect=None)


def is_untouched(machine: Machine) -> bool:
    """Whether nothing of the stack is in the swarm."""
    found = objects(machine.stack)
    return not any(found[kind] for kind in KINDS)


def watched(
    machine: Machine, *arguments: str, when: Callable[[str], bool], do: Callable[[subprocess.Popen[bytes]], None],
    **variables: str,
) -> Ended:  # fmt: skip
    """Run `invoke ...` to its end, and do something when it says the first line for which `when` holds."""
    lines: list[str] = []
    done = False
    with machine.start(*arguments, stdin=None, **variables) as process:
        for raw in process.stderr or ():
            lines.append(raw.decode().rstrip())
            if not done and when(lines[-1]):
                done = True
                do(process)
        out = process.stdout.read().decode() if process.stdout else ""
    if not done:
        raise AssertionError("the moment did not come:\n" + "\n".join(lines))
    return Ended(process.returncode, out, "\n".join(lines))


def mistake(ended: Ended) -> str:
    """What a failed command says, after seeing that it says it as it should."""
    if "Traceback" in ended.stderr or "fix: " not in ended.stderr:
        raise AssertionError(ended.stderr)
    return ended.stderr


class Cable:
    """A socket that leads to the engine as long as it is not cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    def connect(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Nobody is let in any more, and who is in the middle of something hears no more of it."""
        if self._listener is not None:
            self._shut(self._listener)
        self.path.unlink(missing_ok=True)
        for end in list(self._ends):
            self._shut(end)
        self._ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.socket(socket.AF_UNIX)
                there.connect(ENGINE)
                self._ends |= {here, there}
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 16):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _shut(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
