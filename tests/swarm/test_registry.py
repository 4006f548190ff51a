"""Official images on a real engine, pulled from a registry on loopback to which ours were pushed under their names."""

from __future__ import annotations

import io
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound

from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.catalog.images import BY_NAME, IMAGES
from secrets_quickstart.host import processes
from secrets_quickstart.steps.images import Build, ImagesStep, Pull, Wish
from secrets_quickstart.swarm import building, images
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.registry import Account, LoginRefused, Registry
from tests.swarm.machine import REPOSITORY, Machine, execute, objects
from tests.swarm.machine import engine as api
from tests.swarm.neighbour import neighbour
from tests.swarm.registries import PASSWORD, USER, two_doors

pytestmark = pytest.mark.swarm

TAGS = {row.tag_variable: row.tag for row in IMAGES if row.tag_variable}
USED = {service.image for part in COMPONENTS for service in part.services}
STACK = "selftest-official"


@pytest.fixture(scope="module")
def registry() -> Iterator[tuple[str, str]]:
    with two_doors() as addresses:
        yield addresses


@pytest.fixture
def pushed(engine, built, registry) -> Iterator[tuple[str, str]]:
    """The redis image under its official name behind both doors, and nowhere in the engine."""
    image = engine.client.images.get(built["redis"].reference)
    repository = f"{registry[0]}/mirror/redis"
    image.tag(repository, TAGS["REDIS_TAG"])
    said = engine.client.images.push(repository, TAGS["REDIS_TAG"])
    assert '"error"' not in said
    engine.client.images.remove(f"{repository}:{TAGS['REDIS_TAG']}")
    yield f"{registry[0]}/mirror", f"{registry[1]}/mirror"
    for reference in images.held(engine):
        if reference.startswith("127.0.0.1:"):
            with suppress(ImageNotFound, APIError):
                engine.client.images.remove(reference, force=True)


@pytest.fixture
def account(tmp_path) -> Account:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "password").chmod(0o600)
    return Account(USER, tmp_path / "password")


def step(engine: Engine, mode: Any, prefix: str, account: Account | None = None, tag: str = "") -> ImagesStep:
    tags = TAGS | ({"REDIS_TAG": tag} if tag else {})
    wish = Wish(("redis",), mode, REPOSITORY / "images", tags, "no-such-stack")
    return ImagesStep(engine, wish, Registry(engine, prefix, account), os.environ, lambda _states: None)


def test_an_official_image_is_pulled_pinned_and_then_left_alone(engine, pushed):
    wanted = step(engine, "official", pushed[0])
    (action,) = wanted.plan(wanted.look()).actions
    assert isinstance(action, Pull)
    wanted.act([action])
    found = wanted.environment()
    assert f"{found['REDIS_IMAGE']}:{found['REDIS_TAG']}{found['REDIS_PIN']}" == action.reference
    again = step(engine, "official", pushed[0])
    assert again.plan(again.look()).actions == ()


def test_auto_takes_the_registry_that_answers_and_builds_when_it_lacks_the_tag(engine, pushed):
    wanted = step(engine, "auto", pushed[0])
    assert isinstance(wanted.plan(wanted.look()).actions[0], Pull)
    other = step(engine, "auto", pushed[0], tag="none")
    plan = other.plan(other.look())
    assert not any(isinstance(action, Pull) for action in plan.actions)
    assert any("does not have it" in str(line) for line in plan.unchanged)


def test_a_registry_that_accepts_and_never_answers_costs_a_few_seconds(engine):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        wanted = step(engine, "auto", f"127.0.0.1:{silent.getsockname()[1]}")
        plan = wanted.plan(wanted.look())
        assert time.monotonic() - begun < 8
        assert all(isinstance(action, Build) for action in plan.actions)
        assert any("nothing came" in str(line) for line in plan.unchanged)


def test_a_private_registry_gives_to_the_account_and_to_nobody_else(engine, pushed, account, tmp_path):
    with pytest.raises(LoginRefused):
        step(engine, "official", pushed[1]).look()
    (tmp_path / "wrong").write_text("wrong")
    with pytest.raises(LoginRefused) as caught:
        step(engine, "auto", pushed[1], Account(USER, tmp_path / "wrong")).look()
    assert "wrong" not in str(caught.value)
    wanted = step(engine, "official", pushed[1], account)
    wanted.act(wanted.plan(wanted.look()).actions)
    assert wanted.plan(wanted.look()).actions == ()


def test_a_pull_is_told_as_it_goes(engine, pushed):
    source = Registry(engine, pushed[0])
    official = source.official(BY_NAME["redis"], TAGS["REDIS_TAG"])
    told: list[str] = []
    source.pull(official.reference, told.append)
    assert official.held_as in images.held(engine)
    assert all(line.startswith("pulling: ") for line in told)


