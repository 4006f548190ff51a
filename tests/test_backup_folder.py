"""The folder of a backup: whole or not there, and known to be what was written."""

import functools
import io
import json
import os
import shutil
import socket
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secrets_quickstart.errors import HostError, MaterialError
from secrets_quickstart.material.sealing import Opener, Sealer
from secrets_quickstart.operations import backup_folder
from secrets_quickstart.operations.backup_answers import compared
from secrets_quickstart.operations.backup_folder import Backup, drafted, require_whole
from secrets_quickstart.operations.backup_manifest import DatabasePart, Manifest, read
from secrets_quickstart.sensitive import Sensitive

PASSPHRASE = Sensitive("correct horse")
CONTENT = b"rows" * 50000


@pytest.fixture(scope="module")
def sealer():
    return Sealer.with_passphrase(PASSPHRASE)


@functools.cache
def opener(key):
    return Opener.with_passphrase(PASSPHRASE, key)


def manifest(**changed):
    answers = {"rows": {"events.calls_20160101": 7}, "query": {"subscribers": 3}}
    made = Manifest(
        stack="one",
        created="2026-11-26T01:00:00+00:00",
        flowkit="1.34.0",
        components=("flowdb",),
        services={"flowdb": {"image": "flowkit/flowdb:local-1", "id": "sha256:1", "replicas": "1"}},
        environment=("FLOWKIT_STACK",),
        elsewhere=(),
        databases={"flowdb": DatabasePart("physical", "15.20", "12345", (answers, answers))},
    )
    return replace(made, **changed)


@pytest.fixture
def made(tmp_path, sealer):
    """A whole backup."""
    return make(tmp_path / "backups", sealer)


def make(directory, sealer):
    with drafted(directory, "one", sealer) as (draft, final):
        draft.seal("flowdb.tar.age", io.BytesIO(CONTENT))
        draft.finish(manifest(files=draft.parts))
    return final


def test_a_whole_backup_gives_back_what_was_put_in(made):
    backup = Backup.open(made, opener)

    require_whole(made, backup.manifest.files)
    assert backup.manifest == manifest(files=backup.manifest.files)
    assert set(backup.manifest.files) == {"flowdb.tar.age", "key.age"}
    assert backup.read("flowdb.tar.age") == CONTENT
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert made.stat().st_mode & 0o077 == 0


def test_a_part_that_fails_leaves_nothing(tmp_path, sealer):
    class Failing:
        def read(self, _size):
            raise RuntimeError

    with pytest.raises(RuntimeError), drafted(tmp_path / "backups", "one", sealer) as (draft, _):
        draft.seal("flowdb.tar.age", Failing())

    assert list((tmp_path / "backups").iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, sealer, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match="no space left on device") as caught:
        make(tmp_path / "backups", sealer)

    assert "no part of it is there" in caught.value.fix
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_directory_whose_parent_is_not_there_is_refused(tmp_path, sealer):
    with pytest.raises(HostError, match="no such file or directory"):
        make(tmp_path / "not" / "mounted", sealer)


def test_what_a_killed_run_left_goes_and_what_others_are_at_stays(tmp_path, sealer, monkeypatch):
    directory = tmp_path / "backups"
    monkeypatch.setattr(socket, "gethostname", lambda: "here")
    ours = directory / ".one-20260101T000000Z.draft-here"
    others = [
        directory / name
        for name in (
            ".one-20260101T000000Z.draft-there",
            ".one-two-20260101T000000Z.draft-here",
            "one-20260101T000000Z",
            ".one",
        )
    ]
    for path in (ours, *others):
        path.mkdir(parents=True)

    final = make(directory, sealer)

    assert {*directory.iterdir()} == {*others, final}


def whole_ones(directory, *names):
    for name in names:
        (directory / name).mkdir(parents=True)
        (directory / name / "manifest.json").write_text("{}")


