"""An admin's session at this stack's FlowAuth; what is done in it is in `links` and `users`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from secrets_quickstart import report
from secrets_quickstart.checks import verification_places
from secrets_quickstart.checks.flowauth_place import flowauth_place
from secrets_quickstart.checks.verification_guests import ADMIN, ADMIN_PASSWORD
from secrets_quickstart.checks.verification_world import Unasked, World
from secrets_quickstart.clients.answers import Forbidden
from secrets_quickstart.clients.flowauth import CodeNeeded
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.errors import ServiceError, VaultError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault, key_of


@contextmanager
def admin_session(settings: Settings, code: str = "") -> Iterator[tuple[FlowauthAdmin, World]]:
    """The vault's admin, signed in, and the deployment around; `code` is the admin's two-factor code, if they have one.

    A person is asked for a code that is needed.  Raises Refused, and ServiceError when FlowAuth is not there.
    """
    vault = Vault.open(settings.vault_path, key_of(settings))
    world = verification_places.world(settings, Engine(settings.base_environment), vault)
    with open_admin(settings, world, code) as client:
        yield client, world


def open_admin(settings: Settings, world: World, code: str = "", *, ask: bool = True) -> FlowauthAdmin:
    """The same at a deployment that is known already; close it.  Without `ask` nobody is asked for a code."""
    user, password = (_needed(world, name) for name in (ADMIN, ADMIN_PASSWORD))
    client = FlowauthAdmin(flowauth_place(settings, world))
    try:
        _sign_in(client, user.text(), password, code, ask=ask)
    except BaseException:
        client.close()
        raise
    return client


def is_there(world: World, service: str) -> bool:
    """Whether a task of the service runs, and has a port to be asked at."""
    try:
        world.address(service)
    except (ServiceError, Unasked):
        return False
    return True


def _sign_in(client: FlowauthAdmin, user: str, password: Sensitive, code: str, *, ask: bool) -> None:
    try:
        state = client.sign_in(user, password, code)
    except CodeNeeded:
        answer = report.ask(f"two-factor code of {user}: ") if ask else ""
        if not answer:
            raise
        state = client.sign_in(user, password, answer)
    if state.must_set_up_two_factor:
        raise Forbidden(
            f"{user} may do nothing in FlowAuth yet",
            why="an admin has made two-factor authentication a must for this user",
            fix=f"sign in as {user} on FlowAuth's page and set it up",
        )
    if not state.is_admin:
        raise Forbidden(f"{user} is no admin of FlowAuth", fix="restart it: it makes that user an admin at every start")


def _needed(world: World, name: str) -> Sensitive:
    value = world.secret(name)
    if value is None:
        raise VaultError(f"the vault holds no {name}", fix="run this where FlowAuth was deployed from")
    return value
