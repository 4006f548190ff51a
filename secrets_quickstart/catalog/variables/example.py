"""The text of `.env.example`, made from the table; not read by anything."""

from __future__ import annotations

import textwrap

from secrets_quickstart.catalog.components import BY_NAME as COMPONENTS
from secrets_quickstart.catalog.variables import GROUPS
from secrets_quickstart.catalog.variables.variable import Variable

WIDTH = 100

HEADER = """\
Every variable that you may set. Copy this file to .env and take the # away from a line to change its value.
The process environment comes before .env. No password or key belongs here: those are in the vault.
Made from the tables in secrets_quickstart/catalog/variables; a test holds it to them."""


def example() -> str:
    """Every variable with its comment, commented out with its default, under its component's title."""
    blocks = [textwrap.indent(HEADER, "# ")]
    for component, variables in GROUPS:
        title = COMPONENTS[component].title if component else "The deployment"
        blocks.append(f"# ---- {title} ----")
        blocks += [_entry(variable) for variable in variables]
    return "\n\n".join(blocks) + "\n"


def _entry(variable: Variable) -> str:
    text = f"{variable.comment} Expects {variable.kind.expects}."
    if variable.otherwise:
        text += f" If unset: {variable.otherwise}"
    return f"{_comment(text)}\n#{variable.name}={_quoted(variable.default or '')}"


def _comment(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _quoted(text: str) -> str:
    return f"'{text}'" if set(text) & set(" {}#$") else text
