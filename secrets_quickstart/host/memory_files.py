"""Files that exist in this process's memory alone; no file system holds them.

For programs that insist on a file: one on disk could be left behind, an argument or a variable could be read by others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager


@contextmanager
def memory_files(contents: Mapping[str, bytes]) -> Iterator[dict[str, str]]:
    """Paths of files with these contents, by name, for programs of this user that run meanwhile."""
    paths: dict[str, str] = {}
    with ExitStack() as stack:
        for name, content in contents.items():
            handle = os.memfd_create(name)
            stack.callback(os.close, handle)
            with os.fdopen(handle, "wb", closefd=False) as file:
                file.write(content)
            # not /dev/fd: descriptors are not passed on to a program's own children, such as docker's plugins
            paths[name] = f"/proc/{os.getpid()}/fd/{handle}"
        yield paths
