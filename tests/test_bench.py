"""What the bench reckons with: its rows, and the proxy that counts what is asked of the Engine."""

import contextlib
import gc
import socket
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer

import pytest

from tests.bench import __main__ as bench
from tests.bench.proxy import Request, noting
from tests.bench.row import Row, alternating


class Echo(BaseHTTPRequestHandler):
    """An engine that answers with the length of what it was sent, or becomes an echo of bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.end_headers()
            self.wfile.write(self.rfile.readline())
            self.close_connection = True
        elif self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            self._answer(body)
        else:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body):
        text = str(len(body)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"


class UnixConnection(HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(self._path))


@pytest.fixture
def proxied(tmp_path):
    """The proxy's socket, and the requests that it has noted."""
    target = tmp_path / "engine.sock"
    with ThreadingUnixStreamServer(str(target), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with noting(target, tmp_path / "proxy.sock") as requests:
                yield tmp_path / "proxy.sock", requests
        finally:
            server.shutdown()
            thread.join()


def ask(connection, method, path, **options):
    connection.request(method, path, **options)
    return connection.getresponse().read()


def test_every_request_of_a_connection_is_noted_and_its_body_is_none(proxied):
    path, requests = proxied
    with contextlib.closing(UnixConnection(path)) as connection:
        assert ask(connection, "GET", "/a") == b"0"
        assert ask(connection, "POST", "/b", body=b"DELETE /not-one HTTP/1.1\r\n\r\n") == b"28"
        assert ask(connection, "POST", "/c", body=iter([b"GET / ", b"x" * 70000]), encode_chunked=True) == b"70006"
        assert ask(connection, "GET", "/d") == b"0"

    assert requests == [Request("GET", "/a"), Request("POST", "/b"), Request("POST", "/c"), Request("GET", "/d")]


def test_connections_side_by_side_are_noted(proxied):
    path, requests = proxied
    with contextlib.closing(UnixConnection(path)) as one, contextlib.closing(UnixConnection(path)) as other:
        one.connect()
        assert ask(other, "GET", "/other") == b"0"
        assert ask(one, "GET", "/one") == b"0"

    assert requests == [Request("GET", "/other"), Request("GET", "/one")]


def test_what_follows_an_upgrade_is_passed_on_and_not_noted(proxied):
    path, requests = proxied
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(str(path))
        raw.sendall(b"POST /exec HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\n\r\n")
        raw.sendall(b"POST /no HTTP/1.1\n")
        answer = b""
        while data := raw.recv(4096):
            answer += data

    assert answer.endswith(b"POST /no HTTP/1.1\n")
    assert requests == [Request("POST", "/exec")]


@pytest.mark.parametrize(
    ("method", "writes"), [("GET", False), ("HEAD", False), ("POST", True), ("DELETE", True), ("PUT", True)]
)
def test_only_reading_is_no_write(method, writes):
    assert Request(method, "/services").writes is writes


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("a", 2.0), None),
        (Row("a", 2.0, yardstick="b", against=1.0), None),
        (Row("a", 2.4, yardstick="b", against=2.0, most_ratio=1.2), True),
        (Row("a", 1.3, yardstick="b", against=1.0, most_ratio=1.2), False),
        (Row("a", 1.9, most=2), True),
        (Row("a", 2.1, yardstick="b", against=3.0, most=2), False),
        (Row("a", 0.0, yardstick="b", against=3.0, most=0), True),
        (Row("a", 1.0, yardstick="b", against=1.0, most=2, most_ratio=0.5), False),
        (Row("a", 1.0, yardstick="b", against=0.0, most_ratio=0.5), False),
    ],
)
def test_an_aim_is_met_by_the_value_or_its_ratio(row, met):
    assert row.met is met
    assert row.document()["met"] is met
    assert row.cells()[-1] == {True: "met", False: "missed", None: ""}[met]


def test_two_things_are_measured_in_turn_and_their_medians_taken():
    seen = []
    ours, theirs = iter([5.0, 1.0, 3.0]), iter([20.0, 60.0, 40.0])

    def take(name, values):
        seen.append(name)
        return next(values)

    assert alternating(lambda: take("ours", ours), lambda: take("theirs", theirs), 3) == (3.0, 40.0)
    assert seen == ["ours", "theirs"] * 3


def test_without_an_engine_the_bench_says_what_is_missing_and_measures_nothing(monkeypatch, capsys):
    monkeypatch.setattr(bench, "engine_version", lambda: None)
    monkeypatch.setattr(bench, "MEASURES", dict.fromkeys(bench.MEASURES, lambda: pytest.fail("it is measured")))

    assert bench.main([]) == 1

    assert "without a Docker Engine" in capsys.readouterr().err


def test_a_measure_that_does_not_exist_is_refused(capsys):
    assert bench.main(["speed"]) == 2

    assert "choose from" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_cannot_be_reached_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")

    assert bench.engine_version() is None
    gc.collect()  # the SDK forgets to close the socket with which it did not connect: complain here, if at all
