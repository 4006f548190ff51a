"""Linking a FlowAPI to this stack's FlowAuth: where its specification and roles come from; the step is in `steps`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from secrets_quickstart import report
from secrets_quickstart.checks import verification_places
from secrets_quickstart.checks.flowauth_place import EDGE
from secrets_quickstart.checks.verification_world import World
from secrets_quickstart.clients import specification
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.specification import Specification
from secrets_quickstart.errors import MaterialError, ServiceError, UsageError, VaultError
from secrets_quickstart.host import files
from secrets_quickstart.operations.course import Planned
from secrets_quickstart.operations.flowauth_session import admin_session, is_there, open_admin
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps import roles_file
from secrets_quickstart.steps.links import LinksStep
from secrets_quickstart.steps.links_plan import UpdateScopes, Wanted, WantedRole, WantedServer
from secrets_quickstart.steps.roles_file import RolesFile
from secrets_quickstart.steps.step import Plan
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault

FLOWAPI = "flowapi"
AUTHORITIES = ("trusted-flowkit.pem", "ca-flowkit.pem")
"""Whom to trust to be a FlowAPI: the first of these that the vault has."""
ANALYST, ANALYST_PASSWORD = "FLOWAUTH_ANALYST_USER", "FLOWAUTH_ANALYST_PASSWORD"


@dataclass(frozen=True, slots=True)
class LinkOrder:
    """What was asked for."""

    specification: str = ""
    """An https address or a file; "" for the FlowAPI of this stack."""
    server: str = ""
    """The name that the specification has to bear, or "" for whichever it does."""
    roles: Path | None = None
    """None for FLOWAUTH_ROLES_FILE."""
    authority: Path | None = None
    """Whom to trust at an address; None for the vault's authorities."""
    code: str = ""
    """The admin's two-factor code, if they have one."""


@dataclass(frozen=True, slots=True)
class Linked:
    """What linking did, or would do."""

    server: str
    plan: Plan

    @property
    def changes(self) -> int:
        return len(self.plan.actions)

    @property
    def differences(self) -> list[UpdateScopes]:
        return [action for action in self.plan.actions if isinstance(action, UpdateScopes)]

    def lines(self) -> list[str]:
        """The actions, each with all that it says about scopes."""
        lines = []
        for action in self.plan.actions:
            lines.append(str(action))
            if isinstance(action, UpdateScopes):
                lines += [f"  {line}" for line in action.lines()]
        return lines

    def document(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "server": self.server,
            "changes": self.changes,
            "scopes": {
                "added": [scope for difference in self.differences for scope in difference.added],
                "removed": [scope for difference in self.differences for scope in difference.removed],
            },
            "steps": [Planned(LinksStep.name, self.plan).document()],
        }


def link(settings: Settings, order: LinkOrder, *, dry_run: bool = False) -> Linked:
    """Bring FlowAuth to what the specification and the file of roles say; every change is said before it is made.

    Safe to call again after a crash at any point.
    """
    rules = roles_file.read(order.roles or settings["FLOWAUTH_ROLES_FILE"], datetime.now(UTC).date())
    with admin_session(settings, order.code) as (client, world):
        found = _specification(order, world)
        if order.server and order.server != found.name:
            raise UsageError(
                f"this is not the specification of {order.server}",
                why=f"it says that it is {found.name}'s (x-audience)",
                fix=f"leave --server out, or give {order.server}'s specification",
            )
        wanted = Wanted((wanted_server(found.name, found, rules),))
        step = LinksStep(lambda: nullcontext(client), lambda: wanted, _no_password)
        linked = Linked(found.name, step.plan(step.look()))
        if not dry_run:
            for line in linked.lines():
                report.say(f"{step.name}: {line}")
            step.act(linked.plan.actions)
    return linked


