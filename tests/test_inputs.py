"""Paths that people type after a flag, where no shell takes a `~` for a home."""

from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.tasks import backups, upgrading
from secrets_quickstart.tasks.inputs import path
from tests.deployments import World

NOBODYS = "~nobody-of-this-name/file"


def test_a_home_is_meant_by_its_sign(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")

    assert path("~/here") == Path("/home/ada/here")
    assert path("here") == Path("here")
    assert path("") is None


@pytest.mark.parametrize(
    "run",
    [
        lambda: backups.make(Context(), directory="x", passphrase_file=NOBODYS),
        lambda: backups.verify(Context(), folder="x", identity_file=NOBODYS),
        lambda: backups.restore(Context(), folder=NOBODYS, passphrase_file="passphrase"),
        lambda: upgrading.upgrade(Context(), passphrase_file=NOBODYS),
        lambda: upgrading.upgrade(Context(), backup=NOBODYS),
    ],
)
def test_a_home_of_nobody_is_refused_wherever_a_path_is_given(run, tmp_path, monkeypatch, capsys):
    world = World(tmp_path / "world", monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "passphrase").write_text("of the tests")
    (tmp_path / "passphrase").chmod(0o600)
    for module in (backups, upgrading):
        monkeypatch.setattr(module, "settings", world.settings)

    with pytest.raises(Exit) as raised:
        run()

    assert raised.value.code == 2
    assert f"{NOBODYS} is no path" in capsys.readouterr().err
