"""Two-factor authentication: codes, each good for one use, and backup codes. Not the views."""

from __future__ import annotations

import secrets
import string

import pyotp
from cryptography.fernet import InvalidToken
from itsdangerous import BadSignature, SignatureExpired, TimestampSigner, URLSafeTimedSerializer
from sqlalchemy import delete

from flowauth import passwords
from flowauth.models import BackupCode, TwoFactor, User, database
from flowauth.refusals import Refused, unauthorised
from flowauth.services import services

BACKUP_CODES, BACKUP_LENGTH = 16, 10
BACKUP_ALPHABET = string.ascii_letters + string.digits
PERIOD = 30  # seconds, of one code
SIGNATURE_SECONDS = 86400  # to finish setting up


def require_valid(user: User, code: str) -> None:
    """Takes a code or a backup code, which is used up by that. Raises Refused (401, 429)."""
    throttle = services().throttle
    throttle.check_code(user.id)
    if user.two_factor is None or not (_takes_code(user.two_factor, code) or _takes_backup_code(user.two_factor, code)):
        throttle.failed_code(user.id)
        raise unauthorised("Code not valid.")


def require_code(user_id: int, secret: str, code: str) -> None:
    """For setting up. Raises Refused (401, 429)."""
    throttle = services().throttle
    throttle.check_code(user_id)
    if not _is_unused_code(user_id, secret, code):
        throttle.failed_code(user_id)
        raise unauthorised("Code not valid.")


def _takes_code(two_factor: TwoFactor, code: str) -> bool:
    try:
        secret = services().configuration.fernet.decrypt(two_factor.secret_key.encode()).decode()
    except InvalidToken as problem:
        raise Refused("The two-factor secret was stored under another FLOWAUTH_FERNET_KEY.", 503) from problem
    return _is_unused_code(two_factor.user_id, secret, code)


def _is_unused_code(user_id: int, secret: str, code: str) -> bool:
    code = code.replace(" ", "")
    window = services().configuration.two_factor_window
    if not (code.isascii() and code.isdigit()) or not pyotp.TOTP(secret).verify(code, valid_window=window):
        return False
    # Remembered for as long as any clock here may still find it valid
    return services().memory.first(f"used:{user_id}:{code}", PERIOD * (2 * window + 2))


def _takes_backup_code(two_factor: TwoFactor, code: str) -> bool:
    if len(code) != BACKUP_LENGTH or not code.isalnum():
        return False
    for backup in two_factor.backups:
        if passwords.is_code(code, backup.code):
            # Of two who delete it at once, one deletes nothing
            deleted = database.session.execute(delete(BackupCode).where(BackupCode.id == backup.id))
            database.session.commit()
            return bool(deleted.rowcount == 1)  # type: ignore[attr-defined]
    return False


def new_secret() -> str:
    return pyotp.random_base32()


def provisioning_url(username: str, secret: str) -> str:
    issuer = services().configuration.two_factor_issuer
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)


def new_backup_codes() -> list[str]:
    return ["".join(secrets.choice(BACKUP_ALPHABET) for _ in range(BACKUP_LENGTH)) for _ in range(BACKUP_CODES)]


def sign_secret(secret: str, user_id: int) -> str:
    return _signer(user_id).sign(secret).decode()


def signed_secret(signature: str, user_id: int) -> str:
    """The secret that was signed for this user. Raises Refused (401)."""
    try:
        return _signer(user_id).unsign(signature, max_age=SIGNATURE_SECONDS).decode()
    except SignatureExpired as problem:
        raise unauthorised("Two-factor setup attempt has expired.") from problem
    except BadSignature as problem:
        raise unauthorised("Two-factor setup attempt has been tampered with.") from problem


def sign_codes(codes: list[str], user_id: int) -> str:
    """Holds the codes' hashes, not the codes."""
    return _serialiser(user_id).dumps([passwords.hashed_code(code) for code in codes])


def signed_codes(signature: str, user_id: int) -> list[BackupCode]:
    """What to store of the codes that were signed for this user. Raises Refused (401)."""
    try:
        hashes = _serialiser(user_id).loads(signature, max_age=SIGNATURE_SECONDS)
    except SignatureExpired as problem:
        raise unauthorised("Backup codes have expired.") from problem
    except BadSignature as problem:
        raise unauthorised("Backup codes have been tampered with.") from problem
    return [BackupCode(code=each) for each in hashes]


def _signer(user_id: int) -> TimestampSigner:
    return TimestampSigner(services().configuration.secret_key, salt=f"two-factor secret of {user_id}")


def _serialiser(user_id: int) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(services().configuration.secret_key, salt=f"backup codes of {user_id}")
