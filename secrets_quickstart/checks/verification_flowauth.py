"""Does FlowAuth let in whom it should, for as long as it should, with tokens that FlowAPI takes for what they allow?

All of it is tried with users and roles of its own, which are gone afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from secrets_quickstart.checks import verification_numbers as numbers
from secrets_quickstart.checks.check import Obstacle, Ok, Outcome
from secrets_quickstart.checks.verification_edge import awaited
from secrets_quickstart.checks.verification_flowapi import DATES
from secrets_quickstart.checks.verification_flowdb import FLOWMACHINE
from secrets_quickstart.checks.verification_guests import (
    ADMIN,
    ADMIN_PASSWORD,
    PASSWORD_LENGTH,
    Closed,
    Entrance,
    Guest,
    new_name,
)
from secrets_quickstart.checks.verification_world import Unasked, Verification, World
from secrets_quickstart.clients.analyst import Question
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.flowapi import LOG_FIX as FLOWAPI_FIX
from secrets_quickstart.clients.flowauth import LOG_FIX, CodeNeeded, FlowauthClient, TooManyAttempts
from secrets_quickstart.clients.flowauth_records import Role, Server
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.material.passwords import password as new_password
from secrets_quickstart.sensitive import Sensitive

SHUT_FIX = "stop FlowAuth (invoke down), and see its image: it lets in whom it should not"
LINK_FIX = "link them: invoke flowauth.link"
ALL_DATES = ("get_available_dates",)


def entrance(world: World) -> Entrance:
    return Entrance(awaited(world).place, world.needed(ADMIN).text(), world.needed(ADMIN_PASSWORD))


def admin_signs_in(world: World) -> Outcome:
    try:
        with world.guests.admin(entrance(world)) as admin:
            return Ok(f"release {admin.version()}")
    except Closed as reason:
        return Ok(f"the password is right; {reason}")


def refuses_a_wrong_password(world: World) -> Outcome:
    """With a name that was made up for it: whoever verifies again and again locks nobody out."""
    way_in = entrance(world)
    try:
        guest = world.guests.add(way_in)
    except Closed:
        with closing(FlowauthClient(way_in.place)) as stranger:
            if _lets_in(stranger, new_name(), new_password(PASSWORD_LENGTH)):
                return Obstacle("it lets in a name that was made up a moment ago", SHUT_FIX)
        return Ok("that of a name that does not exist")
    with closing(guest):
        if _lets_in(guest, guest.name, new_password(PASSWORD_LENGTH)):
            return Obstacle("it lets a user in with a password made up a moment ago", SHUT_FIX)
        if guest.is_signed_in():
            return Obstacle("after a wrong password it takes the user for signed in", SHUT_FIX)
        guest.enter()
        if not guest.is_signed_in():
            return Obstacle("with the right password it begins no session", LOG_FIX)
        guest.sign_out()
        if guest.is_signed_in():
            return Obstacle("after signing out the session goes on", LOG_FIX)
    return Ok("and lets the same user in with the right one")


def _lets_in(client: FlowauthClient, name: str, password: Sensitive, code: str = "") -> bool:
    """Raises TooManyAttempts, which says nothing about the password."""
    try:
        client.sign_in(name, password, code)
    except TooManyAttempts:
        raise
    except Refused:
        return False
    return True


PERIOD = 30
"""Seconds in which an authenticator app shows the same code."""
ENOUGH = 6
"""Seconds that trying a code three times may take."""


def takes_no_code_twice(world: World) -> Outcome:
    guest = _guest(world)
    with closing(guest):
        guest.enter()
        offer = guest.offer_two_factor()
        left = PERIOD - time.time() % PERIOD
        if left < ENOUGH:
            time.sleep(left)  # the code has to be refused because it was used, not because it is old
        begun = datetime.now(UTC)
        code = offer.code(begun)
        try:
            guest.confirm_two_factor(offer, code)
        except Refused as refusal:
            return Obstacle(
                f"it refuses a code that is right by this machine's clock: {refusal.why}",
                "set the clocks of this machine and of FlowAuth's node",
            )
    try:
        with closing(_again(guest)) as other:
            other.enter()
        return Obstacle("it lets a user in without the two-factor code that they have set up", SHUT_FIX)
    except CodeNeeded:
        pass
    # the code that it was set up with has been used; the official FlowAuth may count from the first sign-in
    if _enters(guest, code) and _enters(guest, code):
        return Obstacle("it lets a user in twice with the same two-factor code", REPLAY_FIX)
    if _period(datetime.now(UTC)) != _period(begun):
        raise Unasked("FlowAuth was too slow for a code to be tried twice before it ended; verify again")
    if not _enters(guest, offer.backup_codes[0].text()):
        return Obstacle("it takes no backup code", LOG_FIX)
    return Ok("and it takes a backup code")


REPLAY_FIX = "see FLOWAUTH_CACHE_BACKEND: with several FlowAuths it has to be redis, and the redis theirs together"


def _period(moment: datetime) -> int:
    return int(moment.timestamp()) // PERIOD


def _again(guest: Guest) -> Guest:
    return Guest(guest.place, guest.name, guest.password)


def _enters(guest: Guest, code: str) -> bool:
    with closing(_again(guest)) as other:
        return _lets_in(other, guest.name, guest.password, code)


def _guest(world: World) -> Guest:
    """Raises Unasked where the vault's password is not enough to make one."""
    try:
        return world.guests.add(entrance(world))
    except Closed as reason:
        raise Unasked(f"no user can be made for it: {reason}") from None


@dataclass(frozen=True, slots=True)
class Link:
    """The FlowAPI of this stack, as its FlowAuth knows it."""

    server: Server
    number: int
    roles: Sequence[Role]

    @property
    def scopes(self) -> frozenset[str]:
        """Those that tokens can hold."""
        return frozenset(scope for scope, is_on in self.server.scopes.items() if is_on)


