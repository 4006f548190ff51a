"""Users, as admins see them. Under /admin/users."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import select

from flowauth import logs, passwords, sessions
from flowauth.fields import LONGEST_NAME
from flowauth.models import User, database
from flowauth.refusals import Refused
from flowauth.sessions import body, current_user, for_admins

blueprint = Blueprint("users", __name__, url_prefix="/admin/users")


@blueprint.get("")
@for_admins
def list_users() -> list[dict[str, object]]:
    query = select(User.id, User.username).order_by(User.id)
    return [{"id": user_id, "name": name} for user_id, name in database.session.execute(query)]


@blueprint.post("")
@for_admins
def add_user() -> dict[str, object]:
    fields = body()
    password = fields.text("password", missing="Password must be provided.")
    passwords.require_strong(password, "password")
    name = fields.text("username", missing="Username too short.", longest=LONGEST_NAME)
    user = User(
        username=name,
        is_admin="is_admin" in fields and fields.flag("is_admin"),
        require_two_factor="require_two_factor" in fields and fields.flag("require_two_factor"),
    )
    _require_free(name)
    user.password = passwords.hashed(password)
    database.session.add(user)
    database.session.commit()
    logs.say(logs.audit, "USER_ADDED", of=name, is_admin=user.is_admin)
    return {"id": user.id}


@blueprint.get("/<int(max=2147483647):user_id>")
@for_admins
def get_user(user_id: int) -> dict[str, object]:
    user = _user(user_id)
    return {
        "id": user.id,
        "name": user.username,
        "is_admin": bool(user.is_admin),
        "has_two_factor": user.has_two_factor,
        "require_two_factor": bool(user.require_two_factor),
        "roles": [{"id": role.id, "name": role.name} for role in user.roles],
    }


@blueprint.patch("/<int(max=2147483647):user_id>")
@for_admins
def edit_user(user_id: int) -> dict[str, object]:
    fields, user = body(), _user(user_id)
    if "username" in fields:
        name = fields.text("username", missing="Username too short.", longest=LONGEST_NAME)
        if name != user.username:
            _require_free(name)
            user.username = name
    if fields.members.get("password"):
        password = fields.text("password")
        passwords.require_strong(password, "password")
        user.password = passwords.hashed(password)
    if "is_admin" in fields:
        is_admin = fields.flag("is_admin")
        if not is_admin:
            _require_another_admin(user, "Removing this user's admin rights would leave no admins.", "is_admin")
        user.is_admin = is_admin
    if "require_two_factor" in fields:
        user.require_two_factor = fields.flag("require_two_factor")
    if "has_two_factor" in fields and not fields.flag("has_two_factor") and user.two_factor is not None:
        database.session.delete(user.two_factor)
    database.session.commit()
    if user.id == current_user().id:
        sessions.renew(user)
    logs.say(logs.audit, "USER_EDITED", of=user.username, edited=sorted(set(fields.members)))
    return {"id": user.id}


@blueprint.delete("/<int(max=2147483647):user_id>")
@for_admins
def remove_user(user_id: int) -> dict[str, object]:
    user = _user(user_id)
    _require_another_admin(user, "Removing this user would leave no admins.", None)
    name = user.username
    database.session.delete(user)
    database.session.commit()
    logs.say(logs.audit, "USER_REMOVED", of=name)
    return {"poll": "OK"}


def _user(user_id: int) -> User:
    user = database.session.get(User, user_id)
    if user is None:
        raise Refused("There is no such user.", 404)
    return user


def _require_free(name: str) -> None:
    with database.session.no_autoflush:
        if database.session.scalar(select(User.id).where(User.username == name)) is not None:
            raise Refused("Username already exists.", bad_field="username")


def _require_another_admin(user: User, message: str, field: str | None) -> None:
    """Locks the admins, lest two of them remove each other."""
    if user.is_admin:
        admins = database.session.scalars(select(User.id).where(User.is_admin.is_(True)).with_for_update()).all()
        if set(admins) <= {user.id}:
            raise Refused(message, bad_field=field)
