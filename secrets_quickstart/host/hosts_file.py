"""The hosts file: a block of ours among somebody else's lines, as bytes; not which names are in it.

The file is written in place: in a container it is a bind mount, which no other file can take the place of.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from secrets_quickstart.errors import HostError

OWNER = "flowkit-quickstart"


def lines_for(entries: Mapping[str, str]) -> tuple[str, ...]:
    """The lines that give each name its address, one for each address."""
    names: dict[str, list[str]] = {}
    for name, address in entries.items():
        names.setdefault(address, []).append(name)
    return tuple(f"{address}\t{' '.join(of_it)}" for address, of_it in names.items())


def with_entries(content: bytes, stack: str, entries: Mapping[str, str]) -> bytes:
    """The file with exactly these names (name to address) in the stack's block; every other byte stays.

    A new block goes to the end and ends as the file did, with a line break or without, which is how
    `without_entries` knows what to take away again.  Raises HostError if the block's markers do not pair.
    """
    if not entries:
        return without_entries(content, stack)
    found = _block(content, stack)
    if found is None:
        newline = b"\r\n" if b"\r\n" in content else b"\n"
        open_end = not content.endswith(b"\n") and content != b""
        start, end = len(content), len(content)
        lead = newline if open_end else b""
    else:
        start, end = found
        newline = b"\r\n" if content[start:end].split(b"\n", 1)[0].endswith(b"\r") else b"\n"
        open_end = not content[:end].endswith(b"\n")
        lead = b""
    lines = [_marker("BEGIN", stack), *(line.encode() for line in lines_for(entries)), _marker("END", stack)]
    block = newline.join(lines) + (b"" if open_end else newline)
    return content[:start] + lead + block + content[end:]


def without_entries(content: bytes, stack: str) -> bytes:
    """The file without the stack's block, as it was before.  Raises HostError if the markers do not pair."""
    found = _block(content, stack)
    if found is None:
        return content
    start, end = found
    before, block = content[:start], content[start:end]
    if not block.endswith(b"\n"):
        before = before.removesuffix(b"\r\n" if b"\r\n" in block else b"\n")
    return before + content[end:]


def elsewhere(content: bytes, stack: str, entries: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Of these names, those that lines not ours give another address, and the addresses."""
    foreign = _addresses(without_entries(content, stack))
    others = {name: tuple(a for a in foreign.get(name, ()) if a != address) for name, address in entries.items()}
    return {name: addresses for name, addresses in others.items() if addresses}


def missing(content: bytes, entries: Mapping[str, str]) -> tuple[str, ...]:
    """Of these names, those that no line gives their address."""
    known = _addresses(content)
    return tuple(name for name, address in entries.items() if address not in known.get(name, ()))


def read(path: Path) -> bytes:
    """Raises HostError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError(
            f"{path} cannot be read",
            why=error.strerror or str(error),
            fix="set FLOWKIT_HOSTS_FILE to the right file, or FLOWKIT_HOSTS_ENTRY=false",
        ) from error


def write(path: Path, before: bytes, after: bytes, *, fix: str) -> None:
    """Replace what is in the file, if that is still `before`; `fix` is what a person without the right to can do.

    Raises HostError, and leaves the file as it was, if it has changed meanwhile or cannot be written.
    """
    if before == after:
        return
    try:
        with path.open("r+b", buffering=0) as file:
            if file.read() != before:
                raise HostError(f"{path} was changed by somebody else just now", fix="run the same command again")
            try:
                _put(file.fileno(), after)
            except OSError:
                with contextlib.suppress(OSError):
                    _put(file.fileno(), before)
                raise
    except OSError as error:
        raise HostError(f"{path} cannot be written", why=error.strerror or str(error), fix=fix) from error


def _put(file: int, content: bytes) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(file, content[done:], done)
    os.ftruncate(file, len(content))
    os.fsync(file)


def _marker(word: str, stack: str) -> bytes:
    return f"# {word} {OWNER} {stack}".encode()


def _lines(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where each line starts and ends, and what is on it."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start) + 1 or len(content)
        yield start, end, content[start:end].rstrip(b" \t\r\n")
        start = end


def _block(content: bytes, stack: str) -> tuple[int, int] | None:
    begin, end = _marker("BEGIN", stack), _marker("END", stack)
    starts = [start for start, _, text in _lines(content) if text == begin]
    ends = [stop for _, stop, text in _lines(content) if text == end]
    if not starts and not ends:
        return None
    if len(starts) != 1 or len(ends) != 1 or starts[0] >= ends[0]:
        raise HostError(
            "the hosts file cannot be changed",
            why=f"the lines '{begin.decode()}' and '{end.decode()}' should be there once each and in this order",
            fix="take them, and what belongs between them, out of the file with an editor",
        )
    return starts[0], ends[0]


def _addresses(content: bytes) -> dict[str, list[str]]:
    """The addresses of each name, in small letters."""
    known: dict[str, list[str]] = {}
    for _, _, line in _lines(content):
        words = line.split(b"#", 1)[0].decode("latin-1").split()
        for name in words[1:]:
            known.setdefault(name.lower(), []).append(words[0])
    return known
