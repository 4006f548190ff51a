"""FlowAuth itself, of `images/flowauth`, run in this process on SQLite and served over TLS; no test is here."""

import contextlib
import http.server
import importlib
import io
import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import trustme
from cryptography.fernet import Fernet

from flowapi import scopes
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.https import Place
from secrets_quickstart.errors import ServiceError
from secrets_quickstart.material import keys
from secrets_quickstart.sensitive import Sensitive
from tests import verification_fakes as fakes
from tests.flowauth_package import module

NAME = "flowauth.test"
ADMIN, ADMIN_PASSWORD = "admin", Sensitive("correct horse battery staple!")
USER_PASSWORD = Sensitive("sixteen violet umbrellas dancing")
SCHEMAS = json.loads((Path(__file__).parent / "data/flowmachine_query_schemas_1.34.json").read_text())["query_schemas"]


SCOPES = tuple(scopes.of_schemas(SCHEMAS))
"""Every scope of FlowMachine 1.34."""


def document(name="toy_api", known=SCOPES):
    """As much of a FlowAPI's specification as FlowAuth has to know."""
    token = {"type": "http", "scheme": "bearer", "x-audience": name, "x-security-scopes": sorted(known)}
    return {"openapi": "3.0.1", "components": {"securitySchemes": {"token": token}}}


def application(folder, key):
    """The Flask application with its tables and its admin; passwords are hashed quickly."""
    passwords = module("passwords")
    quick = importlib.import_module("argon2").PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    vars(passwords).update(_password_hasher=quick, _code_hasher=quick)
    passwords._nobodys.cache_clear()
    environment = {
        "FLOWAUTH_ADMIN_USERNAME": ADMIN,
        "FLOWAUTH_ADMIN_PASSWORD": ADMIN_PASSWORD.text(),
        "FLOWAUTH_FERNET_KEY": Fernet.generate_key().decode(),
        "SECRET_KEY": "a secret key for the tests",
        "PRIVATE_JWT_SIGNING_KEY": key.text(),
        "DB_URI": f"sqlite:///{folder}/flowauth.db",
        "FLOWAUTH_CACHE_BACKEND": "memory",
    }
    settings = module("configuration").read(environment, folder)
    app = module("application").create_app(settings)
    database = module("models").database
    with app.app_context():
        database.create_all()
    app.extensions["settings"] = settings
    return app


def emptied(app):
    """As it was when it started."""
    database, services, throttle = module("models").database, module("services"), module("throttle")
    settings, memory = app.extensions["settings"], module("memory").FileMemory(":memory:")
    app.extensions[services.KEY] = services.Services(settings, memory, throttle.Throttle(memory))
    with app.app_context():
        database.session.connection().exec_driver_sql("PRAGMA synchronous = OFF")
        for table in reversed(database.metadata.sorted_tables):
            database.session.execute(table.delete())
        database.session.commit()
        module("preparation").ensure_admin(settings.admin_username, settings.admin_password)


@contextlib.contextmanager
def served(app):
    """Over TLS on loopback; yields the place and the log of requests, as method and path."""
    context, pem = fakes.tls(trustme.CA(), NAME)
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        """One connection for many requests, as the edge has it."""

        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def respond(self):
            seen.append((self.command, self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            environ: dict[str, Any] = {
                f"HTTP_{name.upper().replace('-', '_')}": text for name, text in self.headers.items()
            }
            environ |= {
                "REQUEST_METHOD": self.command,
                "SCRIPT_NAME": "",
                "PATH_INFO": self.path,
                "SERVER_NAME": "127.0.0.1",
                "SERVER_PORT": str(self.server.server_port),  # type: ignore[attr-defined]
                "SERVER_PROTOCOL": self.request_version,
                "REMOTE_ADDR": self.client_address[0],
                "CONTENT_LENGTH": str(len(body)),
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "wsgi.version": (1, 0),
                "wsgi.url_scheme": "https",
                "wsgi.input": io.BytesIO(body),
                "wsgi.errors": sys.stderr,
                "wsgi.multithread": True,
                "wsgi.multiprocess": False,
                "wsgi.run_once": False,
            }
            chunks = app(environ, self._start)
            for chunk in chunks:
                self.wfile.write(chunk)
            chunks.close()
            self.wfile.flush()

        do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815  the library calls them so

        def _start(self, status, headers, _failure=None):
            self.send_response(int(status.split()[0]))
            for name, text in headers:
                self.send_header(name, text)
            self.end_headers()

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield SimpleNamespace(place=Place("127.0.0.1", server.server_port, NAME, pem), seen=seen, app=app)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def running(folder, key=None):
    return served(application(folder, key or keys.signing_key(2048)))


def signed_in(place, user=ADMIN, password=ADMIN_PASSWORD):
    client = FlowauthAdmin(place)
    try:
        client.sign_in(user, password)
    except ServiceError:
        client.close()
        raise
    return client
