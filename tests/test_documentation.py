"""What the documentation says is there."""

import re
import sys
from pathlib import Path

import pytest

from secrets_quickstart import errors

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/reference.md")


@pytest.fixture(scope="module")
def commands():
    """Every command by its names, as invoke itself lists them."""
    sys.path.insert(0, str(ROOT))
    from tasks import ns

    return {name: ns[full] for full, others in ns.task_names.items() for name in (full, *others)}


def mentioned(text):
    return re.findall(r"invoke ((?:[a-z]+\.)?[a-z][a-z-]*)(?![\w.])", text)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_mentioned_exists(page, commands):
    names = mentioned((ROOT / page).read_text())

    assert names
    assert [name for name in names if name not in commands] == []


def test_every_command_is_in_the_reference(commands):
    reference = (ROOT / "docs/reference.md").read_text()

    assert [name for name in commands if f"`{name}" not in reference] == []


def test_every_flag_that_is_mentioned_exists(commands):
    for page in PAGES:
        for line in (ROOT / page).read_text().splitlines():
            for name, rest in re.findall(r"invoke ((?:[a-z]+\.)?[a-z][a-z-]*)((?: [^`#]*)?)", line):
                flags = {flag for argument in commands[name].get_arguments() for flag in argument.names}
                for flag in re.findall(r"--([a-z-]+)", rest):
                    assert flag.replace("-", "_") in flags or flag in flags, f"{page}: {name} --{flag}"


def test_the_exit_statuses_are_those_of_the_errors():
    reference = (ROOT / "docs/reference.md").read_text()
    rows = {int(status) for status in re.findall(r"^\| (\d+) \|", reference, re.MULTILINE)}
    every = (kind for kind in vars(errors).values() if isinstance(kind, type))
    kinds = [kind for kind in every if issubclass(kind, errors.QuickstartError)]

    assert {kind.status for kind in kinds} | {0, 130} == rows


def test_links_lead_somewhere():
    for page in (*PAGES, "CHANGELOG.md"):
        path = ROOT / page
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{page}: {target}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 120
