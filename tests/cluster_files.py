"""The files of a PostgreSQL data directory, as far as they are read without a server; no test is here."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

AIRFLOW_1 = {"dag_run": ("id", "dag_id", "run_id")}
AIRFLOW_2 = {"dag_run": ("id", "dag_id", "run_id", "run_type")}


def make_cluster(directory: Path, identifier: int = 7, major: str = "15") -> Path:
    """One without a database in it."""
    (directory / "global").mkdir(parents=True)
    (directory / "base").mkdir()
    (directory / "PG_VERSION").write_text(f"{major}\n")
    (directory / "global" / "pg_control").write_bytes(struct.pack("<Q", identifier) + b"rest")
    return directory


def add_tables(
    directory: Path, tables: Mapping[str, Iterable[str]], *, oid: int = 16385, moved: int = 0, database: str = "16384"
) -> Path:
    """Rows of the catalogues, the first table's with this OID; `moved` is what VACUUM FULL does to the files' names."""
    folder = directory / "base" / database
    folder.mkdir(exist_ok=True)
    pairs = [(1249, 1249 + moved), (1259, 1259 + moved), (1247, 1247)]
    content = b"".join(struct.pack("<II", *pair) for pair in pairs)
    (folder / "pg_filenode.map").write_bytes(struct.pack("<ii", 0x592717, len(pairs)) + content.ljust(504, b"\0"))
    for number, (table, columns) in enumerate(tables.items(), oid):
        _append(folder / str(1259 + moved), [(number, table), (number + 1000, f"{table}_pkey")])
        _append(folder / str(1249 + moved), [(number, column) for column in columns])
    return directory


def _append(file: Path, rows: Iterable[tuple[int, str]]) -> None:
    with file.open("ab") as stream:
        for oid, name in rows:
            stream.write(b"\x01header\x18" + struct.pack("<I", oid) + name.encode().ljust(64, b"\0") + b"and more")
