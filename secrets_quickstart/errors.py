"""What can go wrong, as people are told it; not how it is shown (that is `report`).

Imports nothing of ours.  The exit statuses are those of the documentation: see docs/reference.md.
"""

from __future__ import annotations

from typing import ClassVar


class QuickstartError(Exception):
    """An expected failure: what happened, why, and one thing to do about it."""

    status: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", fix: str = "", log: tuple[str, ...] = ()) -> None:
        """`log` are the last lines of the thing that failed; none of the texts may hold a secret value."""
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.log = log

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what


class UsageError(QuickstartError):
    """The command was called wrongly."""

    status = 2


class SettingsError(QuickstartError):
    """`.env` or the environment holds something that cannot be used."""


class VaultError(QuickstartError):
    """The vault cannot be read or written."""


class MaterialError(QuickstartError):
    """A key, certificate or password is not what it should be."""


class ProcessError(QuickstartError):
    """A program could not be started or failed."""


class EngineError(QuickstartError):
    """Docker cannot be reached, refused, or is in the wrong state."""


class ImageError(QuickstartError):
    """An image cannot be built, pulled or found."""


class SecretConflict(QuickstartError):
    """The swarm holds a secret that the vault does not know, or another value of it."""


class HostError(QuickstartError):
    """Something on this machine stands in the way: a file, a directory, a right."""


class ServiceError(QuickstartError):
    """One of FlowKit's services answered wrongly or not at all."""


class PreflightFailed(QuickstartError):
    """Preflight found an obstacle."""

    status = 3


class NotConverged(QuickstartError):
    """Deployed, but the services did not come up in time."""

    status = 4


class VerificationFailed(QuickstartError):
    """Running, but not as promised."""

    status = 5


class Busy(QuickstartError):
    """Another run holds the vault."""
