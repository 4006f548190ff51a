"""`.env.example` against the table it is made from."""

from __future__ import annotations

import re
from pathlib import Path

from secrets_quickstart.catalog.variables import VARIABLES
from secrets_quickstart.catalog.variables.example import example
from secrets_quickstart.settings import load

ROOT = Path(__file__).parents[1]
FILE = ROOT / ".env.example"
MAKE = "write what secrets_quickstart.catalog.variables.example.example() returns to .env.example"


def test_the_committed_file_is_what_the_table_gives():
    assert FILE.read_text() == example(), MAKE


def test_it_loads_as_it_is_and_sets_nothing(tmp_path):
    (tmp_path / ".env").write_text(FILE.read_text())
    assert load(tmp_path, {}).given == frozenset()


def test_with_every_line_uncommented_it_gives_the_defaults(tmp_path):
    defaults = load(tmp_path, {})
    (tmp_path / ".env").write_text(re.sub(r"(?m)^#(?=[A-Z])", "", FILE.read_text()))
    settings = load(tmp_path, {})
    assert settings.given == {row.name for row in VARIABLES if row.default}
    assert {name: settings[name] for name in settings} == {name: defaults[name] for name in defaults}


def test_every_variable_has_one_line():
    names = re.findall(r"(?m)^#([A-Z][A-Z0-9_]*)=", FILE.read_text())
    assert names == [row.name for row in VARIABLES]
