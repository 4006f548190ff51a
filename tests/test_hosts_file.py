"""The hosts file: our block among somebody else's bytes."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from secrets_quickstart.errors import HostError
from secrets_quickstart.host import hosts_file

patient = hypothesis_settings(deadline=None)  # a busy machine is no failure

OURS = {"flowkit.api": "127.0.0.1", "flow.api": "127.0.0.1"}
BLOCK = b"# BEGIN flowkit-quickstart flowkit\n127.0.0.1\tflowkit.api flow.api\n# END flowkit-quickstart flowkit\n"
FOREIGN = b"127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n"
FILES = st.binary(max_size=60) | st.lists(
    st.sampled_from([b"127.0.0.1 localhost", b"# caf\xe9", b"\n", b"\r\n", b"\r", b" ", b"\0", BLOCK[:20]]), max_size=8
).map(b"".join)
STACKS = st.sampled_from(["flowkit", "demo", "flowkit2"])


def test_the_block_goes_to_the_end():
    assert hosts_file.with_entries(FOREIGN, "flowkit", OURS) == FOREIGN + BLOCK


def test_each_address_gets_its_line():
    assert hosts_file.lines_for({"a": "10.0.0.1", "b": "::1", "c": "10.0.0.1"}) == ("10.0.0.1\ta c", "::1\tb")


def test_a_block_that_is_there_is_replaced_where_it_stands():
    content = FOREIGN + BLOCK + b"10.0.0.1 printer\n"
    moved = hosts_file.with_entries(content, "flowkit", {"flowkit.api": "10.0.0.9"})
    assert moved == FOREIGN + BLOCK.replace(b"127.0.0.1\tflowkit.api flow.api", b"10.0.0.9\tflowkit.api") + (
        b"10.0.0.1 printer\n"
    )


def test_line_ends_are_those_of_the_file():
    content = b"127.0.0.1 localhost\r\n"
    assert hosts_file.with_entries(content, "flowkit", OURS) == content + BLOCK.replace(b"\n", b"\r\n")


@patient
@given(FILES, STACKS)
def test_adding_and_removing_gives_the_same_bytes_again(content, stack):
    added = hosts_file.with_entries(content, stack, OURS)
    assert content in added
    assert hosts_file.without_entries(added, stack) == content


@patient
@given(FILES, STACKS)
def test_adding_twice_is_adding_once(content, stack):
    added = hosts_file.with_entries(content, stack, OURS)
    assert hosts_file.with_entries(added, stack, OURS) == added


@patient
@given(FILES)
def test_two_stacks_do_not_touch_each_others_blocks(content):
    ours = hosts_file.with_entries(content, "flowkit", OURS)
    both = hosts_file.with_entries(ours, "demo", {"demo.api": "127.0.0.1"})
    assert hosts_file.without_entries(both, "demo") == ours
    assert hosts_file.missing(both, {**OURS, "demo.api": "127.0.0.1"}) == ()


def test_no_entries_take_the_block_out():
    assert hosts_file.with_entries(FOREIGN + BLOCK, "flowkit", {}) == FOREIGN


@pytest.mark.parametrize(
    "content",
    [
        BLOCK + BLOCK,
        BLOCK.replace(b"# END flowkit-quickstart flowkit\n", b""),
        BLOCK.replace(b"# BEGIN flowkit-quickstart flowkit\n", b""),
        b"# END flowkit-quickstart flowkit\n# BEGIN flowkit-quickstart flowkit\n",
    ],
)
def test_markers_that_do_not_pair_are_refused(content):
    with pytest.raises(HostError, match="once each and in this order"):
        hosts_file.without_entries(content, "flowkit")
    with pytest.raises(HostError, match="once each and in this order"):
        hosts_file.with_entries(content, "flowkit", OURS)


def test_a_foreign_line_that_names_another_machine_is_found():
    content = FOREIGN + b"10.0.0.5 FLOWKIT.api x # flow.api\n192.168.0.9 flow.api\n" + BLOCK
    assert hosts_file.elsewhere(content, "flowkit", OURS) == {
        "flowkit.api": ("10.0.0.5",),
        "flow.api": ("192.168.0.9",),
    }


def test_our_own_block_and_a_foreign_line_that_agrees_are_no_finding():
    old = hosts_file.with_entries(FOREIGN + b"127.0.0.1 flowkit.api\n", "flowkit", dict.fromkeys(OURS, "10.9.9.9"))
    assert hosts_file.elsewhere(old, "flowkit", OURS) == {}


def test_names_without_a_line_are_missing():
    assert hosts_file.missing(b"127.0.0.1 flow.api # flowkit.api\n", OURS) == ("flowkit.api",)


def test_it_is_written_in_place(tmp_path):
    path = tmp_path / "hosts"
    path.write_bytes(FOREIGN)
    path.chmod(0o640)
    before = path.stat()
    hosts_file.write(path, FOREIGN, FOREIGN + BLOCK, fix="")
    after = path.stat()
    assert path.read_bytes() == FOREIGN + BLOCK
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    hosts_file.write(path, FOREIGN + BLOCK, FOREIGN, fix="")
    assert path.read_bytes() == FOREIGN


def test_what_somebody_else_wrote_meanwhile_stays(tmp_path):
    path = tmp_path / "hosts"
    path.write_bytes(b"10.0.0.1 new\n")
    with pytest.raises(HostError, match="changed by somebody else"):
        hosts_file.write(path, FOREIGN, FOREIGN + BLOCK, fix="")
    assert path.read_bytes() == b"10.0.0.1 new\n"


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "hosts"
    path.write_bytes(FOREIGN)
    real = os.pwrite

    def fill_up(file: int, content: bytes, offset: int) -> int:
        if content == FOREIGN:
            return real(file, content, offset)
        if offset == 0:
            return real(file, content[:40], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fill_up)
    with pytest.raises(HostError, match="No space left") as refused:
        hosts_file.write(path, FOREIGN, BLOCK + FOREIGN, fix="make room")
    assert refused.value.fix == "make room"
    assert path.read_bytes() == FOREIGN


def test_a_file_that_is_not_there_is_an_error_with_a_way_out(tmp_path):
    for call in (hosts_file.read, lambda path: hosts_file.write(path, b"", BLOCK, fix="x")):
        with pytest.raises(HostError, match="No such file"):
            call(tmp_path / "hosts")
