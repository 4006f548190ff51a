"""Docker volumes of a stack, on this node; what is in them is nobody's business here."""

from __future__ import annotations

from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.services import NAMESPACE


def of_stack(engine: Engine, stack: str) -> list[str]:
    """Names of the volumes that the stack's services made here."""
    with translated(f"the volumes of {stack} cannot be listed"):
        found = engine.api.volumes(filters={"label": f"{NAMESPACE}={stack}"})
    return [item["Name"] for item in found["Volumes"] or ()]


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
