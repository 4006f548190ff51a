"""How preflight finds out which images are missing and what could bring them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from secrets_quickstart.checks.facts_images import ImageFacts, image_facts, official
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.checks.preflight import wanted
from secrets_quickstart.settings import Settings, load
from secrets_quickstart.swarm import images

REPOSITORY = Path(__file__).parents[1]
CURRENT = tuple(row.reference for row in images.recipes(REPOSITORY / "images", ("flowdb",)).values())


class FakeApi:
    """An engine that holds some images, and whose registry knows others."""

    base_url, api_version = "http+docker://localhost", "1.41"

    def __init__(self, held: tuple[str, ...], status: int = 404) -> None:
        self._held, self._status = held, status
        self.asked: list[str] = []

    def images(self) -> list[dict[str, Any]]:
        return [{"RepoTags": [name]} for name in self._held]

    def get(self, url: str, **_: Any) -> Any:
        self.asked.append(url)
        answer = {"Descriptor": {"digest": "sha256:1"}, "message": "manifest unknown"}
        return SimpleNamespace(status_code=self._status, json=lambda: answer)


def found(api: FakeApi, given: dict[str, str], *components: str) -> ImageFacts | Unknown:
    settings = settings_of(given)
    return image_facts(settings, wanted(settings, components), SimpleNamespace(api=api))  # type: ignore[arg-type]


def settings_of(given: dict[str, str], folder: Path = REPOSITORY) -> Settings:
    return load(folder, given)


def test_local_images_of_the_present_inputs_need_nothing():
    assert found(FakeApi(CURRENT), {"FLOWKIT_IMAGES": "local"}, "flowdb") == ImageFacts(())


def test_an_image_of_other_inputs_is_as_good_as_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    facts = found(FakeApi(("flowkit/flowdb:local-000000000000",)), {"FLOWKIT_IMAGES": "local"}, "flowdb")
    assert isinstance(facts, ImageFacts)
    assert (facts.missing, facts.without_base, facts.bootstrap) == (("flowdb",), True, False)


def test_the_base_image_is_not_asked_for_when_it_is_there():
    base = next(name for name in CURRENT if "/base:" in name)
    facts = found(FakeApi((base,)), {"FLOWKIT_IMAGES": "local"}, "flowdb")
    assert isinstance(facts, ImageFacts)
    assert not facts.without_base


def test_official_images_that_are_there_satisfy_auto():
    assert found(FakeApi(("flowminder/flowdb:1.34.0",)), {"FLOWKIT_IMAGES": "auto"}, "flowdb") == ImageFacts(())


def test_a_repository_without_its_images_folder_is_told(tmp_path):
    settings = settings_of({"FLOWKIT_IMAGES": "local"}, tmp_path)
    engine = SimpleNamespace(api=FakeApi(()))
    facts = image_facts(settings, wanted(settings, ("flowdb",)), engine)  # type: ignore[arg-type]
    assert isinstance(facts, Unknown)
    assert facts.fix


@pytest.mark.parametrize(("status", "refused"), [(200, False), (404, True)])
def test_a_registry_is_asked_for_an_official_image_that_is_missing(status, refused):
    api = FakeApi((), status)
    given = {"FLOWKIT_IMAGES": "official", "FLOWKIT_REGISTRY": "registry.example.org"}
    facts = found(api, given, "flowdb")
    assert isinstance(facts, ImageFacts)
    assert (facts.missing, facts.registry) == (("flowdb",), "registry.example.org")
    assert bool(facts.refusal) == bool(facts.fix) == refused
    assert "registry.example.org/flowminder/flowdb:1.34.0" in api.asked[0]


def test_no_registry_is_asked_for_what_is_there():
    api = FakeApi(("flowminder/flowdb:1.34.0",))
    assert found(api, {"FLOWKIT_IMAGES": "official"}, "flowdb") == ImageFacts(())
    assert api.asked == []


def test_official_images_are_named_as_in_the_stack_files():
    settings = settings_of({"FLOWKIT_REGISTRY": "registry.example.org:5000/mirror", "CONTAINER_TAG": "1.33.0"})
    names = official(settings, wanted(settings, ("flowdb", "flowmachine")))
    assert names["flowdb"] == "registry.example.org:5000/mirror/flowminder/flowdb:1.33.0"
    assert names["redis"].startswith("registry.example.org:5000/mirror/redis:")
