"""Measures, prints a table, and writes artefacts/bench.json: `nox -s bench`, or `nox -s bench -- MEASURE...`."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

import psutil

from secrets_quickstart import report
from tests.bench import backup, building, flowauth, flowetl, idle, listing, material, rotation, start
from tests.bench.row import Row
from tests.swarm.machine import REPOSITORY, engine

MEASURES = {
    "list": listing.measure,
    "material": material.measure,
    "idle": idle.measure,
    "start": start.measure,
    "flowauth": flowauth.measure,
    "flowetl": flowetl.measure,
    "backup": backup.measure,
    "rotation": rotation.measure,
    "build": building.measure,
}
ON_AN_ENGINE = ("idle", "start", "flowauth", "flowetl", "backup", "rotation", "build")
"""Those that deploy or build, and change the hosts file."""

COLUMNS = ("WHAT", "VALUE", "AGAINST", "RATIO", "AT MOST", "")
FILE = REPOSITORY / "artefacts/bench.json"


def main(wanted: list[str]) -> int:
    unknown = [name for name in wanted if name not in MEASURES]
    if unknown:
        report.say(f"there is no measure {', '.join(unknown)}: choose from {', '.join(MEASURES)}")
        return 2
    answering = engine_version()
    unmeasured = [name for name in wanted or MEASURES if name in ON_AN_ENGINE]
    if unmeasured and (answering is None or os.geteuid() != 0):
        lacking = "root" if answering is not None else "a Docker Engine that answers: ./bootstrap.sh starts one"
        others = " ".join(name for name in MEASURES if name not in ON_AN_ENGINE)
        report.say(f"{', '.join(unmeasured)} cannot be measured without {lacking}")
        report.say(f"without that: nox -s bench -- {others}")
        return 1
    measured = datetime.now(UTC)
    here = surroundings(answering)
    rows: list[Row] = []
    for name in wanted or MEASURES:
        report.say(f"bench: {name}")
        rows += MEASURES[name]()
    FILE.parent.mkdir(exist_ok=True)
    here["load after"] = load()
    document = {"measured": measured.isoformat(), "machine": here, "rows": [row.document() for row in rows]}
    FILE.write_text(json.dumps(document, indent=2) + "\n")
    report.table(COLUMNS, (row.cells() for row in rows))
    report.result("")
    report.result(f"{', '.join(f'{name}: {value}' for name, value in here.items())}; written to {FILE}")
    return 0


def engine_version() -> str | None:
    """None if no engine answers."""
    import docker.errors

    try:
        return str(engine().version()["Version"])
    except docker.errors.DockerException:
        return None


def surroundings(answering: str | None) -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "cpus": os.cpu_count(),
        "GiB of memory": round(psutil.virtual_memory().total / 2**30),
        "engine": answering or "none",
        "load before": load(),
    }


def load() -> float:
    """Processes that wanted to run, on average over the last minute."""
    return round(os.getloadavg()[0], 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
