"""Files for people: whole or not at all, and never in the place of another."""

import errno
import os

import pytest

from secrets_quickstart.errors import HostError
from secrets_quickstart.host.files import Outcome, write_new


def test_a_new_file_is_written_readable_for_all_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        assert write_new(tmp_path / "a", [b"one\n", b"two\n"]) is Outcome.WRITTEN
    finally:
        os.umask(before)

    assert (tmp_path / "a").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "a").stat().st_nlink == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        (b"one\ntwo\n", Outcome.SAME),
        (b"one\n", Outcome.OTHER),
        (b"one\ntwo\nthree\n", Outcome.OTHER),
        (b"", Outcome.OTHER),
    ],
)
def test_what_is_there_is_compared_and_left_alone(tmp_path, there, outcome):
    (tmp_path / "a").write_bytes(there)
    facts = (tmp_path / "a").stat()

    assert write_new(tmp_path / "a", [b"one\n", b"two\n"]) is outcome

    assert (tmp_path / "a").read_bytes() == there
    assert (tmp_path / "a").stat() == facts
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_to_nowhere_and_a_directory_are_not_written_through(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "directory").mkdir()

    assert write_new(tmp_path / "link", [b"x"]) is Outcome.OTHER
    assert write_new(tmp_path / "directory", [b"x"]) is Outcome.OTHER
    assert not (tmp_path / "elsewhere").exists()


def test_the_name_is_given_when_the_content_is_complete(tmp_path):
    def content():
        yield b"one\n"
        assert not (tmp_path / "a").exists()
        yield b"two\n"

    write_new(tmp_path / "a", content())

    assert (tmp_path / "a").exists()


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path, monkeypatch, hard_links):
    def content():
        (tmp_path / "a").write_bytes(b"theirs")
        yield b"ours"

    if not hard_links:
        forbid_hard_links(monkeypatch)

    assert write_new(tmp_path / "a", content()) is Outcome.OTHER
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    forbid_hard_links(monkeypatch)

    assert write_new(tmp_path / "a", [b"x"]) is Outcome.WRITTEN
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def forbid_hard_links(monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_file_that_could_not_be_finished(tmp_path, error):
    def content():
        yield b"one\n"
        raise error

    with pytest.raises((HostError, KeyboardInterrupt)) as raised:
        write_new(tmp_path / "a", content())

    assert list(tmp_path.iterdir()) == []
    if isinstance(raised.value, HostError):
        assert "no space left" in str(raised.value)
