"""Docker volumes of a stack, on this node; what is in them is nobody's business here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.services import NAMESPACE


def of_stack(engine: Engine, stack: str) -> list[str]:
    """Names of the volumes that the stack's services made here."""
    return [item["Name"] for item in _listed(engine, stack)]


def on_disk(engine: Engine, stack: str) -> dict[str, Path]:
    """Where they are on the engine's machine, by name; without those that are in memory."""
    return {
        item["Name"]: Path(item["Mountpoint"])
        for item in _listed(engine, stack)
        if (item.get("Options") or {}).get("type") != "tmpfs"
    }


def _listed(engine: Engine, stack: str) -> list[dict[str, Any]]:
    with translated(f"the volumes of {stack} cannot be listed"):
        found = engine.api.volumes(filters={"label": f"{NAMESPACE}={stack}"})
    return list(found["Volumes"] or ())


def make(engine: Engine, stack: str, name: str) -> None:
    """Make a volume of the stack's, as its services would; one that is there already is no error."""
    with translated(f"the volume {name} cannot be made"):
        engine.api.create_volume(name, labels={NAMESPACE: stack})


def remove(engine: Engine, name: str) -> None:
    """Delete a volume with all that is in it; one that is gone already is no error."""
    import docker.errors

    with translated(f"the volume {name} cannot be deleted"):
        try:
            engine.api.remove_volume(name)
        except docker.errors.NotFound:
            return
