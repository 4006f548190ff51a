"""A PostgreSQL data directory, read without a server: its version, its identifier, and a table's columns."""

from __future__ import annotations

import re
import struct
from pathlib import Path

VERSION_FILE = "PG_VERSION"
CONTROL_FILE = Path("global") / "pg_control"
MAP_FILE = "pg_filenode.map"
PG_CLASS, PG_ATTRIBUTE = 1259, 1249
"""OIDs of the catalogues of tables and of columns, the same in every PostgreSQL."""
NAME_LENGTH = 64


def major(directory: Path) -> str:
    """The major version of the PostgreSQL that made it; raises OSError."""
    return (directory / VERSION_FILE).read_text(errors="replace").strip()


def identifier(directory: Path) -> str:
    """PostgreSQL's own name for the database; raises OSError, and struct.error for a file that is cut off."""
    with (directory / CONTROL_FILE).open("rb") as file:
        return str(struct.unpack("<Q", file.read(8))[0])


def lacks_column(directory: Path, table: str, column: str) -> bool:
    """Whether there is a table of this name, and the newest one has not this column; raises OSError.

    Read from the catalogues' own files.  In every PostgreSQL since 9 a row of pg_class holds the table's OID and, next
    to it, its name, and one of pg_attribute the table's OID and the column's name; names are filled up to 64 bytes.
    What it cannot know: rows that were deleted are found as well, so it goes by the newest table (a dropped column has
    lost its name); rows that a running or killed server had not written yet, five minutes' worth at most, are not
    found; and a catalogue of more than 1 GB is read in part.
    """
    return any(_lacks(folder, table, column) for folder in (directory / "base").iterdir() if folder.name.isdecimal())


def _lacks(folder: Path, table: str, column: str) -> bool:
    tables, columns = (_catalogue(folder, oid) for oid in (PG_CLASS, PG_ATTRIBUTE))
    oids = [tables[found.start() - 4 : found.start()] for found in re.finditer(re.escape(_name(table)), tables)]
    newest = max(oids, key=lambda oid: int.from_bytes(oid, "little"), default=None)
    return newest is not None and newest + _name(column) not in columns


def _catalogue(folder: Path, oid: int) -> bytes:
    """All of a catalogue of one database; nothing for a folder that is none."""
    try:
        mapped = (folder / MAP_FILE).read_bytes()
        count = struct.unpack_from("<i", mapped, 4)[0]  # after a magic number; then pairs of OID and file
        files = dict(struct.iter_unpack("<II", mapped[8 : 8 + 8 * count]))
        return (folder / str(files[oid])).read_bytes()
    except (FileNotFoundError, KeyError, struct.error):
        return b""


def _name(text: str) -> bytes:
    return text.encode().ljust(NAME_LENGTH, b"\0")
