"""Does FlowAuth's edge show the right certificate, and keep everybody on TLS that is not old?"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable

from secrets_quickstart.checks.check import Obstacle, Ok, Outcome
from secrets_quickstart.checks.flowauth_place import CERTIFICATE
from secrets_quickstart.checks.verification_world import Door, Unasked, Verification, World
from secrets_quickstart.clients import tls
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.errors import ServiceError

AUTHORITY = "ca-flowkit.pem"
DEPLOY_FIX = "deploy again, so that the edge starts with the vault's certificate: invoke deploy --target flowauth"
ACME_FIX = "see that DOMAIN_NAME leads here, to ports 80 and 443, from where the ACME directory is: invoke logs edge"

ACME_PATIENCE = 60.0
"""Seconds that an ACME directory may take for a certificate."""

WITHIN = 10.0


def awaited(world: World) -> Door:
    """FlowAuth's door, once the edge has some certificate; an ACME directory is given a minute for it."""
    door = world.door()
    if door.from_acme:
        end = time.monotonic() + ACME_PATIENCE
        while not _shown(door) and not door.complaint() and time.monotonic() < end:
            time.sleep(0.5)
    return door


def _shown(door: Door) -> bool:
    """Whether there is any certificate, of whomever."""
    try:
        tls.handshake(door.place.host, door.place.port, door.place.name, tls.unquestioning())
    except Refused:
        return False
    return True


def presents_its_certificate(world: World) -> Outcome:
    door = awaited(world)
    return _presents_acquired(world, door) if door.from_acme else _presents_ours(world, door)


def _presents_ours(world: World, door: Door) -> Outcome:
    from secrets_quickstart.material import certificates

    pem = world.needed(CERTIFICATE)
    authority = world.secret(AUTHORITY)
    place, own = door.place, certificates.describe(pem)
    ours = authority is not None and certificates.is_issued_by(pem, authority)
    # one of ours has to do with our authority alone: that is all that clients are given
    context = ssl.create_default_context(cadata=authority.text()) if ours and authority else tls.trusting(pem.text())
    try:
        shaken = tls.handshake(place.host, place.port, place.name, context)
    except Refused as refusal:
        return Obstacle(str(refusal), DEPLOY_FIX)
    if shaken.fingerprint != tls.fingerprint(pem.text()):
        return Obstacle(f"the certificate presented for {place.name} is not the vault's", DEPLOY_FIX)
    return Ok(f"{shaken.version}, for {place.name}, until {own.not_after:%Y-%m-%d}")


def _presents_acquired(world: World, door: Door) -> Outcome:
    place = door.place
    context = ssl.create_default_context() if place.trust is None else tls.trusting(place.trust)
    try:
        shaken = tls.handshake(place.host, place.port, place.name, context)
    except Refused as refusal:
        complaint = "" if _shown(door) else door.complaint()
        return Obstacle(f"{refusal}; the edge says: {complaint}" if complaint else str(refusal), ACME_FIX)
    own = world.secret(CERTIFICATE)
    if own is not None and shaken.fingerprint == tls.fingerprint(own.text()):
        return Obstacle(f"the certificate presented for {place.name} is the vault's, not one from ACME", ACME_FIX)
    return Ok(f"{shaken.version}, for {place.name}, from an ACME directory")


def refuses_old_tls(world: World) -> Outcome:
    place = awaited(world).place
    if place.trust is None:
        raise Unasked("the vault holds no certificate of FlowAuth's")
    tls.handshake(place.host, place.port, place.name, tls.unquestioning())  # else there is nothing to refuse
    try:
        shaken = tls.handshake(place.host, place.port, place.name, tls.unquestioning(tls.old_fashioned(place.trust)))
    except Refused:
        return Ok("no handshake")
    return Obstacle(f"it speaks {shaken.version}", "let the edge speak TLS 1.2 and later only")


def leads_to_https(world: World) -> Outcome:
    door = world.door()
    path, origin = "/version?of=flowauth", door.place.origin
    fix = "let the edge do no more than redirect there, as compose/letsencrypt.yml does, and deploy again"
    connection = http.client.HTTPConnection(door.place.host, door.http_port, timeout=WITHIN)
    try:
        connection.request("GET", path, headers={"Host": f"{door.place.name}:{door.http_port}"})
        answer = connection.getresponse()
        status, location = answer.status, answer.getheader("Location", "")
    except (OSError, http.client.HTTPException) as error:
        raise ServiceError(
            f"plain HTTP is not answered at {door.place.host} port {door.http_port}",
            why=type(error).__name__,
            fix="see: invoke status",
        ) from None
    finally:
        connection.close()
    if status not in {301, 302, 307, 308}:
        return Obstacle(f"plain HTTP gets status {status}, and no redirect", fix)
    if location != f"{origin}{path}":
        return Obstacle(f"plain HTTP leads to {location[:100] or 'nowhere'}, not to {origin}", fix)
    return Ok(f"it leads to {origin}")


def _row(name: str, question: str, ask: Callable[[World], Outcome]) -> Verification:
    return Verification(name, question, "letsencrypt", ask)


CHECKS = (
    _row("FlowAuth's certificate", "Does FlowAuth's edge present the promised certificate?", presents_its_certificate),
    _row("FlowAuth, old TLS", "Does the edge refuse TLS 1.0 and 1.1?", refuses_old_tls),
    _row("FlowAuth, plain HTTP", "Does plain HTTP lead to HTTPS, and nowhere else?", leads_to_https),
)