def step_of_stack(
    settings: Settings, engine: Engine, vault: Vault, *, first_user: bool = False, beforehand: bool = False
) -> LinksStep:
    """For a deployment of FlowAuth and FlowAPI together; `first_user` is made too, and gets the file's first role.

    It looks for both afresh each time, and asks only those that run.  `beforehand`, what does not answer is taken for
    not there yet, so that a plan can always be made.
    """

    def world() -> World:
        return verification_places.world(settings, engine, vault)

    def running(service: str) -> World | None:
        found = world() if engine.membership().usable else None
        return found if found is not None and is_there(found, service) else None

    def admin() -> FlowauthAdmin | None:
        found = running(EDGE)
        try:
            return None if found is None else open_admin(settings, found, ask=False)
        except (ServiceError, VaultError):
            if beforehand:
                return None
            raise

    def wanted() -> Wanted:
        found = running(FLOWAPI)
        try:
            api = None if found is None else _of_this_stack(found)
        except ServiceError:
            if not beforehand:
                raise
            api = None
        return _wanted_of_stack(settings, api, settings[ANALYST] if first_user else "")

    return LinksStep(admin, wanted, lambda user: _password_of(settings, vault, user))


def wanted_server(name: str, found: Specification | None, rules: RolesFile, first_user: str = "") -> WantedServer:
    """Raises SettingsError for roles that name what this FlowAPI does not know; `found` is None while it cannot say."""
    scopes = {} if found is None else rules.resolve(found.scopes)
    roles: list[WantedRole] = []
    for rule in rules.roles:
        first = (first_user,) if first_user and not roles else ()
        members = tuple(dict.fromkeys((*first, *rule.members)))
        roles.append(WantedRole(rule.name, scopes.get(rule.name), rule.limits, members))
    return WantedServer(name, None if found is None else found.scopes, rules.limits, tuple(roles))


def _wanted_of_stack(settings: Settings, found: Specification | None, user: str) -> Wanted:
    rules = roles_file.read(settings["FLOWAUTH_ROLES_FILE"], datetime.now(UTC).date())
    name = settings["FLOWAPI_IDENTIFIER"] if found is None else found.name
    return Wanted((wanted_server(name, found, rules, user),), (user,) if user else ())


def _password_of(settings: Settings, vault: Vault, user: str) -> Sensitive:
    if user != settings[ANALYST] or ANALYST_PASSWORD not in vault:
        return _no_password(user)
    return vault.value(ANALYST_PASSWORD)


def _no_password(user: str) -> Sensitive:
    raise MaterialError(f"{user} has no password to begin with", fix=f"invoke flowauth.add-user {user}")


def _specification(order: LinkOrder, world: World) -> Specification:
    source = order.specification
    if not source:
        return _of_this_stack(world)
    if "://" not in source:
        return specification.from_file(files.typed(source))
    if order.authority is not None:
        return specification.fetch(source, _authority(order.authority))
    vaulted = (world.secret(name) for name in AUTHORITIES)
    return specification.fetch(source, next((pem.text() for pem in vaulted if pem is not None), None))


def _of_this_stack(world: World) -> Specification:
    if not is_there(world, FLOWAPI):
        raise ServiceError(
            "no FlowAPI of this stack runs",
            fix="deploy it, or name another's specification: --spec https://HOST:PORT, or --spec FILE",
        )
    client = world.flowapi()
    reply = client.get(specification.PATH)
    if reply.status != 200:
        raise ServiceError("FlowAPI does not say its scopes", why=reply.reason(), fix="see: invoke logs flowapi")
    return specification.parse(reply.body, f"{client.place.url}{specification.PATH}")


def _authority(path: Path) -> str:
    """Certificates in PEM.  Raises UsageError for a file that cannot be read, MaterialError for one with none in it."""
    from secrets_quickstart.material import certificates

    try:
        pem = Sensitive(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read", why=error.strerror or str(error), fix="name another file") from None
    certificates.parse(pem)
    return pem.text()