def linked(world: World) -> Link:
    """Raises Unasked when there is no FlowAPI here that takes this FlowAuth's tokens."""
    from secrets_quickstart.material.keys import verification_key

    try:
        world.address("flowapi")
    except ServiceError:
        raise Unasked("no FlowAPI runs in this stack") from None
    name = world.needed("FLOWAPI_IDENTIFIER").text()
    signing = world.secret("PRIVATE_JWT_SIGNING_KEY")
    if signing is None:
        raise Unasked("this stack's FlowAPI takes another FlowAuth's tokens")
    try:
        with world.guests.admin(entrance(world)) as admin:
            key = admin.public_key()
            server = next((server for server in admin.servers() if server.name == name), None)
            roles = tuple(role for role in admin.roles() if role.server == name)
            number = 0 if server is None else admin.server_number(name)
    except Closed as reason:
        raise Unasked(f"no user can be made for it: {reason}") from None
    if "".join(key.split()) != "".join(verification_key(signing).text().split()):
        raise ServiceError("FlowAuth signs with another key than the vault's", fix="deploy again")
    if server is None:
        raise Unasked(f"FlowAuth knows no server {name}: invoke flowauth.link")
    return Link(server, number, roles)


def a_token_gets_a_result(world: World) -> Outcome:
    link = linked(world)
    unit, role = _allowed(link, _units(world))
    if not unit:
        return Obstacle(f"no scopes of {link.server.name} in FlowAuth allow any query of this FlowDB's units", LINK_FIX)
    token = _token(world, link, role.scopes & link.scopes if role else numbers.scopes(unit))
    reply = world.flowapi(token).get(DATES)
    if reply.status != 200:
        return Obstacle(f"FlowAPI gives it status {reply.status}: {reply.reason()}", FLOWAPI_FIX)
    dates = reply.json().get("available_dates", {})
    whose = f"what {role.name} may" if role else "what a role of its own may, for no other allows it"
    try:
        day, event_types = numbers.newest(dates)[0]
    except Unasked:
        return Ok(f"FlowAPI takes it for {whose}; there are no records yet")
    found = world.analyst(token).ask(Question(day, unit, event_types), dates)
    return Ok(f"flowclient gets {len(found.rows)} regions of {day} at {unit} with it, by {whose}")


def _units(world: World) -> list[str]:
    """That FlowDB knows, the finest first."""
    records = world.flowdb(FLOWMACHINE.name(world), world.needed(FLOWMACHINE.password))
    known = {name for (name,) in records.query(numbers.UNITS_THERE, [list(numbers.UNITS)])}
    return [unit for unit in numbers.UNITS if unit in known]


def _allowed(link: Link, units: Sequence[str]) -> tuple[str, Role | None]:
    """A unit to ask for, and the widest role that allows it: its tokens are the longest.

    Without such a role, a unit that the server's scopes allow, or "".
    """
    for unit in units:
        needed = set(numbers.scopes(unit))
        allowing = [role for role in link.roles if needed <= role.scopes & link.scopes]
        if allowing:
            return unit, max(allowing, key=lambda role: len(role.scopes))
    return next((unit for unit in units if link.scopes.issuperset(numbers.scopes(unit))), ""), None


def _token(world: World, link: Link, scopes: Collection[str]) -> Sensitive:
    """Made through FlowAuth, by a new user in a role with these scopes."""
    guest = _guest(world)
    with closing(guest):
        role = world.guests.give_role(entrance(world), guest, link.server, scopes)
        guest.enter()
        return guest.make_token(link.server.name, role, [role])


def without_the_role_there_is_no_result(world: World) -> Outcome:
    link = linked(world)
    if not link.scopes.issuperset(ALL_DATES):
        raise Unasked(f"{link.server.name} has no scope get_available_dates in FlowAuth")
    way_in, guest = entrance(world), _guest(world)
    with closing(_guest(world)) as other, closing(guest):
        role = world.guests.give_role(way_in, other, link.server, ALL_DATES)
        guest.enter()
        try:
            guest.ask_for_token(link.number, role, [role])
        except Refused:
            pass
        else:
            return Obstacle("it gives a token to a user who has no role", SHUT_FIX)
        other.enter()
        token = other.make_token(link.server.name, role, [role])
    if (status := world.flowapi(token).get(DATES).status) != 200:
        return Obstacle(f"FlowAPI gives status {status} to a token that allows what is asked", FLOWAPI_FIX)
    locations = {"query_kind": "daily_location", "date": "2016-01-01", "method": "last", "aggregation_unit": "admin3"}
    query = {"query_kind": "spatial_aggregate", "locations": locations}
    status = world.flowapi(token).post("/api/0/run", query).status
    if status != 403:
        return Obstacle(f"FlowAPI gives a query status {status} where the role does not allow it, not 403", FLOWAPI_FIX)
    return Ok("no token; with another role's, status 403")


def _row(name: str, question: str, ask: Callable[[World], Outcome]) -> Verification:
    return Verification(name, question, "flowauth", ask)


CHECKS = (
    _row("FlowAuth's admin", "Does FlowAuth let its admin in with the vault's password?", admin_signs_in),
    _row("FlowAuth, wrong password", "Does it refuse a wrong password?", refuses_a_wrong_password),
    _row("FlowAuth, a code twice", "Is a two-factor code refused the second time?", takes_no_code_twice),
    _row("FlowAuth, no role", "Does who lacks the role get no token, or 403?", without_the_role_there_is_no_result),
    _row("FlowAuth's token", "Does flowclient get a result with a token made in FlowAuth?", a_token_gets_a_result),
)
