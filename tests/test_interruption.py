"""Deployments that are cut off: the next run carries on, and nothing is lost."""

import pytest

from secrets_quickstart.host import directories
from tests.deployments import Killed, World


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path / "world", monkeypatch)


@pytest.fixture
def worlds(tmp_path, monkeypatch):
    """As many as one asks for."""
    count = iter(range(1000))
    return lambda: World(tmp_path / f"world{next(count)}", monkeypatch)


def test_cut_off_before_any_write_the_next_run_comes_to_the_same_end(worlds):
    """Killed before the first thing is written, before the second, and so on until nothing is left to cut off."""
    whole = worlds()
    whole.deploy()
    expected, writes = whole.end(), whole.fuse.burnt

    for number in range(1, writes + 1):
        world = worlds()
        world.fuse.set(number)
        with pytest.raises(Killed):
            world.deploy()
        kept = world.held()
        world.fuse.set(0)

        outcome = world.deploy()

        assert world.end() == expected, number
        assert kept.items() <= world.held().items(), f"a value was lost: {number}"
        assert outcome.verified, f"not verified though the first run never said so: {number}"
        assert world.deploy().changes == 0, number
    assert writes > 25


def test_cut_off_twice_it_still_comes_to_its_end(worlds):
    for number in (3, 9, 15, 21):
        world = worlds()
        for cut in (number, 2):
            world.fuse.set(cut)
            with pytest.raises(Killed):
                world.deploy()
        world.fuse.set(0)

        assert world.deploy().verified


def test_ctrl_c_is_as_harmless(worlds):
    for number in range(2, 26, 8):
        world = worlds()
        world.fuse.set(number, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            world.deploy()
        kept = world.held()
        world.fuse.set(0)

        world.deploy()

        assert kept.items() <= world.held().items()


def test_a_directory_that_was_made_and_not_yet_given_its_mode_is_given_it_by_the_next_run(world, monkeypatch):
    adjust = directories.adjust

    def cut_short(wanted):
        if wanted.variable == "FLOWDB_ETL_DIR":
            raise Killed
        adjust(wanted)

    monkeypatch.setattr(directories, "adjust", cut_short)
    with pytest.raises(Killed):
        world.deploy("flowdb")

    monkeypatch.setattr(directories, "adjust", adjust)
    world.deploy("flowdb")
