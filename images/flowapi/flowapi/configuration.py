"""Configuration: this container's secrets and variables, read once. Not the objects made of it."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from flowapi.tokens import public_key

SECRETS = Path("/run/secrets")
CERTIFICATE, KEY = "cert-flowkit.pem", "key-flowkit.pem"
LEVELS = ("debug", "info", "warning", "error", "critical")
DEFAULTS = {
    "FLOWAPI_LOG_LEVEL": "error",
    "FLOWAPI_PORT": "9090",
    "FLOWAPI_FLOWMACHINE_TIMEOUT": "30",
}
REQUIRED = (
    "PUBLIC_JWT_SIGNING_KEY",
    "FLOWMACHINE_HOST",
    "FLOWMACHINE_PORT",
    "FLOWDB_HOST",
    "FLOWDB_PORT",
    "FLOWAPI_FLOWDB_USER",
    "FLOWAPI_FLOWDB_PASSWORD",
    "FLOWAPI_IDENTIFIER",
)
# Forward-secret key exchange with authenticated encryption only; TLS 1.3's suites are all so.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Misconfigured(Exception):
    """One sentence for the operator; the server does not start."""


@dataclass(frozen=True, slots=True)
class Configuration:
    signing_key: RSAPublicKey
    identifier: str
    flowmachine_host: str
    flowmachine_port: int
    flowmachine_timeout: float  # seconds
    flowdb_host: str
    flowdb_port: int
    flowdb_user: str
    flowdb_password: str = field(repr=False)
    port: int
    log_level: str  # one of LEVELS
    tls: ssl.SSLContext | None


def read(environment: Mapping[str, str] = os.environ, secrets: Path = SECRETS) -> Configuration:
    """A secret's file counts before a variable of its name, and blanks around either do not.

    Raises Misconfigured, naming everything that is missing or everything that is wrong.
    """
    values = {name: _value(name, environment, secrets) for name in (*REQUIRED, *DEFAULTS)}
    if missing := [name for name, value in values.items() if not value]:
        raise Misconfigured(
            f"FlowAPI cannot start without {', '.join(missing)}: give each as a secret"
            f" (a file in {secrets}) or as an environment variable."
        )
    wrong: list[str] = []
    ports = {name: _port(name, value, wrong) for name, value in values.items() if name.endswith("_PORT")}
    timeout = _seconds("FLOWAPI_FLOWMACHINE_TIMEOUT", values, wrong)
    try:
        key = public_key(values["PUBLIC_JWT_SIGNING_KEY"])
    except ValueError as problem:
        wrong.append(f"PUBLIC_JWT_SIGNING_KEY is {problem}")
    if wrong:
        raise Misconfigured(f"FlowAPI cannot start: {'; '.join(wrong)}.")
    level = values["FLOWAPI_LOG_LEVEL"].lower()
    return Configuration(
        signing_key=key,
        identifier=values["FLOWAPI_IDENTIFIER"],
        flowmachine_host=values["FLOWMACHINE_HOST"],
        flowmachine_port=ports["FLOWMACHINE_PORT"],
        flowmachine_timeout=timeout,
        flowdb_host=values["FLOWDB_HOST"],
        flowdb_port=ports["FLOWDB_PORT"],
        flowdb_user=values["FLOWAPI_FLOWDB_USER"],
        flowdb_password=values["FLOWAPI_FLOWDB_PASSWORD"],
        port=ports["FLOWAPI_PORT"],
        log_level=level if level in LEVELS else DEFAULTS["FLOWAPI_LOG_LEVEL"],
        tls=_tls(secrets),
    )


def _value(name: str, environment: Mapping[str, str], secrets: Path) -> str:
    file = secrets / name
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else environment.get(name, "")
    except (OSError, UnicodeDecodeError) as problem:
        reason = "is not text" if isinstance(problem, ValueError) else "cannot be read"
        raise Misconfigured(f"FlowAPI cannot start: the secret {file} {reason}.") from problem
    return text.strip() or DEFAULTS.get(name, "")


def _port(name: str, text: str, wrong: list[str]) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536:
        return int(text)
    wrong.append(f"{name} is not a port number: {text!r}")
    return 0


def _seconds(name: str, values: Mapping[str, str], wrong: list[str]) -> float:
    try:
        seconds = float(values[name])
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        wrong.append(f"{name} is not a number of seconds up to 3600: {values[name]!r}")
    return seconds


def _tls(secrets: Path) -> ssl.SSLContext | None:
    """The context for TLS when both files are there, None when neither is."""
    certificate, key = secrets / CERTIFICATE, secrets / KEY
    match certificate.is_file(), key.is_file():
        case False, False:
            return None
        case True, False:
            raise Misconfigured(f"FlowAPI has the certificate {certificate} but not {key}.")
        case False, True:
            raise Misconfigured(f"FlowAPI has the key {key} but not the certificate {certificate}.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    try:
        # An encrypted key must not make the library ask at a terminal
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as problem:
        raise Misconfigured(f"FlowAPI cannot use {certificate} with {key} for TLS: {problem}.") from problem
    return context
