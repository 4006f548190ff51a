"""Configuration: this container's secrets and variables, read once. Not the objects made of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from flowauth.tokens import private_key

SECRETS = Path("/run/secrets")
LEVELS = ("debug", "info", "warning", "error", "critical")
REQUIRED = (
    "FLOWAUTH_ADMIN_USERNAME",
    "FLOWAUTH_ADMIN_PASSWORD",
    "FLOWAUTH_FERNET_KEY",
    "SECRET_KEY",
    "PRIVATE_JWT_SIGNING_KEY",
)
DEFAULTS = {
    "DB_URI": "sqlite:////tmp/flowauth.db",  # gone with the container, as the documentation says
    "FLOWAUTH_CACHE_BACKEND": "file",
    "FLOWAUTH_CACHE_FILE": "/dev/shm/flowauth_last_used_cache",  # noqa: S108  the documented place
    "FLOWAUTH_REDIS_PORT": "6379",
    "FLOWAUTH_REDIS_DB": "0",
    "FLOWAUTH_LOG_LEVEL": "error",
    "FLOWAUTH_TWO_FACTOR_ISSUER": "FlowAuth",
    "TWO_FACTOR_VALID_WINDOW": "0",
    "FLOWAUTH_PORT": "80",
    "FLOWAUTH_WORKERS": "2",
    "FLOWAUTH_THREADS": "8",
    "FLOWAUTH_TRUSTED_PROXIES": "0",
}
OPTIONAL = ("FLOWAUTH_DB_PASSWORD", "FLOWAUTH_REDIS_HOST", "FLOWAUTH_REDIS_PASSWORD", "FLOWAUTH_FLOWAPI_CA")
# FlowAuth's documentation has another name than its code; either will do.
OTHER_NAMES = {"FLOWAUTH_ADMIN_USERNAME": "FLOWAUTH_ADMIN_USER"}
FLAGS = {"": False, "true": True, "1": True, "yes": True, "on": True}
FLAGS |= {"false": False, "0": False, "no": False, "off": False}
LEAST_SECRET = 16  # characters of SECRET_KEY


class Misconfigured(Exception):
    """What, why and what to do, for the operator; the server does not start."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Where codes and attempts are remembered."""

    backend: str  # file, redis or memory
    file: str
    redis_host: str
    redis_port: int
    redis_number: int
    redis_password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Configuration:
    admin_username: str
    admin_password: str = field(repr=False)
    database_url: str = field(repr=False)
    fernet: MultiFernet = field(repr=False)  # encrypts with its first key, decrypts with any
    several_keys: bool
    secret_key: str = field(repr=False)
    signing_key: RSAPrivateKey = field(repr=False)
    cache: Cache
    log_level: str  # one of LEVELS
    two_factor_issuer: str
    two_factor_window: int  # codes before and after the current one that count, of 30 s each
    reset: bool
    port: int
    workers: int
    threads: int
    proxies: int  # whose X-Forwarded-* headers are believed
    flowapi_ca: str  # a file of certificates, or empty


