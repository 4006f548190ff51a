"""A FlowDB of ten million calls backed up and restored, against pg_basebackup and a copy of its files.

Ours is the whole command: Python's start, the passphrase, rows counted twice, everything sealed and hashed.  Both
write to the same disk, and are done when it has what they wrote.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.place import STACK, machine
from tests.bench.row import Row, alternating
from tests.swarm.machine import Machine, container_of, engine, execute

CALLS = 10_000_000
ROUNDS = 3
MOST = 1 / 0.9
"""Of the yardstick's time."""
FILL = f"""
INSERT INTO events.calls (id, outgoing, datetime, duration, msisdn, msisdn_counterpart, location_id, imsi)
SELECT md5(i::text), i % 2 = 0, timestamptz '2016-03-01' + i * interval '5 ms', i % 100, md5((i % 100000)::text),
       md5((i % 77777)::text), 'cell' || i % 900, md5((i % 100000)::text)
FROM generate_series(0, {CALLS - 1}) AS i
"""
DAY = "CREATE TABLE events.calls_20160301 PARTITION OF events.calls FOR VALUES FROM ('2016-03-01') TO ('2016-03-02')"


def measure() -> Iterator[Row]:
    with machine() as here:
        here.invoke("deploy", "--target", "flowdb")
        for statement in (DAY, FILL, "VACUUM ANALYZE events.calls_20160301", "CHECKPOINT"):
            execute(STACK, "flowdb", "psql", "-q", "-c", statement)
        where = here.folder.parent / "backups"
        where.mkdir()
        passphrase = here.folder.parent / "passphrase"
        passphrase.write_text("of the bench\n")
        passphrase.chmod(0o600)
        option = f"--passphrase-file={passphrase}"
        ours, theirs = alternating(lambda: _backup(here, where, option), lambda: _pg_basebackup(where), ROUNDS)
        yield Row(f"{CALLS} calls backed up", ours, yardstick="pg_basebackup", against=theirs, most_ratio=MOST)
        [folder] = where.iterdir()
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        yield Row("which is", size / ours, "MB/s", "pg_basebackup", size / theirs)
        ours, theirs = alternating(lambda: _verify(here, folder, option), lambda: _copy(where), ROUNDS)
        yield Row("and restored, started and compared", ours, yardstick="a copy of its files", against=theirs)


def _backup(here: Machine, where: Path, option: str) -> float:
    begun = time.monotonic()
    here.invoke("backup", str(where), option, "--keep", "1")
    return time.monotonic() - begun


def _pg_basebackup(where: Path) -> float:
    path = where / "plain.tar"
    command = ["docker", "exec", container_of(STACK, "flowdb"), "pg_basebackup"]
    begun = time.monotonic()
    with path.open("wb") as file:
        options = ["--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast"]
        subprocess.run([*command, *options], stdout=file, check=True)
        os.fsync(file.fileno())
    spent = time.monotonic() - begun
    path.unlink()
    return spent


def _verify(here: Machine, folder: Path, option: str) -> float:
    begun = time.monotonic()
    here.invoke("backup.verify", str(folder), option)
    return time.monotonic() - begun


def _copy(where: Path) -> float:
    source = engine().inspect_volume(f"{STACK}_flowdb_data")["Mountpoint"]
    target = where.parent / "copy"
    begun = time.monotonic()
    subprocess.run(["cp", "--archive", source, str(target)], check=True)
    subprocess.run(["sync", "--file-system", str(target)], check=True)
    spent = time.monotonic() - begun
    shutil.rmtree(target)
    return spent