def test_the_client_that_deploys_is_lent_the_login_and_stores_nothing(engine, pushed, account):
    """`docker stack deploy --with-registry-auth` looks a login up exactly as `docker pull` does."""
    wanted = step(engine, "official", pushed[1], account)
    wanted.look()
    assert wanted.registry_auth
    lent = wanted.environment()
    by_tag = f"{lent['REDIS_IMAGE']}:{lent['REDIS_TAG']}"  # a digest that it knows already, the engine does not ask for
    client = next(found.path for found in building.clients(os.environ) if found.command)
    plain = {**os.environ, "DOCKER_HOST": engine.host}
    assert processes.run([client, "pull", by_tag], env=plain, check=False).status != 0
    folder = Path(lent["DOCKER_CONFIG"])
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    processes.run([client, "pull", by_tag], env=plain | lent)
    assert by_tag in images.held(engine)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def push_everything(engine: Engine, registry: str, release: str = "") -> None:
    """All local images under their official names; afterwards the engine does not know them by these.

    With a release, those that have FlowKit's releases, as that one: the same but for a label, hence of other digests.
    """
    recipes = images.recipes(REPOSITORY / "images", sorted(USED))
    for name, recipe in recipes.items():
        row = BY_NAME[name]
        if not row.official or (release and row.tag_variable != "CONTAINER_TAG"):
            continue
        repository, tag = f"{registry}/mirror/{row.official}", release or TAGS[row.tag_variable]
        if release:
            lines = f"FROM {recipe.reference}\nLABEL release={release}\n"
            engine.client.images.build(fileobj=io.BytesIO(lines.encode()), tag=f"{repository}:{tag}")
        else:
            engine.client.images.get(recipe.reference).tag(repository, tag)
        assert '"error"' not in engine.client.images.push(repository, tag)
        engine.client.images.remove(f"{repository}:{tag}")


@pytest.fixture(scope="module")
def machine(engine, registry, tmp_path_factory) -> Iterator[Machine]:
    push_everything(engine, registry[0])
    variables = {"FLOWKIT_IMAGES": "official", "FLOWKIT_REGISTRY": f"{registry[0]}/mirror"}
    with neighbour(tmp_path_factory.mktemp("official") / "here", STACK, 24500, **variables) as made:
        yield made


def running() -> dict[str, str]:
    label = {"label": f"com.docker.stack.namespace={STACK}"}
    listed = api().services(filters=label)
    return {item["Spec"]["Name"]: item["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] for item in listed}


def test_a_deployment_from_a_registry_runs_what_was_pulled_pinned_by_digest(machine, registry):
    ended = machine.invoke("deploy", "--target", "flowapi")

    assert "images: pull" in ended.stderr
    assert len(running()) == 5
    for image in running().values():
        assert image.startswith(f"{registry[0]}/mirror/")
        assert "@sha256:" in image


def test_a_second_deployment_from_a_registry_changes_nothing(machine):
    before = objects(STACK)

    assert "nothing to do" in machine.invoke("deploy", "--target", "flowapi").stdout
    assert objects(STACK) == before


def test_auto_stays_with_the_official_images_that_run(machine):
    plan = machine.json("plan", "--target", "flowapi", FLOWKIT_IMAGES="auto")

    assert plan["changes"] == 0


def test_an_upgrade_to_another_release_pulls_it_and_keeps_all_that_is_in_flowdb(machine, engine, registry, tmp_path):
    push_everything(engine, registry[0], "1.34.1")
    ask = ("psql", "-U", "flowdb", "-d", "flowdb", "-Atc")
    execute(STACK, "flowdb", *ask, "CREATE TABLE mine AS SELECT 'kept' AS word")
    (tmp_path / "passphrase").write_text("of the tests, and long enough\n")
    (tmp_path / "passphrase").chmod(0o600)
    before = running()
    command = ("upgrade", "--tag", "1.34.1", f"--passphrase-file={tmp_path / 'passphrase'}")

    done = machine.json(*command, "--backup", str(tmp_path / "backups"))

    now = running()
    released = {f"{STACK}_{name}" for name in ("flowdb", "flowmachine", "cache_cleaner", "flowapi")}
    assert {name for name in now if now[name] != before[name]} == released
    assert {f"{STACK}_{change['service']}" for change in done["changes"]} == released
    for name in released:
        assert re.fullmatch(r"\S+:1\.34\.1@sha256:\w{64}", now[name])
        assert now[name].partition("@")[2] != before[name].partition("@")[2]
    assert execute(STACK, "flowdb", *ask, "SELECT word FROM mine").strip() == "kept"
    assert "CONTAINER_TAG=1.34.1" in (machine.folder / ".env").read_text().splitlines()
    assert "nothing to upgrade" in machine.invoke(*command).stdout
    assert "nothing to do" in machine.invoke("deploy", "--target", "flowapi").stdout


def test_auto_says_that_it_takes_local_images_where_no_registry_has_them(machine):
    nowhere = {"FLOWKIT_IMAGES": "auto", "FLOWKIT_REGISTRY": "127.0.0.1:1/none", "FLOWKIT_STACK": "selftest-nowhere"}
    ended = machine.invoke("plan", "--target", "flowdb", expect=2, **nowhere)

    assert "local ones:" in ended.stdout
