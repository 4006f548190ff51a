"""What a row of the table of variables holds; the rows are in the modules beside this one."""

from __future__ import annotations

from dataclasses import dataclass

from secrets_quickstart.catalog.variables.kind import Kind


@dataclass(frozen=True, slots=True)
class Variable:
    """One thing that an operator may set in `.env`.  Never a secret: those are rows of `catalog.secrets`."""

    name: str
    """FlowKit's documented name, or ours."""
    kind: Kind
    default: str | None
    """As it would stand in `.env`; None when it is worked out (`otherwise` says how) or left to the service."""
    comment: str
    """What it is, in whole sentences."""
    otherwise: str = ""
    """What happens when it is not set and `default` is None; finishes "If unset: …"."""
    also: tuple[str, ...] = ()
    """The other names under which FlowKit's code or stack files know it; the services get those too."""
