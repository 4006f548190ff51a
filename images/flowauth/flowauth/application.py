"""The application: the views put together, and what is done around every request."""

from __future__ import annotations

import os
import time
import uuid
from typing import cast

from flask import Flask, Response, g, jsonify, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_migrate import Migrate
from flask_wtf.csrf import CSRFError, generate_csrf
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.middleware.proxy_fix import ProxyFix

from flowauth import (
    configuration,
    logs,
    own_account,
    own_tokens,
    pages,
    passwords,
    roles,
    servers,
    services,
    sessions,
    signing_in,
    users,
)
from flowauth.configuration import Configuration
from flowauth.memory import MemoryLost
from flowauth.models import database
from flowauth.refusals import Refused, unavailable

LARGEST_BODY = 4 * 2**20  # bytes; every scope of a server, several times over
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
SAFE = {"GET", "HEAD", "OPTIONS"}
CSRF_COOKIE = "X-CSRF"


class Sessions(SecureCookieSessionInterface):
    """Flask's, with cookies that stay on HTTPS where there is HTTPS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        del app
        return _is_https()


def create_app(settings: Configuration | None = None) -> Flask:
    settings = settings or configuration.read()
    app = Flask(__name__)
    app.session_interface = Sessions()
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        PERMANENT_SESSION_LIFETIME=sessions.IDLE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # Other clients than browsers send no Referer; _refuse_other_sites looks at what browsers cannot leave out
        WTF_CSRF_SSL_STRICT=False,
        WTF_CSRF_TIME_LIMIT=sessions.LONGEST,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(settings),
    )
    app.extensions[services.KEY] = services.make(settings)
    if settings.proxies:
        count = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    database.init_app(app)
    Migrate(app, database, directory=f"{app.root_path}/migrations")
    passwords.allow_at_once(max(1, _cores() // workers(settings)))

    app.before_request(_begin)
    app.before_request(_refuse_other_sites)
    services.csrf.init_app(app)  # checks the token, after the two above
    app.after_request(_finish)
    for module in (pages, signing_in, own_account, own_tokens, users, servers, roles):
        app.register_blueprint(module.blueprint)
    app.register_error_handler(Refused, _tell)
    app.register_error_handler(CSRFError, _tell_csrf)
    app.register_error_handler(HTTPException, _tell_http)
    app.register_error_handler(MemoryLost, _tell_memory_lost)
    for conflict in (IntegrityError, StaleDataError, ObjectDeletedError):
        app.register_error_handler(conflict, _tell_conflict)
    app.register_error_handler(DBAPIError, _tell_database)
    app.register_error_handler(PoolTimeoutError, _tell_database)
    app.register_error_handler(Exception, _tell_bug)
    return app


def workers(settings: Configuration) -> int:
    """Processes. What is remembered in memory is remembered in one."""
    return 1 if settings.cache.backend == "memory" else settings.workers


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _engine_options(settings: Configuration) -> dict[str, object]:
    if not settings.database_url.startswith("postgresql"):
        return {}
    return {
        "pool_pre_ping": True,  # a restarted database costs no request
        "pool_size": 4,
        "max_overflow": max(0, settings.threads - 4),
        "pool_timeout": 10,
        "pool_recycle": 900,
        "connect_args": {
            "connect_timeout": 5,
            "tcp_user_timeout": 10_000,
            "options": "-c statement_timeout=20s -c timezone=UTC",
            "application_name": "flowauth",
        },
    }


def _begin() -> None:
    g.start = time.perf_counter()
    logs.about_request.set(
        {
            "request_id": str(uuid.uuid4()),
            "method": request.method,
            "path": request.path,
            "src_ip": request.remote_addr,
            "user": None,
        }
    )
    if request.endpoint != "static":
        session.permanent = True


def _refuse_other_sites() -> None:
    """Another site's page cannot hide where it is from; signing in and out are guarded by nothing else."""
    if (request.method not in SAFE or request.path == "/signout") and request.headers.get(
        "Sec-Fetch-Site", "none"
    ) not in {"same-origin", "none"}:
        raise CSRFError("from another site")


def _finish(response: Response) -> Response:
    is_file = request.path.startswith("/static/")
    if not is_file:
        response.set_cookie(CSRF_COOKIE, generate_csrf(), secure=_is_https(), samesite="Lax")
        response.headers.setdefault("Cache-Control", "no-store")
    for name, value in HEADERS.items():
        response.headers[name] = value
    about = logs.about_request.get() or {}
    response.headers["X-Request-ID"] = str(about.get("request_id", ""))
    if not (is_file or (request.path == "/version" and response.status_code == 200)):
        duration = round(time.perf_counter() - g.get("start", time.perf_counter()), 6)
        logs.say(logs.access, "REQUEST", status=response.status_code, duration=duration)
    return response


def _is_https() -> bool:
    """As far as anybody says: believing it can only make a cookie safer."""
    return request.is_secure or "https" in request.headers.get("X-Forwarded-Proto", "")


def _tell(refused: Refused) -> Response:
    database.session.rollback()
    response = jsonify(refused.body)
    response.status_code = refused.status
    response.headers.update(refused.headers)
    return response


def _tell_csrf(_problem: CSRFError) -> tuple[str, int]:
    return "CSRF error", 401


def _tell_http(problem: HTTPException) -> Response:
    """Flask's own: no such path, no such method, too large a body."""
    if problem.response is not None:  # a redirect
        return cast("Response", problem.get_response())
    response = _tell(Refused(problem.description or problem.name, problem.code or 500))
    if isinstance(problem, MethodNotAllowed) and problem.valid_methods:
        response.headers["Allow"] = ", ".join(problem.valid_methods)
    return response


def _tell_memory_lost(problem: MemoryLost) -> Response:
    logs.debug.error("The cache of codes and attempts cannot be reached: %s", problem)
    return _tell(unavailable("Signing in is not possible just now. Try again in a moment."))


def _tell_conflict(_problem: Exception) -> Response:
    return _tell(Refused("Somebody else has just changed this. Look again.", 409))


def _tell_database(problem: Exception) -> Response:
    # Only the driver's message: the statement's parameters may be secret
    cause = problem.orig if isinstance(problem, DBAPIError) else problem
    if isinstance(problem, DBAPIError) and not isinstance(problem, OperationalError | InterfaceError):
        logs.debug.error("The database refused a statement: %s: %s", type(cause).__name__, cause)
        return _tell(Refused("Something went wrong.", 500))
    logs.debug.error("The database cannot be reached: %s", str(cause).strip().partition("\n")[0])
    return _tell(unavailable("The database cannot be reached just now. Try again in a moment."))


def _tell_bug(problem: Exception) -> Response:
    logs.debug.error("A bug: %s", type(problem).__name__, exc_info=problem)
    return _tell(Refused("Something went wrong.", 500))
