"""A FlowAPI's specification: where it may be fetched from, and what it must say."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme

from tests.flowauth_package import module

fetching, scopes, refusals = module("fetching"), module("scopes"), module("refusals")


def specification(name="api", names=("run", "get_result")):
    token = {"x-audience": name, "x-security-scopes": list(names)}
    return {"components": {"securitySchemes": {"token": token}}}


@pytest.mark.parametrize(
    "url",
    ["http://api:9090", "ftp://api", "https://", "https://user:pw@api", "https://api:99999", "https://[::1", "api", ""],
)
def test_only_plain_https_addresses_will_do(url):
    with pytest.raises(refusals.Refused) as refused:
        fetching.parse(url)
    assert refused.value.body["bad_field"] == "url"


def test_only_host_and_port_of_an_address_count():
    assert fetching.parse("https://api:9090/secret?x=1#y") == fetching.Address("api", 9090)
    assert fetching.parse(" https://api ") == fetching.Address("api", 443)


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "0.0.0.0", "ff02::1"]
)
def test_this_container_and_the_metadata_service_are_forbidden(ip):
    assert fetching.is_forbidden(ip)


@pytest.mark.parametrize("ip", ["10.0.1.5", "192.168.1.2", "203.0.113.1", "fd00::1"])
def test_private_networks_are_allowed_as_flowapi_is_there(ip):
    assert not fetching.is_forbidden(ip)


def test_loopback_is_refused_by_name_too():
    with pytest.raises(refusals.Refused, match="of this machine"):
        fetching.fetch(fetching.Address("localhost", 1), ssl.create_default_context())


class Api(BaseHTTPRequestHandler):
    answer: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
    asked = ""

    def do_GET(self):
        type(self).asked = self.path
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def api(monkeypatch):
    """An HTTPS server on this machine, which for once is allowed."""
    monkeypatch.setattr(fetching, "is_forbidden", lambda _ip: False)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    handler: Any = type("Handler", (Api,), {})
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.address = fetching.Address("localhost", server.server_port)
    handler.trust = fetching.trusting(authority.cert_pem.bytes().decode(), "")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_specification_is_fetched_from_its_fixed_path(api):
    api.answer = (200, {}, json.dumps(specification()).encode())
    assert scopes.read(fetching.fetch(api.address, api.trust)) == scopes.Api("api", ("get_result", "run"))
    assert api.asked == "/api/0/spec/openapi.json"


def test_an_untrusted_certificate_is_refused(api):
    with pytest.raises(refusals.Refused, match="not trusted") as refused:
        fetching.fetch(api.address, fetching.trusting("", ""))
    assert refused.value.body["bad_field"] == "certificate"


def test_a_redirect_is_not_followed(api):
    api.answer = (302, {"Location": "https://elsewhere/"}, b"")
    with pytest.raises(refusals.Refused, match="status 302"):
        fetching.fetch(api.address, api.trust)


def test_an_answer_without_end_is_cut_off(api, monkeypatch):
    monkeypatch.setattr(fetching, "LARGEST", 1000)
    api.answer = (200, {}, b" " * 100_000)
    with pytest.raises(refusals.Refused, match="larger"):
        fetching.fetch(api.address, api.trust)


def test_what_is_not_json_is_refused(api):
    api.answer = (200, {}, b"<html>")
    with pytest.raises(refusals.Refused, match="not a specification"):
        fetching.fetch(api.address, api.trust)


def test_nobody_there_is_an_error_with_the_address(monkeypatch):
    monkeypatch.setattr(fetching, "is_forbidden", lambda _ip: False)
    with pytest.raises(refusals.Refused, match="localhost:1"):
        fetching.fetch(fetching.Address("localhost", 1), ssl.create_default_context())


def test_what_is_no_certificate_is_refused():
    with pytest.raises(refusals.Refused):
        fetching.trusting("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", "")


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        specification(name=""),
        specification(name="x" * 76),
        specification(names=[]),
        specification(names=["run", 1]),
        specification(names=["a\nb"]),
        specification(names=["x" * 513]),
    ],
)
def test_what_is_no_specification_of_flowapi_is_refused(document):
    with pytest.raises(refusals.Refused):
        scopes.read(document)