def read(environment: Mapping[str, str] = os.environ, secrets: Path = SECRETS) -> Configuration:
    """A secret's file counts before a variable of its name, and blanks around either do not.

    Raises Misconfigured, naming everything that is missing or everything that is wrong.
    """
    names = (*REQUIRED, *DEFAULTS, *OPTIONAL, "RESET_FLOWAUTH_DB", "DEMO_MODE")
    values = {name: _value(name, environment, secrets) for name in names}
    missing = [name for name in REQUIRED if not values[name]]
    backend = values["FLOWAUTH_CACHE_BACKEND"].lower()
    if backend == "redis" and not values["FLOWAUTH_REDIS_HOST"]:
        missing.append("FLOWAUTH_REDIS_HOST (which FLOWAUTH_CACHE_BACKEND=redis needs)")
    if missing:
        raise Misconfigured(
            f"Undefined configuration option: {', '.join(missing)}. FlowAuth cannot start without: give each as a"
            f" secret (a file in {secrets}) or as an environment variable."
        )
    wrong: list[str] = []
    if _flag(values, "DEMO_MODE", wrong):
        wrong.append("DEMO_MODE is set, and this image has no demonstration (it would wipe the database): leave it out")
    reset = _flag(values, "RESET_FLOWAUTH_DB", wrong)
    numbers = {
        name: _number(name, values[name], least, most, wrong)
        for name, least, most in (
            ("FLOWAUTH_PORT", 1, 65535),
            ("FLOWAUTH_REDIS_PORT", 1, 65535),
            ("FLOWAUTH_REDIS_DB", 0, 10000),
            ("TWO_FACTOR_VALID_WINDOW", 0, 10),
            ("FLOWAUTH_WORKERS", 1, 64),
            ("FLOWAUTH_THREADS", 1, 256),
            ("FLOWAUTH_TRUSTED_PROXIES", 0, 10),
        )
    }
    if len(values["FLOWAUTH_ADMIN_USERNAME"]) > 75:
        wrong.append("FLOWAUTH_ADMIN_USERNAME is longer than 75 characters")
    if len(values["SECRET_KEY"]) < LEAST_SECRET:
        wrong.append(f"SECRET_KEY is shorter than {LEAST_SECRET} characters, and whoever guesses it is an admin")
    if values["FLOWAUTH_LOG_LEVEL"].lower() not in LEVELS:
        wrong.append(f"FLOWAUTH_LOG_LEVEL is none of {', '.join(LEVELS)}")
    fernet = key = None
    fernet_keys = values["FLOWAUTH_FERNET_KEY"].split(",")
    try:
        fernet = MultiFernet([Fernet(text.strip()) for text in fernet_keys])
    except ValueError:
        wrong.append(
            "FLOWAUTH_FERNET_KEY is not a Fernet key (44 characters of URL-safe base64), or several with commas"
        )
    try:
        key = private_key(values["PRIVATE_JWT_SIGNING_KEY"])
    except ValueError as problem:
        wrong.append(f"PRIVATE_JWT_SIGNING_KEY is {problem}")
    if wrong or fernet is None or key is None:
        raise Misconfigured(f"FlowAuth cannot start: {'; '.join(wrong)}.")
    return Configuration(
        admin_username=values["FLOWAUTH_ADMIN_USERNAME"],
        admin_password=values["FLOWAUTH_ADMIN_PASSWORD"],
        database_url=database_url(values["DB_URI"], values["FLOWAUTH_DB_PASSWORD"]),
        fernet=fernet,
        several_keys=len(fernet_keys) > 1,
        secret_key=values["SECRET_KEY"],
        signing_key=key,
        cache=Cache(
            backend=backend if backend in {"file", "redis"} else "memory",
            file=values["FLOWAUTH_CACHE_FILE"],
            redis_host=values["FLOWAUTH_REDIS_HOST"],
            redis_port=numbers["FLOWAUTH_REDIS_PORT"],
            redis_number=numbers["FLOWAUTH_REDIS_DB"],
            redis_password=values["FLOWAUTH_REDIS_PASSWORD"],
        ),
        log_level=values["FLOWAUTH_LOG_LEVEL"].lower(),
        two_factor_issuer=values["FLOWAUTH_TWO_FACTOR_ISSUER"],
        two_factor_window=numbers["TWO_FACTOR_VALID_WINDOW"],
        reset=reset,
        port=numbers["FLOWAUTH_PORT"],
        workers=numbers["FLOWAUTH_WORKERS"],
        threads=numbers["FLOWAUTH_THREADS"],
        proxies=numbers["FLOWAUTH_TRUSTED_PROXIES"],
        flowapi_ca=values["FLOWAUTH_FLOWAPI_CA"],
    )


def database_url(template: str, password: str) -> str:
    """DB_URI with the password, quoted, where the braces are, and with the driver that is installed.

    Other braces stay as they are.
    """
    url = template.replace("{}", quote(password, safe=""), 1)
    scheme, separator, rest = url.partition("://")
    if scheme.split("+")[0] in {"postgres", "postgresql"}:
        scheme = "postgresql+psycopg"
    return f"{scheme}{separator}{rest}"


def _value(name: str, environment: Mapping[str, str], secrets: Path) -> str:
    for each in (name, OTHER_NAMES.get(name)):
        if each is None:
            continue
        file = secrets / each
        try:
            text = file.read_text(encoding="utf-8") if file.is_file() else environment.get(each, "")
        except (OSError, UnicodeDecodeError) as problem:
            reason = "is not text" if isinstance(problem, ValueError) else "cannot be read"
            raise Misconfigured(f"FlowAuth cannot start: the secret {file} {reason}.") from None
        if text.strip():
            return text.strip()
    return DEFAULTS.get(name, "")


def _flag(values: Mapping[str, str], name: str, wrong: list[str]) -> bool:
    flag = FLAGS.get(values[name].lower())
    if flag is None:
        wrong.append(f"{name} is neither true nor false")
    return flag is True


def _number(name: str, text: str, least: int, most: int, wrong: list[str]) -> int:
    if text.isascii() and text.isdigit() and least <= int(text[:9]) <= most:
        return int(text)
    wrong.append(f"{name} is not a whole number from {least} to {most}: {text!r}")
    return least
