"""Signing in and out: /signin, /is_signed_in, /signout."""

from __future__ import annotations

from flask import Blueprint, request
from sqlalchemy import select

from flowauth import logs, passwords, sessions, two_factor
from flowauth.models import User, database
from flowauth.refusals import Refused, unauthorised
from flowauth.services import csrf, services
from flowauth.sessions import body, current_user, signed_in

blueprint = Blueprint("signing_in", __name__)
csrf.exempt(blueprint)


@blueprint.post("/signin")
def sign_in() -> dict[str, object]:
    fields = body()
    if "username" not in fields or "password" not in fields:
        raise Refused("Must supply username or password.")
    name, password = fields.text("username", shortest=0), fields.text("password", shortest=0)
    code = fields.text("two_factor_code", shortest=0) if "two_factor_code" in fields else ""
    throttle, address = services().throttle, request.remote_addr or ""
    throttle.check(name, address)
    user = database.session.scalar(select(User).where(User.username == name))
    stored = None if user is None else user.password
    # Hashing takes long, and needs no connection to the database meanwhile
    database.session.rollback()
    if not passwords.is_right(password, stored) or user is None:
        throttle.failed(name, address)
        # What was typed as a name may be a password
        logs.say(logs.audit, "SIGN_IN_REFUSED", username=None if user is None else name)
        raise unauthorised("Incorrect username or password.")
    if user.has_two_factor:
        if not code:
            raise Refused("Must supply a two-factor authentication code.", need_two_factor=True)
        try:
            two_factor.require_valid(user, code)
        except Refused:
            throttle.failed(name, address)
            logs.say(logs.audit, "CODE_REFUSED", username=name)
            raise
    throttle.succeeded(name, address)
    sessions.begin(user)
    logs.say(logs.audit, "SIGNED_IN", username=name)
    return _state(user)


@blueprint.get("/is_signed_in")
@signed_in
def is_signed_in() -> dict[str, object]:
    return _state(current_user())


@blueprint.get("/signout")
@signed_in
def sign_out() -> dict[str, object]:
    logs.say(logs.audit, "SIGNED_OUT", username=current_user().username)
    sessions.end()
    return {"logged_in": False}


def _state(user: User) -> dict[str, object]:
    return {
        "logged_in": True,
        "is_admin": bool(user.is_admin),
        "require_two_factor_setup": user.must_set_up_two_factor,
    }
