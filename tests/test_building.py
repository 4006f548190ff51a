"""Builds are started right: which client, with which arguments, and nothing secret in them."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from secrets_quickstart.errors import ImageError, ProcessError
from secrets_quickstart.host import processes
from secrets_quickstart.host.memory_files import memory_files
from secrets_quickstart.swarm import base_image, building, images
from secrets_quickstart.swarm.building import Client

REPOSITORY = Path(__file__).resolve().parents[1]

OLD = Client("/usr/bin/docker", (20, 10, 24), buildx=False)
BARE = Client("/usr/local/bin/docker", (28, 2, 2), buildx=False)
PLUGIN = Client("/usr/local/bin/docker", (28, 2, 2), buildx=True)


def test_a_new_client_without_buildx_is_passed_over_for_an_old_one():
    assert building.choose([BARE, OLD]) is OLD


def test_the_first_capable_client_is_taken():
    assert building.choose([PLUGIN, OLD]) is PLUGIN
    assert building.choose([OLD, PLUGIN]) is OLD


def test_the_plugin_builds_in_the_engine_itself_where_local_images_are():
    assert PLUGIN.command == ("/usr/local/bin/docker", "buildx", "build", "--builder", "default", "--load")


@pytest.mark.parametrize("version", [(18, 6), (23,), (23, 0, 1), ()])
def test_clients_outside_the_range_do_not_count_without_the_plugin(version):
    assert Client("docker", version, buildx=False).command == ()


@pytest.mark.parametrize("version", [(18, 9), (20, 10, 24), (22, 6)])
def test_clients_with_buildkit_in_them_build_by_themselves(version):
    assert Client("docker", version, buildx=False).command == ("docker", "build")


def test_without_a_capable_client_the_error_names_what_was_found_and_what_to_install():
    with pytest.raises(ImageError) as caught:
        building.choose([BARE])
    assert "28.2.2" in caught.value.why
    assert "buildx" in caught.value.fix


def test_the_cause_is_buildkits_last_error_line():
    log = (
        "#5 0.3 E: nothing",
        "------",
        "executor failed running [/bin/sh -c false]",
        "ERROR: process did not complete",
    )
    assert building.cause(log) == "process did not complete"
    assert building.cause(("failed to solve: rpc error: x",)) == "rpc error: x"
    assert building.cause(("all fine",)) == ""


def test_memory_files_can_be_read_by_programs_started_meanwhile_and_are_gone_afterwards():
    with memory_files({"a": b"alpha", "b": b""}) as paths:
        assert processes.run(["cat", paths["a"]]).stdout == "alpha"
        assert Path(paths["b"]).read_bytes() == b""
        kept = dict(paths)
    assert not any(Path(path).exists() for path in kept.values())


def base_settings() -> base_image.Settings:
    return base_image.Settings.of(images.recipes(REPOSITORY / "images", ["base"])["base"])


def test_the_base_of_this_repository_is_the_release_whose_python_and_postgresql_are_wanted():
    settings = base_settings()
    assert settings.suite == "bookworm"
    assert settings.variant == "minbase"


def test_the_day_of_the_base_is_its_epoch():
    settings = base_image.Settings("bookworm", "minbase", (), date(1970, 1, 3), ())
    assert settings.epoch == 2 * 86400


def test_mmdebstrap_reads_the_sources_from_its_standard_input():
    argv = base_image.command(base_settings(), Path("/pipe"), {"apt.conf": "/a", "dpkg.cfg": "/d"})
    assert argv[-3:] == ["bookworm", "/pipe", "-"]
    assert not any(word.startswith("--aptopt") for word in argv)


def test_the_hosts_apt_options_are_used_and_removed():
    argv = base_image.command(base_settings(), Path("/p"), {"apt.conf": "/a", "dpkg.cfg": "/d", "host.conf": "/h"})
    assert "--aptopt=/h" in argv
    assert any("99mmdebstrap" in word and word.startswith("--customize-hook=rm") for word in argv)


@pytest.mark.parametrize("text", ["suite = ", 'suite = "x"', 'suite = "x"\nvariant = "y"\nupdated = "never"'])
def test_a_spoilt_base_toml_is_an_error_and_no_traceback(tmp_path, text):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/base.toml").write_text(text)
    with pytest.raises(ImageError, match=r"base\.toml"):
        base_image.Settings.of(images.recipes(tmp_path, ["base"])["base"])


def test_the_stream_gives_what_is_written_even_if_the_pipe_is_opened_twice(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def make() -> None:
        pipe.open("wb").close()
        pipe.write_bytes(b"x" * 300_000)

    assert b"".join(base_image.stream(pipe, make)) == b"x" * 300_000


def test_the_stream_of_a_failed_program_does_not_end_well(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def make() -> None:
        pipe.write_bytes(b"half")
        raise ProcessError("mmdebstrap failed")

    stream = base_image.stream(pipe, make)
    assert next(stream) == b"half"
    with pytest.raises(ProcessError):
        next(stream)


def test_a_stream_that_is_given_up_ends_the_program(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    broken = []

    def make() -> None:
        try:
            pipe.write_bytes(b"x" * 10_000_000)
        except BrokenPipeError:
            broken.append(True)

    stream = base_image.stream(pipe, make)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert broken == [True]
