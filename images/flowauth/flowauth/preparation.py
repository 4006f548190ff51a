"""Preparation: what a start does to the database before anybody is served."""

from __future__ import annotations

import sys
import time

import flask_migrate
from alembic.util import CommandError
from cryptography.fernet import InvalidToken, MultiFernet
from flask import Flask
from sqlalchemy import MetaData, select
from sqlalchemy.exc import OperationalError

from flowauth import passwords
from flowauth.configuration import Configuration, Misconfigured
from flowauth.migrations import adoption
from flowauth.models import Token, TwoFactor, User, database

SECONDS_BETWEEN = 1.0
SECONDS_BETWEEN_WORDS = 10.0


def prepare(app: Flask, settings: Configuration) -> None:
    """Waits for the database, makes or migrates its tables, and sees to the admin. Safe beside other replicas.

    Raises Misconfigured when waiting is of no use.
    """
    with app.app_context():
        try:
            wait_for_database()
            if settings.reset:
                print("FlowAuth: RESET_FLOWAUTH_DB is set: every table is dropped", file=sys.stderr)
                drop_everything()
            flask_migrate.upgrade()
            ensure_admin(settings.admin_username, settings.admin_password)
            if settings.several_keys:
                encrypt_anew(settings.fernet)
        except CommandError as problem:
            raise Misconfigured(
                f"FlowAuth cannot start: the database is of a FlowAuth that this one does not know ({problem})."
                " Use that one's image, or restore a backup."
            ) from problem
        finally:
            # Connections must not be carried over the fork that follows
            database.session.remove()
            database.engine.dispose()


def wait_for_database() -> None:
    """For as long as it takes, saying so; but not when the password is refused."""
    said = float("-inf")
    while True:
        try:
            with database.engine.connect():
                return
        except OperationalError as problem:
            reason = str(problem.orig).strip().splitlines()[0]
            if "authentication failed" in reason or "no password supplied" in reason:
                raise Misconfigured(
                    f"FlowAuth cannot start: the database refuses its user or password ({reason})."
                    " Make FLOWAUTH_DB_PASSWORD the one that the database was made with."
                ) from problem
            if time.monotonic() - said > SECONDS_BETWEEN_WORDS:
                said = time.monotonic()
                print(f"FlowAuth: waiting for the database ({reason})", file=sys.stderr, flush=True)
        time.sleep(SECONDS_BETWEEN)


def drop_everything() -> None:
    with database.engine.begin() as connection:
        adoption.wait_for_turn(connection)
        found = MetaData()
        found.reflect(connection)
        found.drop_all(connection)


def ensure_admin(username: str, password: str) -> None:
    """The user exists, is an admin, and has this password; nothing is written where that is so already."""
    adoption.wait_for_turn(database.session.connection())
    user = database.session.scalar(select(User).where(User.username == username))
    if user is None:
        user = User(username=username, password=passwords.hashed(password))
        database.session.add(user)
    elif not passwords.is_right(password, user.password):
        user.password = passwords.hashed(password)
    if not user.is_admin:
        user.is_admin = True
    database.session.commit()


def encrypt_anew(fernet: MultiFernet) -> None:
    """What is kept is encrypted with the first key, all of it or nothing; what no key opens is left as it is."""
    adoption.wait_for_turn(database.session.connection())
    left = 0
    for model, column in ((Token, Token.token), (TwoFactor, TwoFactor.secret_key)):
        for row in database.session.scalars(select(model)):
            try:
                setattr(row, column.key, fernet.rotate(getattr(row, column.key).encode()).decode())
            except InvalidToken:
                left += 1
    database.session.commit()
    if left:
        print(f"FlowAuth: {left} tokens or two-factor secrets were stored under a key that is lost", file=sys.stderr)
