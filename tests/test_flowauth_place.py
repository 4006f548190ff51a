"""Where FlowAuth is asked, and whom its client trusts there."""

import pytest

from secrets_quickstart.checks.flowauth_place import flowauth_place
from secrets_quickstart.checks.verification_world import Address, Unasked, World
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load

ACME = {"DOMAIN_NAME": "flowauth.example.org", "FLOWAUTH_CERTIFICATE": "acme", "EMAIL_ADDRESS": "a@example.org"}


def place(tmp_path, secrets, **variables):
    def address(service):
        assert service == "edge"
        if "host" not in variables:
            raise Unasked("edge publishes no port")
        return Address(variables["host"], 80)

    world = World(
        secret=lambda name: Sensitive(secrets[name]) if name in secrets else None,
        address=address,
        flowmachine=lambda: None,  # type: ignore[arg-type,return-value]  # nobody asks it
        published=lambda _: (),
        our_flowapi=lambda: True,
    )
    given = {name: text for name, text in variables.items() if name != "host"}
    return flowauth_place(load(tmp_path, {"HOME": str(tmp_path), **given}), world)


def test_by_itself_it_is_localhost_with_the_vaults_certificate(tmp_path):
    secrets = {"cert-flowauth.pem": "ours", "trusted-flowkit.pem": "others"}
    assert place(tmp_path, secrets, host="127.0.0.1") == Place("127.0.0.1", 443, "localhost", "ours")


def test_it_is_asked_by_its_public_name_at_the_port_for_https(tmp_path):
    found = place(tmp_path, {}, host="10.0.0.7", DOMAIN_NAME="flowauth.example.org", FLOWAUTH_HOST_PORT="8443")
    assert (found.url, found.origin) == ("https://10.0.0.7:8443", "https://flowauth.example.org:8443")


def test_with_acme_public_authorities_are_trusted_and_the_operators(tmp_path):
    secrets = {"cert-flowauth.pem": "ours"}
    assert place(tmp_path, secrets, host="127.0.0.1", **ACME).trust is None
    secrets["trusted-flowkit.pem"] = "others"
    assert place(tmp_path, secrets, host="127.0.0.1", **ACME).trust == "others"


def test_an_edge_that_cannot_be_asked_is_an_error(tmp_path):
    with pytest.raises(ServiceError, match="edge publishes no port"):
        place(tmp_path, {})
