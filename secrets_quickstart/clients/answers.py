"""The ways in which a service's answer can be no; not who says it."""

from __future__ import annotations

from secrets_quickstart.errors import ServiceError


class Refused(ServiceError):
    """It answered, and did not let us in: a wrong password, none, or an untrusted certificate."""


class Forbidden(ServiceError):
    """It let us in, and what was asked is not ours to ask."""
