"""A deployment whose secrets are taken over, on the fake engine; no test is here."""

from secrets_quickstart.operations import adoption, drift_facts
from secrets_quickstart.operations.drift import judge
from secrets_quickstart.tasks import secrets_of_stack as tasks
from tests.deployments import World

PASSWORD = "FLOWDB_POSTGRES_PASSWORD"
COMPONENTS = ("flowdb", "flowmachine")


def adoptable(folder, monkeypatch):
    """A world in which the commands look at its engine and its settings."""
    made = World(folder, monkeypatch)
    monkeypatch.setattr(adoption, "Engine", lambda _: made.engine)
    monkeypatch.setattr(drift_facts, "Engine", lambda _: made.engine)
    monkeypatch.setattr(tasks, "settings", made.settings)
    return made


def adopt(world):
    return adoption.adopt(world.settings(), "invoke secrets.adopt")


def lose_the_vault(world):
    """The values that it had."""
    held = {name: world.vault().value(name) for name in world.vault().names()}
    world.settings().vault_path.unlink()
    world.settings().vault_key_file.unlink()
    return held


def drift(world):
    return [row for row in judge(drift_facts.look(world.settings())) if row.state.is_drift]
