"""Local images on a real engine: built from packages, saved and loaded; the official ones are in `test_registry`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound

from secrets_quickstart.errors import ImageError
from secrets_quickstart.swarm import building, images
from secrets_quickstart.swarm.engine import Engine

pytestmark = [pytest.mark.swarm, pytest.mark.alone]

REPOSITORY = Path(__file__).resolve().parents[2]
LISTING = """
find /etc/apt /var/lib/apt/lists /usr/share/man /usr/local/share/ca-certificates /etc/ssl -type f
. /etc/os-release
echo $VERSION_CODENAME
locale
env
"""
REDIS_PASSWORD = 're"d\\is $pw#1'


def variant(folder: Path, dockerfile: str) -> dict[str, images.Recipe]:
    """Recipes of a redis image of these lines, on the base of this repository."""
    shutil.copytree(REPOSITORY / "images/base", folder / "base")
    (folder / "redis").mkdir()
    (folder / "redis/Dockerfile").write_text(dockerfile)
    return images.recipes(folder, ["redis"])


@contextmanager
def removed_afterwards(engine: Engine, reference: str) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(ImageNotFound, APIError):
            engine.client.images.remove(reference, force=True)


def test_the_base_is_a_bare_debian_that_holds_nothing_of_this_machine(engine, built):
    listing = engine.client.containers.run(
        built["base"].reference,
        [
            "sh",
            "-c",
            LISTING,
        ],
        remove=True,
        hostname="base",  # else digits by chance
    ).decode()
    assert "bookworm" in listing
    assert "LC_ALL" in listing
    assert "C.UTF-8" in listing
    assert "/etc/apt/apt.conf.d/90flowkit" in listing
    for trace in ("sources", "99", "_Packages", "ca-cert", "proxy", "/man/"):
        assert trace not in listing.lower(), listing


def test_a_build_gets_the_hosts_files_and_keeps_none(engine, built, tmp_path):
    lines = """
        ARG BASE
        FROM ${BASE}
        RUN --mount=type=secret,id=apt_sources --mount=type=secret,id=pip_conf --mount=type=secret,id=uv_toml \\
            --mount=type=secret,id=apt_conf --mount=type=secret,id=ca \\
            grep -q '^Suites: bookworm' /run/secrets/apt_sources && grep -q index.example /run/secrets/pip_conf \\
            && grep -q index.example /run/secrets/uv_toml && test -f /run/secrets/apt_conf && test -f /run/secrets/ca
    """
    recipes = variant(tmp_path, "\n".join(line.strip() for line in lines.strip().splitlines()))
    environment = {**os.environ, "PIP_INDEX_URL": "https://user:hunter2@index.example/simple"}
    recipe = recipes["redis"]
    with removed_afterwards(engine, recipe.reference):
        building.Builder(engine, environment, lambda _states: None).build([recipe], recipes)
        image = engine.client.images.get(recipe.reference)
        assert image.labels[images.INPUTS_LABEL] == recipe.inputs
        assert "hunter2" not in str(image.history()) + str(image.attrs)
        tree = b"".join(image.save())
        assert b"hunter2" not in tree
        assert os.uname().nodename.encode() not in str(image.attrs).encode()


def test_a_failed_build_says_why_with_the_last_lines_and_leaves_no_image(engine, built, tmp_path):
    recipes = variant(tmp_path, "ARG BASE\nFROM ${BASE}\nRUN echo the-last-words && false\n")
    states: list[Any] = []
    with pytest.raises(ImageError) as caught:
        building.Builder(engine, os.environ, states.append).build([recipes["redis"]], recipes)
    assert any("the-last-words" in line for line in caught.value.log)
    assert caught.value.why
    assert states[-1] == {"redis": "failed"}
    assert recipes["redis"].reference not in images.held(engine)


def test_a_build_that_is_killed_leaves_nothing_behind_and_the_next_one_carries_on(engine, built, tmp_path):
    lines = f"ARG BASE\nFROM ${{BASE}}\nRUN echo {time.time()} >/first\nRUN sleep 2\n"
    recipe = variant(tmp_path, lines)["redis"]
    script = (
        "import os; from pathlib import Path; from secrets_quickstart.swarm import building, images;"
        "from secrets_quickstart.swarm.engine import Engine;"
        f"r = images.recipes(Path({str(tmp_path)!r}), ['redis']);"
        "building.Builder(Engine(os.environ), os.environ, lambda s: print(s, flush=True)).build([r['redis']], r)"
    )
    command = [str(REPOSITORY / ".venv/bin/python"), "-c", script]
    with removed_afterwards(engine, recipe.reference):
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as run:
            for line in run.stdout or ():
                if "3/3" in line:  # the line that sleeps
                    break
            os.killpg(run.pid, 9)
        assert recipe.reference not in images.held(engine)
        begun = time.monotonic()
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
        assert recipe.reference in images.held(engine)
        assert time.monotonic() - begun < 60


def test_a_base_that_cannot_be_made_is_an_error_with_the_last_lines(engine, tmp_path):
    shutil.copytree(REPOSITORY / "images/base", tmp_path / "base")
    settings = tmp_path / "base/base.toml"
    settings.write_text(settings.read_text().replace("packages = []", 'packages = ["there-is-no-such-package"]'))
    recipes = images.recipes(tmp_path, ["base"])
    before = {image.id for image in engine.client.images.list(all=True)}
    with pytest.raises(ImageError) as caught:
        building.Builder(engine, os.environ, lambda _states: None).build([recipes["base"]], recipes)
    assert any("there-is-no-such-package" in line for line in caught.value.log)
    assert recipes["base"].reference not in images.held(engine)
    assert {image.id for image in engine.client.images.list(all=True)} <= before


def test_saved_images_come_back_by_loading(engine, built, tmp_path):
    recipes = variant(tmp_path, "ARG BASE\nFROM ${BASE}\nRUN echo saved >/saved\n")
    reference = recipes["redis"].reference
    with removed_afterwards(engine, reference):
        building.Builder(engine, os.environ, lambda _states: None).build([recipes["redis"]], recipes)
        size = images.save(engine, [built["base"].reference, reference], tmp_path / "images.tar.gz")
        assert size == (tmp_path / "images.tar.gz").stat().st_size
        images.remove(engine, reference)
        assert reference not in images.held(engine)
        assert images.load(engine, tmp_path / "images.tar.gz") == sorted([built["base"].reference, reference])
        assert engine.client.containers.run(reference, ["cat", "/saved"], remove=True) == b"saved\n"


def test_what_is_not_an_archive_or_not_there_is_an_error_and_no_traceback(engine, tmp_path):
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    for name in ("rubbish", "missing"):
        with pytest.raises(Exception, match=name) as caught:
            images.load(engine, tmp_path / name)
        assert getattr(caught.value, "fix", "")
    with pytest.raises(ImageError):
        images.save(engine, ["flowkit/redis:local-none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_image_that_a_container_was_made_from_is_known_to_be_in_use(engine, built):
    container = engine.client.containers.create(built["redis"].reference)
    try:
        assert built["redis"].reference in images.in_use(engine)
    finally:
        container.remove(v=True)
    images.remove(engine, "flowkit/redis:local-none")  # one that is gone already is no error


# ---- redis, started by the stack file's own lines ----


def stack_service(name: str) -> dict[str, Any]:
    import yaml

    text = (REPOSITORY / "compose/flowmachine.yml").read_text().replace("$$", "$")
    return dict(yaml.safe_load(text)["services"][name])


@contextmanager
def redis(engine: Engine, recipes: dict[str, images.Recipe], secret: bytes | None) -> Iterator[Any]:
    service = stack_service("redis")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    if secret is not None:
        (folder / "REDIS_PASSWORD").write_bytes(secret)
    container = engine.client.containers.run(
        recipes["redis"].reference,
        service["command"],
        user=service.get("user"),
        read_only=True,
        volumes={str(folder): {"bind": "/run/secrets", "mode": "ro"}},
        detach=True,
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)
        shutil.rmtree(folder)


def probe(container: Any) -> int:
    test = stack_service("redis")["healthcheck"]["test"]
    command = ["sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]
    return int(container.exec_run(command).exit_code)


def test_redis_is_healthy_with_its_password_and_shows_it_nowhere(engine, built):
    with redis(engine, built, REDIS_PASSWORD.encode() + b"\n") as container:
        for _ in range(50):
            if probe(container) == 0:
                break
            time.sleep(0.1)
        else:
            pytest.fail(container.logs().decode())
        assert b"NOAUTH" in container.exec_run(["redis-cli", "ping"]).output
        shown = container.exec_run(
            ["sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; cat /proc/1/comm"]
        ).output
        assert shown.decode().endswith("redis-server\n"), "redis is PID 1, so that it is the one that is told to stop"
        assert b"d\\is" not in shown
        container.reload()
        assert "d\\\\is" not in str(container.attrs)
        begun = time.monotonic()
        container.stop(timeout=10)
        assert time.monotonic() - begun < 5
        assert container.wait()["StatusCode"] == 0


@pytest.mark.parametrize("secret", [None, b"", b"\n"], ids=["missing", "empty", "newline"])
def test_redis_does_not_start_without_a_password(engine, built, secret):
    with redis(engine, built, secret) as container:
        assert container.wait(timeout=20)["StatusCode"] != 0
        assert b"REDIS_PASSWORD" in container.logs()
