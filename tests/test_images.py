"""What a local image is made of decides what it is called."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from secrets_quickstart.catalog.images import IMAGES
from secrets_quickstart.errors import ImageError
from secrets_quickstart.swarm import images

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (("base/base.toml", "a"), ("redis/Dockerfile", "FROM x"), ("redis/conf/one", "1")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def reference(folder: Path, name: str = "redis") -> str:
    return images.recipes(folder, [name])[name].reference


def test_a_reference_is_the_local_repository_and_twelve_digits_of_the_inputs(folder):
    recipe = images.recipes(folder, ["redis"])["redis"]
    assert recipe.reference == f"flowkit/redis:local-{recipe.inputs[:12]}"


def test_the_same_inputs_in_another_place_give_the_same_reference(folder, tmp_path_factory):
    import shutil

    other = shutil.copytree(folder, tmp_path_factory.mktemp("other") / "images")
    assert reference(other) == reference(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "redis/Dockerfile").write_text("FROM y"),
        lambda folder: (folder / "redis/conf/one").rename(folder / "redis/conf/two"),
        lambda folder: (folder / "redis/conf/one").chmod(0o755),
        lambda folder: (folder / "redis/new").write_text(""),
        lambda folder: (folder / "base/base.toml").write_text("b"),
    ],
    ids=["content", "name", "mode", "new file", "base"],
)
def test_any_change_of_inputs_gives_another_reference(folder, change):
    before = reference(folder)
    change(folder)
    assert reference(folder) != before


def test_content_moved_between_two_files_gives_another_reference(folder):
    (folder / "redis/conf/a").write_text("12")
    (folder / "redis/conf/b").write_text("3")
    before = reference(folder)
    (folder / "redis/conf/a").write_text("1")
    (folder / "redis/conf/b").write_text("23")
    assert reference(folder) != before


def test_what_python_and_the_umask_leave_behind_changes_nothing(folder):
    before = reference(folder)
    (folder / "redis/__pycache__").mkdir()
    (folder / "redis/__pycache__/x.cpython-311.pyc").write_bytes(b"1")
    (folder / "redis/.ruff_cache").mkdir()
    (folder / "redis/.ruff_cache/0.1").write_text("x")
    (folder / "redis/Dockerfile").chmod(0o600)
    assert reference(folder) == before


def test_a_base_comes_before_what_stands_on_it_and_only_once(folder):
    assert list(images.recipes(folder, ["redis", "base", "redis"])) == ["base", "redis"]


def test_the_context_is_what_was_hashed_and_always_the_same_bytes(folder):
    recipe = images.recipes(folder, ["redis"])["redis"]
    (folder / "redis/__pycache__").mkdir()
    (folder / "redis/__pycache__/x.pyc").write_bytes(b"1")
    again = images.recipes(folder, ["redis"])["redis"]
    with tarfile.open(fileobj=io.BytesIO(recipe.context())) as archive:
        assert {member.name: oct(member.mode) for member in archive} == {"Dockerfile": "0o644", "conf/one": "0o644"}
    assert recipe.context() == again.context()


def test_an_image_that_does_not_exist_is_an_error_that_names_those_that_do(folder):
    with pytest.raises(ImageError, match="nonsense") as caught:
        images.recipes(folder, ["nonsense"])
    assert "redis" in caught.value.fix


def test_a_missing_folder_is_an_error(folder):
    with pytest.raises(ImageError, match="missing or empty"):
        images.recipes(folder, ["flowdb"])


def test_the_variables_put_a_reference_together_as_the_stack_files_do(folder):
    recipes = images.recipes(folder, ["redis"])
    found = images.variables(recipes.values())
    assert found == {"REDIS_IMAGE": "flowkit/redis", "REDIS_TAG": "local", "REDIS_PIN": recipes["redis"].pin}
    assert f"{found['REDIS_IMAGE']}:{found['REDIS_TAG']}{found['REDIS_PIN']}" == recipes["redis"].reference


def test_every_image_has_a_folder_that_its_recipe_reads():
    wanted = [image.name for image in IMAGES]
    recipes = images.recipes(REPOSITORY / "images", wanted)
    assert set(recipes) == set(wanted)
    for recipe in recipes.values():
        names = {entry.name for entry in recipe.entries}
        assert ("base.toml" if recipe.image.built_on is None else "Dockerfile") in names


def test_no_image_names_a_package_registry_or_a_frontend_to_pull():
    for recipe in images.recipes(REPOSITORY / "images", [image.name for image in IMAGES]).values():
        for entry in recipe.entries:
            text = entry.content.decode(errors="replace")
            assert "# syntax" not in text, entry.name
            for registry in ("debian" + ".org", "pypi" + ".org", "pythonhosted" + ".org", "docker" + ".io"):
                assert registry not in text, f"{recipe.name}/{entry.name}"
