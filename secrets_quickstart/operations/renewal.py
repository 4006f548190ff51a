"""A new certificate by ACME before the edge would ask for one by itself; nothing is said of the vault's here.

The edge keeps what it acquired in its volume, and acquires what it does not find there when it starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from secrets_quickstart.checks import verification_places
from secrets_quickstart.checks.acme_trouble import acme_trouble
from secrets_quickstart.checks.flowauth_place import EDGE, flowauth_place
from secrets_quickstart.clients import tls
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import QuickstartError, ServiceError, UsageError
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm import containers, services
from secrets_quickstart.swarm.engine import Engine, translated
from secrets_quickstart.swarm.services import StackState
from secrets_quickstart.vault import Vault, key_of

WITHIN = 120.0
"""Seconds: an ACME server asks back at once, and Let's Encrypt takes some ten seconds."""

STOP_SECONDS = 20
PUT_ASIDE = "cd /data/caddy && [ -d certificates ] && rm -rf certificates.former && mv certificates certificates.former"
FORGET = "rm -rf /data/caddy/certificates.former"
PUT_BACK = "cd /data/caddy && [ -d certificates.former ] && rm -rf certificates && mv certificates.former certificates"


def renew(settings: Settings, tell: Callable[[str], None]) -> None:
    """Have the edge acquire a new certificate; returns when it is served.

    Raises UsageError where certificates do not come from ACME, and ServiceError when none came: then the former one is
    served again.  Only the edge is restarted.
    """
    engine = Engine(settings.base_environment)
    told = _told(services.state(engine, settings.stack))
    if told.get("CERTIFICATE") != "acme":
        raise UsageError(
            "FlowAuth's certificate does not come from an ACME directory",
            why="it was deployed with FLOWAUTH_CERTIFICATE=vault, whose certificates a deploy renews",
            fix="for one of yours: invoke certs.install --flowauth CERTIFICATE KEY",
        )
    vault = Vault.open(settings.vault_path, key_of(settings))
    place = flowauth_place(settings, verification_places.world(settings, engine, vault))
    place = replace(place, name=told["DOMAIN_NAME"])
    tell(f"asking {told['ACME_DIRECTORY']} for a certificate for {place.name}")
    acquire(Edge(engine, settings.stack, place))


def acquire(edge: Edge) -> None:
    """Put the certificate aside and wait for another; raises ServiceError when the former one had to be put back."""
    name = edge.place.name
    former = edge.shown()
    edge.restart(PUT_ASIDE)
    if edge.shows(lambda shown: shown not in {"", former}):
        edge.run(FORGET)
        return
    why = edge.complaint() or f"the edge still tries after {WITHIN:.0f} s: invoke logs edge"
    edge.restart(PUT_BACK)
    back = former and edge.shows(lambda shown: shown == former)
    raise ServiceError(
        f"no certificate for {name} came" + (", the former one is back" if back else ""),
        why=why,
        fix=f"see that {name} leads to this machine's ports 80 and 443 from where the ACME directory is",
    )


def _told(state: StackState) -> Mapping[str, str]:
    """What the running edge was deployed with, whatever the settings say by now; raises ServiceError without one."""
    if EDGE not in state.services:
        raise ServiceError("FlowAuth's edge is not deployed", fix="deploy it: invoke deploy --target flowauth")
    entries = state.services[EDGE].container.get("Env") or ()
    return {name: text for name, _, text in (entry.partition("=") for entry in entries)}


@dataclass(frozen=True, slots=True)
class Edge:
    """The running edge of a stack."""

    engine: Engine
    stack: str
    place: Place

    def shown(self) -> str:
        """The fingerprint of the certificate that it shows; "" when there is none."""
        place = self.place
        try:
            return tls.handshake(place.host, place.port, place.name, tls.unquestioning()).fingerprint
        except QuickstartError:
            return ""

    def shows(self, wanted: Callable[[str], bool]) -> bool:
        """Whether such a certificate is shown before it gives up trying to acquire one, or the time is over."""
        end = time.monotonic() + WITHIN
        while not (found := wanted(self.shown())) and not self.complaint() and time.monotonic() < end:
            time.sleep(0.5)
        return found

    def restart(self, after: str) -> None:
        """Start it anew, after a script ran in the container; it is the swarm that starts it again."""
        former = self.run(after)
        with translated("the edge cannot be restarted"):
            self.engine.api.stop(former, timeout=STOP_SECONDS)
        end = time.monotonic() + WITHIN
        while containers.of_service(self.engine, self.stack, EDGE) in {None, former}:
            if time.monotonic() > end:
                raise ServiceError("the edge does not come up again", fix="see why: invoke status")
            time.sleep(0.5)

    def run(self, script: str) -> str:
        """Run it in the container, and return which that was; a script that finds nothing to do is none the worse."""
        container = self._container()
        containers.execute(self.engine, container, ["sh", "-c", script])
        return container

    def complaint(self) -> str:
        """Why it got no certificate since it started; "" if it did not say so."""
        return acme_trouble(self.engine, self.stack)

    def _container(self) -> str:
        container = containers.of_service(self.engine, self.stack, EDGE)
        if container is None:
            raise ServiceError("the edge does not run", fix="see why: invoke status")
        return container
