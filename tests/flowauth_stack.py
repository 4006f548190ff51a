"""A stack with a vault, a FlowAuth that is real, and a FlowAPI that is not; no test is here."""

import functools
import json
from types import SimpleNamespace
from typing import cast

import trustme

from secrets_quickstart.checks import verification_places
from secrets_quickstart.checks.verification_world import Address, World
from secrets_quickstart.clients.flowapi import FlowapiClient, Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.tasks import flowauth as tasks
from secrets_quickstart.vault import Origin, Vault, key_of
from tests import flowauth_running as real
from tests import verification_fakes as fakes

ANALYST_PASSWORD = Sensitive("nineteen silver teapots whistling")
KINDS = ("flows", "geography")
"""Queries of its FlowAPI: enough of them, and quickly registered."""
ROLES = """
longest_token_life: 30d
roles:
  analyst:
    actions: [run, get_result, get_available_dates]
    units: [admin2, admin3]
"""


@functools.cache
def flowapi_tls():
    return fakes.tls(trustme.CA(), "localhost")


class Stack:
    """`running` says which of its services do."""

    def __init__(self, flowauth, folder, monkeypatch):
        self.flowauth = flowauth
        self.place = flowauth.place
        self.folder = folder
        self.running = {"edge", "flowapi"}
        self.scopes = {scope for scope in real.SCOPES if ":" not in scope or scope.split(":")[1] in KINDS}
        self.document = real.document(known=self.scopes)
        self.port = 0
        self.usable = True
        (folder / "roles.yml").write_text(ROLES)
        given = {
            "HOME": str(folder),
            "FLOWKIT_STACK": "s",
            "FLOWAUTH_HOST_PORT": str(self.place.port),
            "DOMAIN_NAME": self.place.name,
            "FLOWAUTH_ROLES_FILE": "roles.yml",
        }
        self.settings = load(folder, given)
        vault = Vault.open_or_create(self.settings.vault_path, key_of(self.settings))
        self.context, self.pem = flowapi_tls()
        for name, value in {
            "FLOWAUTH_ADMIN_USER": Sensitive(real.ADMIN),
            "FLOWAUTH_ADMIN_PASSWORD": real.ADMIN_PASSWORD,
            "FLOWAUTH_ANALYST_PASSWORD": ANALYST_PASSWORD,
            "cert-flowauth.pem": Sensitive(self.place.trust or ""),
            "cert-flowkit.pem": Sensitive(self.pem),
            "ca-flowkit.pem": Sensitive(self.pem),
        }.items():
            vault.put(name, value, Origin.GENERATED)
        self.vault = vault
        monkeypatch.setattr(verification_places, "world", lambda *_: self.world())
        monkeypatch.setattr(World, "flowapi", lambda _, token=None: FlowapiClient(self._flowapi(), token))
        monkeypatch.setattr(tasks, "settings", lambda: self.settings)

    def world(self):
        return World(
            secret=lambda name: self.vault.value(name) if name in self.vault else None,
            address=self._address,
            flowmachine=lambda: None,  # type: ignore[arg-type,return-value]  # nobody asks it
            published=lambda _: (),
            our_flowapi=lambda: True,
        )

    def engine(self):
        return cast("Engine", SimpleNamespace(membership=lambda: SimpleNamespace(usable=self.usable)))

    def served(self):
        """With its FlowAPI, as long as the context lasts."""
        return fakes.http_server(lambda *_: (200, json.dumps(self.document), {}), self.context)

    def _address(self, service):
        if service not in self.running:
            raise ServiceError(f"there is no service {service} in the stack s", fix="deploy it")
        return Address("127.0.0.1", 1)

    def _flowapi(self):
        return Place("127.0.0.1", self.port, "localhost", self.pem)

    def known(self):
        """What FlowAuth has, as an admin sees it."""
        with real.signed_in(self.place) as client:
            return SimpleNamespace(
                servers={server.name: server for server in client.servers()},
                roles={(role.server, role.name): role for role in client.roles()},
                users={user.name: user for user in client.users()},
            )

    def changes(self):
        """Requests since the last time that may have changed something."""
        seen = [line for line in self.flowauth.seen if line[0] != "GET" and line[1] != "/signin"]
        self.flowauth.seen.clear()
        return seen
