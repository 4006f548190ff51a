"""FlowAPI's health check, against servers of this process on the loopback address."""

import contextlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme

from flowapi import ready


@contextlib.contextmanager
def serving(status, tls=None):
    """A server that answers the health check's path with this status. Gives its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == ready.PATH else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1), (307, 1), (404, 1)])
def test_only_a_document_means_ready(status, expected, tmp_path):
    with serving(status) as port:
        assert ready.main({"FLOWAPI_PORT": str(port)}, tmp_path) == expected


def test_with_a_certificate_it_asks_by_tls_whatever_the_name(tmp_path):
    leaf = trustme.CA().issue_cert("flowkit.api")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert-flowkit.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    with serving(200, context) as port:
        assert ready.main({"FLOWAPI_PORT": str(port)}, tmp_path) == 0


def test_no_server_means_not_ready(tmp_path, capsys):
    with serving(200) as port:
        pass
    assert ready.main({"FLOWAPI_PORT": str(port)}, tmp_path) == 1
    assert "does not answer" in capsys.readouterr().err
