"""Servers on loopback that answer as FlowDB, redis and FlowAPI would, or as they should not."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import struct
import threading
from contextlib import contextmanager

WITHIN = 10


@contextmanager
def listening(serve, context=None):
    """A server that hands each connection to `serve`, in a thread of its own; yields its port."""
    stopped = threading.Event()
    threads = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def one(connection):
            connection.settimeout(WITHIN)
            with connection:
                try:
                    if context is not None:
                        connection = context.wrap_socket(connection, server_side=True)
                    with connection:
                        serve(connection)
                except OSError:
                    return

        def accept():
            while not stopped.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            stopped.set()
            accepting.join()
            for thread in threads:
                thread.join(WITHIN)


def free_port():
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def redis_server(password):
    """As redis answers AUTH and PING; `password` None is a redis that was given none."""

    def serve(connection):
        stream = connection.makefile("rwb")
        allowed = password is None
        while line := stream.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int(stream.readline()[1:])
                words.append(stream.read(length + 2)[:-2].decode())
            match words:
                case ["AUTH", _] if password is None:
                    reply = (
                        "-ERR AUTH <password> called without any password configured for the default user. "
                        "Are you sure your configuration is correct?"
                    )
                case ["AUTH", given]:
                    allowed = given == password
                    reply = "+OK" if allowed else "-WRONGPASS invalid username-password pair or user is disabled."
                case _ if not allowed:
                    reply = "-NOAUTH Authentication required."
                case ["PING"]:
                    reply = "+PONG"
                case _:
                    reply = "-ERR unknown command"
            stream.write(reply.encode() + b"\r\n")
            stream.flush()

    return listening(serve)


def _message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def _postgres_error(severity, code, text):
    fields = [("S", severity), ("V", severity), ("C", code), ("M", text)]
    return _message(b"E", b"".join(mark.encode() + value.encode() + b"\0" for mark, value in fields) + b"\0")


def postgres_server(passwords, failure=None):
    """PostgreSQL's protocol 3.0 as far as logging in; then each question meets `failure` (SQLSTATE, text)."""

    def serve(connection):
        stream = connection.makefile("rwb")
        (length,) = struct.unpack("!i", stream.read(4))
        startup = stream.read(length - 4)
        if startup[:4] == struct.pack("!i", 80877103):  # may we have TLS?
            stream.write(b"N")
            stream.flush()
            (length,) = struct.unpack("!i", stream.read(4))
            startup = stream.read(length - 4)
        words = startup[4:].decode().split("\0")
        user = words[words.index("user") + 1]
        stream.write(_message(b"R", struct.pack("!i", 3)))  # the password, in the clear
        stream.flush()
        _, (length,) = stream.read(1), struct.unpack("!i", stream.read(4))
        given = stream.read(length - 4)[:-1].decode()
        if passwords.get(user) != given:
            refusal = _postgres_error("FATAL", "28P01", f'password authentication failed for user "{user}"')
            stream.write(refusal)
            stream.flush()
            return
        stream.write(_message(b"R", struct.pack("!i", 0)) + _message(b"Z", b"I"))
        stream.flush()
        while kind := stream.read(1):
            (length,) = struct.unpack("!i", stream.read(4))
            body = stream.read(length - 4)
            if kind == b"Q":
                done = _message(b"C", b"BEGIN\0") if body.startswith((b"BEGIN", b"ROLLBACK", b"COMMIT")) else b""
                stream.write((done or _postgres_error("ERROR", *failure)) + _message(b"Z", b"T" if done else b"E"))
                stream.flush()
            elif kind == b"X":
                return

    return listening(serve)


@contextmanager
def http_server(answer, context=None):
    """FlowAPI as `answer(method, path, token, document)` has it: (status, document or text, headers); yields a port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            length = int(self.headers.get("Content-Length", 0))
            document = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, content, headers = answer(self.command, self.path, token, document)
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  the library calls it so

        def log_message(self, *_):
            return

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            return

        def get_request(self):
            connection, address = super().get_request()
            connection.settimeout(WITHIN)
            if context is not None:
                try:
                    connection = context.wrap_socket(connection, server_side=True)
                except ssl.SSLError as error:
                    raise OSError from error
            return connection, address

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def tls(authority, *names):
    """A server's context with a certificate of `authority` (trustme), and the PEM that it presents, its CA last."""
    leaf = authority.issue_cert(*names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems) + authority.cert_pem.bytes()
    return context, chain.decode()
