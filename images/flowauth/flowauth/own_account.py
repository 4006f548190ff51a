"""One's own account: password, two-factor authentication, roles. Under /user."""

from __future__ import annotations

import segno
from flask import Blueprint, request
from sqlalchemy import delete, select

from flowauth import logs, passwords, sessions, two_factor
from flowauth.limits import written
from flowauth.models import BackupCode, Role, Server, TwoFactor, User, database
from flowauth.refusals import Refused
from flowauth.services import services
from flowauth.sessions import body, current_user, fully_signed_in, signed_in

blueprint = Blueprint("own_account", __name__, url_prefix="/user")


@blueprint.get("")
@signed_in
def myself() -> dict[str, object]:
    """Not in the official FlowAuth; the web page asks."""
    user = current_user()
    return {
        "id": user.id,
        "name": user.username,
        "is_admin": bool(user.is_admin),
        "has_two_factor": user.has_two_factor,
        "require_two_factor": bool(user.require_two_factor),
    }


@blueprint.patch("/password")
@signed_in
def set_password() -> dict[str, object]:
    fields, user = body(), current_user()
    old = fields.text("password", missing="Missing old password.")
    new = fields.text("newPassword", missing="Missing new password.")
    throttle, address = services().throttle, request.remote_addr or ""
    throttle.check(user.username, address)
    if not passwords.is_right(old, user.password):
        throttle.failed(user.username, address)
        raise Refused("Password incorrect.", bad_field="password")
    passwords.require_strong(new, "newPassword")
    user.password = passwords.hashed(new)
    database.session.commit()
    sessions.renew(user)
    logs.say(logs.audit, "PASSWORD_CHANGED")
    return {}


@blueprint.get("/two_factor_active")
@signed_in
def two_factor_active() -> dict[str, object]:
    return {"two_factor_enabled": current_user().has_two_factor}


@blueprint.get("/two_factor_required")
@signed_in
def two_factor_required() -> dict[str, object]:
    return {"require_two_factor": bool(current_user().require_two_factor)}


@blueprint.post("/enable_two_factor")
@signed_in
def enable_two_factor() -> dict[str, object]:
    """Nothing is stored until it is confirmed. The QR code is an image as a data: URL."""
    user, secret = current_user(), two_factor.new_secret()
    url = two_factor.provisioning_url(user.username, secret)
    codes = two_factor.new_backup_codes()
    return {
        "provisioning_url": url,
        "qr_code": segno.make(url, micro=False).svg_data_uri(scale=4, border=4, light="white"),
        "secret": two_factor.sign_secret(secret, user.id),
        "issuer": services().configuration.two_factor_issuer,
        "backup_codes": codes,
        "backup_codes_signature": two_factor.sign_codes(codes, user.id),
    }


@blueprint.post("/confirm_two_factor")
@signed_in
def confirm_two_factor() -> dict[str, object]:
    fields, user = body(), current_user()
    code = fields.text("two_factor_code", missing="Must supply a two-factor authentication code.")
    signature = fields.text("secret", missing="Must supply a two-factor authentication secret.")
    codes = fields.text("backup_codes_signature", missing="Must supply signed backup codes.", longest=8192)
    secret = two_factor.signed_secret(signature, user.id)
    backups = two_factor.signed_codes(codes, user.id)
    two_factor.require_code(user.id, secret, code)
    sealed = services().configuration.fernet.encrypt(secret.encode()).decode()
    if user.two_factor is not None:
        database.session.delete(user.two_factor)
        database.session.flush()
        database.session.expire(user, ["two_factor"])
    user.two_factor = TwoFactor(user_id=user.id, enabled=True, secret_key=sealed, backups=backups)
    database.session.commit()
    logs.say(logs.audit, "TWO_FACTOR_ENABLED")
    return {"two_factor_enabled": True}


@blueprint.post("/disable_two_factor")
@signed_in
def disable_two_factor() -> dict[str, object]:
    user = current_user()
    if user.require_two_factor:
        raise Refused("An admin has made two-factor authentication a must for this user.")
    if user.two_factor is not None:
        database.session.delete(user.two_factor)
        database.session.commit()
        logs.say(logs.audit, "TWO_FACTOR_DISABLED")
    return {"two_factor_enabled": False}


@blueprint.get("/generate_two_factor_backups")
@signed_in
def generate_backups() -> dict[str, object]:
    """Nothing is stored until they are confirmed."""
    codes = two_factor.new_backup_codes()
    return {"backup_codes": codes, "backup_codes_signature": two_factor.sign_codes(codes, current_user().id)}


@blueprint.post("/generate_two_factor_backups")
@signed_in
def confirm_backups() -> dict[str, object]:
    fields, user = body(), current_user()
    signature = fields.text("backup_codes_signature", missing="Must supply signed backup codes.", longest=8192)
    backups = two_factor.signed_codes(signature, user.id)
    if user.two_factor is None:
        raise Refused("Two-factor authentication is not set up.", 404)
    database.session.execute(delete(BackupCode).where(BackupCode.auth_id == user.id))
    for backup in backups:
        backup.auth_id = user.id
        database.session.add(backup)
    database.session.commit()
    logs.say(logs.audit, "BACKUP_CODES_RENEWED")
    return {"backups_reset": True}


@blueprint.get("/roles/server/<int(max=2147483647):server_id>")
@fully_signed_in
def own_roles(server_id: int) -> list[dict[str, object]]:
    """Those of other users are not told."""
    user = current_user()
    if database.session.get(Server, server_id) is None:
        raise Refused("There is no such server.", 404)
    roles = database.session.scalars(
        select(Role).join(Role.users).where(User.id == user.id, Role.server_id == server_id).order_by(Role.name)
    )
    return [
        {
            "id": role.id,
            "name": role.name,
            "scopes": [scope.id for scope in role.scopes],
            "latest_token_expiry": written(role.latest_token_expiry),
            "longest_token_life_minutes": role.longest_token_life_minutes,
            "server": role.server_id,
            "users": [user.id],
        }
        for role in roles
    ]
