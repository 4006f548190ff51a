"""Users and roles that FlowAuth has for as long as a verification lasts; what is asked with them is in its own module.

They are known by their names, which no person has: FlowAuth's other users and roles are only read.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flowauth import CodeNeeded, FlowauthClient, TooManyAttempts
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.flowauth_records import Limits, Server
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import QuickstartError, ServiceError
from secrets_quickstart.material.passwords import password as new_password
from secrets_quickstart.sensitive import Sensitive

if TYPE_CHECKING:
    from types import TracebackType

PREFIX = "flowkit-verify-"
NAME = re.compile(rf"{PREFIX}([0-9a-f]{{8,12}})-[0-9a-f]{{8}}")
"""With the time when it was made, so that what a killed run left is told from what another one is using."""

LONGEST_RUN = 900
"""Seconds: no verification takes so long, so what is older was left behind."""

LIFETIME = timedelta(minutes=15)
"""Of the tokens made here; a query that takes longer is ended before."""

PASSWORD_LENGTH = 24
ADMIN, ADMIN_PASSWORD = "FLOWAUTH_ADMIN_USER", "FLOWAUTH_ADMIN_PASSWORD"


class Closed(Exception):
    """The vault's password is the admin's, and does not open FlowAuth by itself; the message says why."""


class Guest(FlowauthClient):
    """A user who is there for a while."""

    def __init__(self, place: Place, name: str, password: Sensitive) -> None:
        super().__init__(place)
        self.name = name
        self.password = password

    def enter(self, code: str = "") -> None:
        """Sign in."""
        self.sign_in(self.name, self.password, code)


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where FlowAuth is, and who its admin is by the vault."""

    place: Place
    admin: str
    password: Sensitive


@dataclass(slots=True)
class Guests:
    """Those of one verification: used by several threads, and gone when the context ends.

    The admin signs in once for all of them, so that a wrong password counts as one attempt.
    """

    _lock: threading.RLock = field(default_factory=threading.RLock)
    _keeper: FlowauthAdmin | None = None
    _failure: QuickstartError | Closed | None = None
    _users: list[str] = field(default_factory=list)
    _roles: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._keeper is not None:
                try:
                    self._see_off(self._keeper)
                finally:
                    self._keeper.close()
            self._keeper = self._failure = None

    @contextmanager
    def admin(self, entrance: Entrance) -> Iterator[FlowauthAdmin]:
        """The admin's session, for one thread at a time.  Raises Closed, and what signing in raises."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._keeper is None:
                try:
                    self._keeper = _signed_in(entrance)
                except (QuickstartError, Closed) as failure:
                    self._failure = failure
                    raise
                _remove_left_overs(self._keeper)
            yield self._keeper

    def add(self, entrance: Entrance) -> Guest:
        """A new user, who is not signed in; close it."""
        guest = Guest(entrance.place, new_name(), new_password(PASSWORD_LENGTH))
        with self.admin(entrance) as admin:
            self._users.append(guest.name)  # before it is there: an answer may be lost
            admin.add_user(guest.name, guest.password)
        return guest

    def give_role(self, entrance: Entrance, guest: Guest, server: Server, scopes: Collection[str]) -> str:
        """Make a role with these scopes, put the guest into it, and return its name."""
        name = new_name()
        limits = Limits(LIFETIME, server.limits.latest_expiry).within(server.limits)
        with self.admin(entrance) as admin:
            self._roles.append((server.name, name))
            admin.add_role(server.name, name, scopes, limits)
            admin.put_into_role(server.name, name, guest.name)
        return name

    def _see_off(self, keeper: FlowauthAdmin) -> None:
        """What cannot be removed, the next verification removes."""
        for user in self._users:
            with suppress(ServiceError):
                keeper.remove_user(user)
        for server, role in self._roles:
            with suppress(ServiceError):
                keeper.remove_role(server, role)
        self._users.clear()
        self._roles.clear()


def new_name() -> str:
    return f"{PREFIX}{int(time.time()):x}-{secrets.token_hex(4)}"


def is_left_over(name: str, now: float) -> bool:
    """Whether a verification made it that cannot be running any more."""
    found = NAME.fullmatch(name)
    return found is not None and not now - LONGEST_RUN < int(found[1], 16) <= now + LONGEST_RUN


def _signed_in(entrance: Entrance) -> FlowauthAdmin:
    keeper = FlowauthAdmin(entrance.place)
    try:
        _enter(keeper, entrance)
    except BaseException:
        keeper.close()
        raise
    return keeper


def _enter(keeper: FlowauthAdmin, entrance: Entrance) -> None:
    try:
        state = keeper.sign_in(entrance.admin, entrance.password)
    except CodeNeeded:
        raise Closed(f"{entrance.admin} needs a two-factor code besides") from None
    except TooManyAttempts:
        raise
    except Refused as refusal:
        fix = RESTART_FIX if "password" in refusal.why else refusal.fix
        raise Refused(refusal.what, why=refusal.why, fix=fix) from None
    if state.must_set_up_two_factor:
        raise Closed(f"{entrance.admin} has to set up two-factor authentication first")
    if not state.is_admin:
        raise ServiceError(f"{entrance.admin} is no admin of FlowAuth", fix=RESTART_FIX)


RESTART_FIX = (
    "let FlowAuth start again, which gives its admin the vault's password: "
    "docker service update --force with the name of its service"
)


def _remove_left_overs(keeper: FlowauthAdmin) -> None:
    now = time.time()
    for user in keeper.user_names():
        if is_left_over(user, now):
            with suppress(ServiceError):
                keeper.remove_user(user)
    for role in keeper.roles():
        if is_left_over(role.name, now):
            with suppress(ServiceError):
                keeper.remove_role(role.server, role.name)
