"""Images are chosen once, kept when they are right, and never mixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from secrets_quickstart.catalog.images import Image
from secrets_quickstart.errors import ImageError
from secrets_quickstart.steps.images import Build, Choice, Facts, ImagesStep, Mode, Pull, Wish
from secrets_quickstart.swarm import images
from secrets_quickstart.swarm.registry import Account, LoginRefused, Official, Registry, repository
from tests.fakes import FakeApi, FakeEngine

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
TAGS = {"CONTAINER_TAG": "1.34.0", "REDIS_TAG": "7.2"}


class ImagesApi(FakeApi):
    """The fake engine's API, with images: digests by reference."""

    def __init__(self, engine: FakeEngine, held: Mapping[str, str]) -> None:
        super().__init__(engine)
        self.held = dict(held)

    def images(self, filters: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return [
            {
                "RepoTags": [tag],
                "RepoDigests": [digest] if digest else [],
                "Labels": {images.NAME_LABEL: tag.partition("/")[2].partition(":")[0]},
                "Size": 1,
                "Created": 0,
            }
            for tag, digest in self.held.items()
            if filters is None or tag.startswith("flowkit/")
        ]

    def inspect_image(self, reference: str) -> dict[str, Any]:
        return {"RepoDigests": [self.held[reference]]}

    def services(self, filters: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return [
            {
                "ID": name,
                "Version": {"Index": 1},
                "Spec": {
                    "Name": f"flowkit_{name}",
                    "Mode": {"Replicated": {"Replicas": 1}},
                    "TaskTemplate": {"ContainerSpec": {"Image": image}},
                },
            }
            for name, image in self.deployed.items()
        ]

    deployed: Mapping[str, str] = {}


class ImagesEngine(FakeEngine):
    def __init__(self, held: Mapping[str, str], deployed: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        self.images_api = ImagesApi(self, held)
        self.images_api.deployed = deployed

    @property
    def api(self) -> Any:
        return self.images_api


@dataclass(frozen=True, slots=True)
class FakeRegistry(Registry):
    """Has every image at one digest, or answers with a problem; notes what it is asked."""

    problems: list[ImageError] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)

    def official(self, image: Image, tag: str, within: float = 0) -> Official:
        self.asked.append(image.name)
        if self.problems:
            raise self.problems[0]
        return Official(image, repository(image, self.prefix), tag, DIGEST)

    def pull(self, reference: str, tell: Any) -> None:
        self.pulled.append(reference)

    @property
    def has_login(self) -> bool:
        return self.account is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("base", "redis", "flowdb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(name)
    return tmp_path


def make(
    folder: Path,
    mode: Mode,
    *,
    names: tuple[str, ...] = ("flowdb", "redis"),
    held: Mapping[str, str] | None = None,
    deployed: Mapping[str, str] | None = None,
    problem: ImageError | None = None,
    account: Account | None = None,
    **options: Any,
) -> tuple[ImagesStep, FakeRegistry]:
    engine = ImagesEngine(held or {}, deployed or {}, **options)
    source = FakeRegistry(engine, "", account, [problem] if problem else [])
    wish = Wish(names, mode, folder, TAGS, "flowkit")
    return ImagesStep(engine, wish, source, {"PATH": "/bin"}, lambda _states: None), source


def references(folder: Path) -> dict[str, str]:
    return {name: recipe.reference for name, recipe in images.recipes(folder, ["flowdb", "redis"]).items()}


UNREACHED = ImageError("flowminder/flowdb:1.34.0 cannot be had", why="the registry cannot be reached")


def test_local_images_that_are_missing_are_built_their_base_first(folder):
    step, source = make(folder, "local")
    plan = step.plan(step.look())
    assert [action.name for action in plan.actions if isinstance(action, Build)] == ["base", "flowdb", "redis"]
    assert source.asked == []


def test_local_images_that_are_there_are_left_alone_and_so_is_a_base_that_is_not_needed(folder):
    current = references(folder)
    step, _ = make(folder, "local", held={current["flowdb"]: "", current["redis"]: ""})
    plan = step.plan(step.look())
    assert plan.actions == ()
    assert {line.subject for line in plan.unchanged} == {"source of images", *current.values()}


def test_an_image_of_former_inputs_is_built_anew_and_the_plan_says_why(folder):
    current = references(folder)
    held = {current["base"]: "", current["redis"]: "", "flowkit/flowdb:local-000000000000": ""}
    step, _ = make(folder, "local", held=held)
    (action,) = step.plan(step.look()).actions
    assert str(action) == f"build {current['flowdb']}: its inputs changed"


def test_auto_takes_official_images_when_the_registry_has_them(folder):
    step, _ = make(folder, "auto")
    plan = step.plan(step.look())
    assert plan.actions == (
        Pull("flowdb", f"flowminder/flowdb:1.34.0@{DIGEST}"),
        Pull("redis", f"redis:7.2@{DIGEST}"),
    )
    assert step.environment()["FLOWDB_PIN"] == f"@{DIGEST}"


def test_auto_falls_back_to_local_images_for_all_and_says_why(folder):
    step, source = make(folder, "auto", problem=UNREACHED)
    plan = step.plan(step.look())
    assert all(isinstance(action, Build) for action in plan.actions)
    assert any("cannot be reached" in str(line) for line in plan.unchanged)
    assert source.asked == ["flowdb"], "one question is enough when nobody answers"
    assert step.environment()["REDIS_IMAGE"] == "flowkit/redis"


def test_auto_does_not_paper_over_a_login_that_was_configured_and_refused(folder, tmp_path):
    problem = LoginRefused("x cannot be had", why="the registry wants a login")
    step, _ = make(folder, "auto", problem=problem, account=Account("u", tmp_path))
    with pytest.raises(LoginRefused):
        step.look()
    step, _ = make(folder, "auto", problem=problem)
    assert step.look().choice.local


def test_official_images_are_an_error_when_they_cannot_be_had(folder):
    step, _ = make(folder, "official", problem=UNREACHED)
    with pytest.raises(ImageError, match="cannot be reached"):
        step.look()


def test_auto_stays_with_the_local_images_that_the_stack_runs(folder):
    step, source = make(folder, "auto", deployed={"flowdb": "flowkit/flowdb:local-000000000000"})
    assert step.look().choice.local
    assert source.asked == []


def test_auto_does_not_replace_official_images_that_run_by_local_ones(folder):
    step, _ = make(folder, "auto", deployed={"flowdb": f"flowminder/flowdb:1.33.0@{DIGEST}"}, problem=UNREACHED)
    with pytest.raises(ImageError, match="cannot be reached"):
        step.look()


def test_an_official_image_that_was_pulled_stays_without_asking_although_its_tag_may_have_moved(folder):
    held = {"flowminder/flowdb:1.34.0": f"flowminder/flowdb@{OTHER}", "redis:7.2": f"redis@{OTHER}"}
    step, source = make(folder, "official", held=held)
    assert step.plan(step.look()).actions == ()
    assert source.asked == []
    assert step.environment()["FLOWDB_PIN"] == f"@{OTHER}"


def test_a_digest_of_another_registry_does_not_count(folder):
    held = {"flowminder/flowdb:1.34.0": f"elsewhere.example/flowdb@{OTHER}"}
    step, source = make(folder, "official", names=("flowdb",), held=held)
    assert len(step.plan(step.look()).actions) == 1
    assert source.asked == ["flowdb"]


def test_the_choice_is_made_once_but_what_the_engine_holds_is_seen_afresh(folder):
    step, source = make(folder, "auto", names=("redis",))
    step.act(step.plan(step.look()).actions)
    source.problems.append(UNREACHED)
    assert len(step.plan(step.look()).actions) == 1, "nothing was pulled really"
    assert source.pulled == [f"redis:7.2@{DIGEST}"]
    step._engine.images_api.held["redis:7.2"] = f"redis@{DIGEST}"  # type: ignore[attr-defined]
    assert step.plan(step.look()).actions == ()
    assert source.asked == ["redis"]


def test_without_a_swarm_nothing_is_deployed_and_the_registry_decides(folder):
    step, source = make(folder, "auto", names=("redis",), state="inactive", manager=False)
    assert step.look().choice.official
    assert source.asked == ["redis"]


def test_the_nodes_need_a_login_only_for_official_images_of_an_account(folder, tmp_path):
    account = Account("u", tmp_path / "password")
    assert not make(folder, "official")[0].registry_auth
    assert make(folder, "official", account=account)[0].registry_auth
    step, _ = make(folder, "local", account=account)
    assert not step.registry_auth
    assert "DOCKER_CONFIG" not in step.environment()
    assert "DOCKER_CONFIG" in make(folder, "official", account=account)[0].environment()


def test_the_same_facts_give_the_same_plan(folder):
    step, _ = make(folder, "local")
    facts = Facts(Choice("x", local=tuple(images.recipes(folder, ["redis"]).values())), frozenset())
    assert step.plan(facts) == step.plan(facts)
