"""The vault: values by name and generation in one sealed file; not where they come from or go to."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from secrets_quickstart.errors import VaultError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.vault import contents, envelope, storage
from secrets_quickstart.vault.contents import Contents, Entry, Origin, Record, Stored
from secrets_quickstart.vault.envelope import Header
from secrets_quickstart.vault.key import Key, first_key, master_key


class Vault:
    """An open vault.  What it holds is never replaced, only followed by another generation.

    Every change is on the disk when its call returns, or when the outermost `batch` ends.
    Hold `vault_lock` from before opening until after the last change.
    """

    def __init__(self, contents: Contents, file: _File | None) -> None:
        """Use `open`, `create`, `open_or_create` or `in_memory`."""
        self._contents = contents
        self._file = file
        self._batches = 0

    @classmethod
    def open(cls, path: Path, key: Key) -> Self:
        """Open an existing vault; VaultError, and the file untouched, when that cannot be done."""
        path = storage.real(path)
        if not storage.exists(path):
            raise VaultError(
                f"there is no vault at {path}",
                why="it was never made, or FLOWKIT_VAULT names another place",
                fix="run a deploy to make it, or put a backup of it there",
            )
        raw = storage.read(path)
        sealed = envelope.parse(raw, path)
        master = master_key(key, sealed.header.scrypt, path)
        content = envelope.unseal(sealed, master, path)
        try:
            found = contents.decoded(content)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise envelope.damaged(path) from None
        return cls(found, _File(path, sealed.header, master, raw))

    @classmethod
    def create(cls, path: Path, key: Key) -> Self:
        """Make an empty vault, and its key file unless there is one; VaultError if there is a vault already."""
        path = storage.real(path)
        if storage.exists(path):
            raise _taken(path)
        storage.make_folder(path.parent)
        master, scrypt = first_key(key, path)
        header, new = envelope.new_header(master, scrypt), Contents()
        raw = envelope.seal(header, master, new.encoded())
        if not storage.write_new(path, raw):
            raise _taken(path)
        return cls(new, _File(path, header, master, raw))

    @classmethod
    def open_or_create(cls, path: Path, key: Key) -> Self:
        """Open the vault, or make it if there is none; two runs at once end with the same one."""
        place = storage.real(path)
        if not storage.exists(place):
            try:
                return cls.create(place, key)
            except VaultError:
                if not storage.exists(place):
                    raise
        return cls.open(path, key)

    @classmethod
    def in_memory(cls) -> Self:
        """An empty vault that is never written: what a plan looks at before the first deploy."""
        return cls(Contents(), None)

    @property
    def id(self) -> str:
        """32 hexadecimal digits, of this vault alone; "" in memory."""
        return self._file.header.id if self._file is not None else ""

    def names(self) -> tuple[str, ...]:
        """In the order in which they came."""
        return tuple(self._contents.values)

    def __contains__(self, name: str) -> bool:
        return name in self._contents.values

    def generation(self, name: str) -> int:
        """The present generation, 1 or more; VaultError if there is none."""
        return self._generations(name)[-1].generation

    def generations(self, name: str) -> tuple[int, ...]:
        """All generations that it holds, the first one first; VaultError if there is none."""
        return tuple(one.generation for one in self._generations(name))

    def following(self, name: str) -> int:
        """The generation that the next value of that name will be."""
        held = self._contents.values.get(name)
        return max(held[-1].generation if held else 0, self._contents.left_out.get(name, 0)) + 1

    def value(self, name: str, generation: int | None = None) -> Sensitive:
        """The value of the present or of an earlier generation; VaultError if there is none."""
        return self._stored(name, generation).value

    def entry(self, name: str, generation: int | None = None) -> Entry:
        """What may be told of the present or of an earlier generation; VaultError if there is none."""
        stored = self._stored(name, generation)
        return Entry(name, generation or self.generation(name), stored.created, stored.origin)

    def fingerprint(self, name: str, generation: int | None = None) -> str:
        """32 hexadecimal digits by which a value is recognised, and of use to nobody without this vault."""
        message = name.encode() + b"\0" + self.value(name, generation).reveal()
        return hmac.new(self._contents.fingerprint_key.reveal(), message, hashlib.sha256).hexdigest()[:32]

    def put(self, name: str, value: Sensitive, origin: Origin) -> int:
        """Add a generation and return its number; those before it stay."""
        with self.batch():
            number = self.following(name)
            self._contents.values.setdefault(name, []).append(Stored(value, datetime.now(UTC), origin, number))
            return number

    def leave_out(self, name: str, generation: int) -> None:
        """Give no later value that generation or one before it: somebody else has given the number away."""
        with self.batch():
            self._contents.left_out[name] = max(generation, self._contents.left_out.get(name, 0))

    def left_out(self, name: str) -> int:
        """The highest generation that was left out, 0 for none."""
        return self._contents.left_out.get(name, 0)

    def forget(self, names: Iterable[str]) -> None:
        """Remove values with all their generations: for what has no data and no secret in the swarm any more."""
        with self.batch():
            for name in names:
                self._contents.values.pop(name, None)
                self._contents.left_out.pop(name, None)

    @property
    def claims(self) -> Mapping[str, Record]:
        """What was noted of data directories and volumes, by their identity."""
        return {identity: json.loads(json.dumps(record)) for identity, record in self._contents.claims.items()}

    def claim(self, identity: str, record: Mapping[str, object]) -> None:
        """Note something (JSON, nothing secret) of a data directory or volume, in the place of what was noted."""
        with self.batch():
            self._contents.claims[identity] = json.loads(json.dumps(record))

    def release(self, identity: str) -> None:
        """Take a note back; nothing happens if there is none."""
        with self.batch():
            self._contents.claims.pop(identity, None)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """One write for all changes inside, if there are any; none of them happens if the block or the write fails."""
        before = self._contents.copy()
        self._batches += 1
        try:
            yield
            if self._batches == 1 and self._file is not None and self._contents != before:
                self._file.write(self._contents.encoded())
        except BaseException:
            self._contents = before
            raise
        finally:
            self._batches -= 1

    def _generations(self, name: str) -> list[Stored]:
        try:
            return self._contents.values[name]
        except KeyError:
            raise VaultError(
                f"the vault holds no {name}",
                why="it was never made or imported",
                fix=f"see `invoke secrets.list`, or import it: invoke secrets.import {name} FILE",
            ) from None

    def _stored(self, name: str, generation: int | None) -> Stored:
        generations = self._generations(name)
        if generation is None:
            return generations[-1]
        found = next((one for one in generations if one.generation == generation), None)
        if found is None:
            raise VaultError(
                f"the vault holds no generation {generation} of {name}",
                why=f"it has {', '.join(str(one.generation) for one in generations)}",
                fix="see `invoke secrets.list`",
            )
        return found


class _File:
    """Where an open vault was read from, and how it is sealed again."""

    def __init__(self, path: Path, header: Header, master: Sensitive, raw: bytes) -> None:
        self.path = path
        self.header = header
        self._master = master
        self._seen = raw

    def write(self, content: bytes) -> None:
        """Raises VaultError if the file is not as it was last read or written here: nobody's changes are lost."""
        if storage.read(self.path) != self._seen:
            raise VaultError(
                f"the vault {self.path} was not written",
                why="another run has changed it in the meantime",
                fix="run the command again",
            )
        raw = envelope.seal(self.header, self._master, content)
        storage.replace(self.path, raw)
        self._seen = raw


def _taken(path: Path) -> VaultError:
    return VaultError(f"no vault is made at {path}", why="there is one already", fix="use it, or name another place")
