"""Sessions: who is signed in, by a signed cookie. Not how they prove who they are.

The cookie holds no rights: every request reads the user from the database. It dies with the password that it was
made under, twenty minutes after the last request, and twelve hours after signing in.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import timedelta
from typing import ParamSpec, TypeVar

from flask import g, request, session

from flowauth import logs
from flowauth.fields import Fields
from flowauth.models import User, database
from flowauth.refusals import Refused, unauthorised
from flowauth.services import services

IDLE = timedelta(minutes=20)
LONGEST = 12 * 3600  # seconds
P = ParamSpec("P")
R = TypeVar("R")


def begin(user: User) -> None:
    """Nothing of the session before this one is kept."""
    session.clear()
    session.permanent = True  # lapses IDLE after the last request
    session["user"] = user.id
    session["since"] = int(time.time())
    renew(user)


def renew(user: User) -> None:
    """Keeps this session, and no other one, alive when the user's password has changed."""
    session["proof"] = _proof(user)
    g.user = user


def end() -> None:
    session.clear()
    g.user = None


def current_user() -> User:
    """Raises Refused (401) when nobody is signed in."""
    if "user" not in g:
        g.user = _from_session()
        if g.user is not None:
            (logs.about_request.get() or {})["user"] = g.user.username
    user: User | None = g.user
    if user is None:
        raise unauthorised("Not signed in.")
    return user


def _from_session() -> User | None:
    user_id, since = session.get("user"), session.get("since")
    if not isinstance(user_id, int) or not isinstance(since, int) or time.time() - since > LONGEST:
        return None
    user = database.session.get(User, user_id)
    if user is None or not hmac.compare_digest(str(session.get("proof")), _proof(user)):
        return None
    return user


def _proof(user: User) -> str:
    key = services().configuration.secret_key.encode()
    return hmac.new(key, f"session of {user.id} under {user.password}".encode(), hashlib.sha256).hexdigest()[:32]


def signed_in(view: Callable[P, R]) -> Callable[P, R]:
    """For people's own affairs, setting up two-factor authentication among them."""

    @functools.wraps(view)
    def guarded(*arguments: P.args, **named: P.kwargs) -> R:
        current_user()
        return view(*arguments, **named)

    return guarded


def fully_signed_in(view: Callable[P, R]) -> Callable[P, R]:
    """Also refuses those who must set up two-factor authentication first."""

    @functools.wraps(view)
    def guarded(*arguments: P.args, **named: P.kwargs) -> R:
        _require_two_factor(current_user())
        return view(*arguments, **named)

    return guarded


def for_admins(view: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(view)
    def guarded(*arguments: P.args, **named: P.kwargs) -> R:
        user = current_user()
        if not user.is_admin:
            raise unauthorised("Only an admin may do that.")
        _require_two_factor(user)
        return view(*arguments, **named)

    return guarded


def _require_two_factor(user: User) -> None:
    if user.must_set_up_two_factor:
        raise unauthorised("Two-factor authentication must be set up first.", require_two_factor_setup=True)


def body() -> Fields:
    """Of the request. Raises Refused (400)."""
    if not request.is_json:
        raise Refused("The request's body is not JSON (Content-Type: application/json).")
    return Fields.parse(request.get_data())
