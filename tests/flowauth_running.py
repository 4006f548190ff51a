"""FlowAuth itself, of `images/flowauth`, run in this process on SQLite and served over TLS; no test is here.

Where its libraries are not installed, whoever asks for it is skipped.
"""

import contextlib
import importlib
import json
import logging
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme
from cryptography.fernet import Fernet

from flowapi import specification
from secrets_quickstart.clients.flowauth_admin import FlowauthAdmin
from secrets_quickstart.clients.https import Place
from secrets_quickstart.material import keys
from secrets_quickstart.sensitive import Sensitive
from tests import verification_fakes as fakes
from tests.flowauth_package import module

NAME = "flowauth.test"
ADMIN, ADMIN_PASSWORD = "admin", Sensitive("correct horse battery staple!")
USER_PASSWORD = Sensitive("sixteen violet umbrellas dancing")
SCHEMAS = json.loads((Path(__file__).parent / "data/flowmachine_query_schemas_1.34.json").read_text())["query_schemas"]


def document(name="toy_api"):
    """A FlowAPI's specification with every scope of FlowMachine 1.34."""
    return specification.document(SCHEMAS, name)


def scopes_of(made):
    return tuple(made["components"]["securitySchemes"]["token"]["x-security-scopes"])


SCOPES = scopes_of(document())


def application(folder, key):
    """The Flask application with its tables and its admin; passwords are hashed quickly."""
    pytest.importorskip("flask", reason="FlowAuth's libraries are not installed")
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

    def recording(environ, start):
        seen.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return app(environ, start)

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = importlib.import_module("werkzeug.serving").make_server(
        "127.0.0.1", 0, recording, threaded=True, ssl_context=context
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield SimpleNamespace(place=Place("127.0.0.1", server.port, NAME, pem), seen=seen, app=app)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def running(folder, key=None):
    return served(application(folder, key or keys.signing_key(2048)))


def signed_in(place, user=ADMIN, password=ADMIN_PASSWORD):
    client = FlowauthAdmin(place)
    client.sign_in(user, password)
    return client