def test_only_the_oldest_whole_backups_of_this_stack_are_deleted(tmp_path):
    whole_ones(tmp_path, *(f"one-2026010{day}T000000Z" for day in range(1, 5)))
    whole_ones(tmp_path, "one-two-20250101T000000Z", "two-20250101T000000Z", "one-mine")
    (tmp_path / "one-20250101T000000Z").mkdir()  # without a manifest, it is none of ours

    gone = backup_folder.prune(tmp_path, "one", 2)

    assert [path.name for path in gone] == ["one-20260101T000000Z", "one-20260102T000000Z"]
    assert {path.name for path in tmp_path.iterdir()} == {
        *("one-20260103T000000Z", "one-20260104T000000Z", "one-20250101T000000Z"),
        *("one-two-20250101T000000Z", "two-20250101T000000Z", "one-mine"),
    }
    assert backup_folder.prune(tmp_path, "one", 2) == []


def test_a_file_that_was_changed_cut_or_lost_is_named(made):
    files = read(made).files
    path = made / "flowdb.tar.age"
    content = path.read_bytes()

    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(HostError, match=r"flowdb\.tar\.age: it was changed"):
        require_whole(made, files)
    path.write_bytes(content[:-1])
    with pytest.raises(HostError, match=r"flowdb\.tar\.age: it has \d+ bytes, not"):
        require_whole(made, files)
    path.unlink()
    with pytest.raises(HostError, match=r"flowdb\.tar\.age: no such file"):
        require_whole(made, files)


def test_a_manifest_that_was_changed_is_refused_although_it_fits_the_files(made):
    path = made / "manifest.json"
    path.write_text(path.read_text().replace('"subscribers": 3', '"subscribers": 4'))

    with pytest.raises(HostError, match=r"manifest\.json was changed"):
        Backup.open(made, opener)


def test_files_of_another_backup_are_refused(made, tmp_path):
    other = make(tmp_path / "others", Sealer.with_passphrase(PASSPHRASE))
    shutil.copy(other / "manifest.age", made / "manifest.age")

    with pytest.raises(MaterialError, match="for another key"):
        Backup.open(made, opener)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.age", "key.age"])
def test_a_folder_that_lacks_a_file_is_no_whole_backup(made, name):
    (made / name).unlink()

    with pytest.raises(HostError, match=f"is no whole backup: {name}: no such file"):
        Backup.open(made, opener)


def test_a_later_format_is_said_to_be_one(made):
    path = made / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))

    with pytest.raises(HostError, match="its format is 2, and this version knows 1"):
        Backup.open(made, opener)


def test_a_manifest_names_no_file_elsewhere(tmp_path):
    content = json.loads(manifest().encoded())
    content["files"] = {"../vault": {"bytes": 1, "sha256": ""}}

    with pytest.raises(HostError, match="elsewhere"):
        Manifest.decoded(json.dumps(content).encode(), tmp_path / "manifest.json")


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([*json.loads(manifest().encoded()), "x"]), inner, max_size=9),
).map(lambda content: json.dumps(content).encode()))  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_manifest_is_it_is_refused_in_words(tmp_path, content):
    with pytest.raises(HostError):
        Manifest.decoded(content, tmp_path / "manifest.json")


BEFORE = {"rows": {"a": 5, "b": 2, "gone": 1}, "query": {"subscribers": 3}}
AFTER = {"rows": {"a": 8, "b": 2, "new": 1}, "query": {"subscribers": 4}}


@pytest.mark.parametrize("rows", [5, 7, 8])
def test_a_copy_lies_between_what_was_before_and_after(rows):
    found = compared(BEFORE, AFTER, {"rows": {"a": rows, "b": 2}, "query": {"subscribers": 4}})

    assert found.differences == ()
    assert (found.tables, found.rows) == (2, rows + 2)


@pytest.mark.parametrize(
    ("rows", "query", "said"),
    [
        ({"a": 4, "b": 2}, 3, "a has 4 rows, not 5 to 8"),
        ({"a": 9, "b": 2}, 3, "a has 9 rows, not 5 to 8"),
        ({"a": 5}, 3, "b has no rows, not 2"),
        ({"a": 5, "b": 2}, 5, "the query says {'subscribers': 5}, not {'subscribers': 3}"),
    ],
)
def test_what_differs_is_named(rows, query, said):
    assert compared(BEFORE, AFTER, {"rows": rows, "query": {"subscribers": query}}).differences == (said,)
