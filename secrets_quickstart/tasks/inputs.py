"""What commands are given: a file or standard input, and the vault that is there already.  No task is here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from secrets_quickstart import report
from secrets_quickstart.errors import UsageError
from secrets_quickstart.host.files import typed

if TYPE_CHECKING:
    from secrets_quickstart.sensitive import Sensitive
    from secrets_quickstart.settings import Settings
    from secrets_quickstart.vault import Vault

LARGEST = 500 * 1024
"""Bytes: the swarm takes no larger secret (MaxSecretSize in moby/swarmkit)."""


def open_vault(chosen: Settings) -> Vault:
    """The vault, which has to exist."""
    from secrets_quickstart.vault import Vault, key_of

    return Vault.open(chosen.vault_path, key_of(chosen))


def path(text: str) -> Path | None:
    """What somebody typed, where `~` is a home; None for nothing.  Raises UsageError for a home of nobody."""
    return typed(text) if text else None


def given(source: str) -> Sensitive:
    """What a file holds, or standard input for `-`; raises UsageError for what cannot be read or is too large."""
    from secrets_quickstart.sensitive import Sensitive

    if source == "-":
        if sys.stdin.isatty():
            report.say("type or paste the value, then Ctrl-D")
        content = sys.stdin.buffer.read(LARGEST + 1)
    else:
        try:
            with typed(source).open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as error:
            why = error.strerror or str(error)
            raise UsageError(f"{source} cannot be read", why=why, fix="name another file") from None
    if len(content) > LARGEST:
        raise UsageError(f"{source} cannot be used", why="it is larger than 500 KiB", fix="name another file")
    return Sensitive(content)
