"""TLS, as a client meets it: who presents which certificate, in which version; nothing is sent through it."""

from __future__ import annotations

import hashlib
import socket
import ssl
import warnings
from dataclasses import dataclass
from functools import lru_cache

from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.errors import ServiceError

WITHIN = 10.0
FIX = "deploy again, so that the service starts with the vault's certificate"
UNTRUSTED_FIX = f"{FIX}; one of your own needs its whole chain, up to the root: invoke certs.install"


@dataclass(frozen=True, slots=True)
class Handshake:
    """What came of one."""

    version: str
    """As OpenSSL names it: TLSv1.3."""
    fingerprint: str
    """SHA-256 of the certificate presented, hexadecimal."""


@lru_cache(maxsize=8)
def trusting(pem: str) -> ssl.SSLContext:
    """A client that trusts the certificates in `pem`, and public authorities as any client does; leave it as it is."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=pem)
    return context


def unquestioning(context: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """The client given, or a new one, that takes any certificate: for where something else is asked."""
    chosen = context or ssl.create_default_context()
    chosen.check_hostname = False
    chosen.verify_mode = ssl.CERT_NONE
    return chosen


def old_fashioned(pem: str) -> ssl.SSLContext:
    """The same client as it was before 2008: TLS 1.0 and 1.1, whatever this machine's policy says."""
    context = ssl.create_default_context(cadata=pem)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def fingerprint(pem: str) -> str:
    """That of the first certificate in `pem`, which is the one presented."""
    first, end, _ = pem.partition("-----END CERTIFICATE-----")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first + end + "\n")).hexdigest()


def handshake(host: str, port: int, name: str, context: ssl.SSLContext) -> Handshake:
    """Shake hands with whoever is there, asking for `name`.

    Raises Refused when its certificate is not trusted or no version suits both, ServiceError when nobody is there.
    """
    try:
        with (
            socket.create_connection((host, port), WITHIN) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            der = secure.getpeercert(binary_form=True) or b""
            return Handshake(secure.version() or "", hashlib.sha256(der).hexdigest())
    except ssl.SSLCertVerificationError as error:
        raise Refused(
            f"the certificate presented for {name} is not trusted", why=error.verify_message, fix=UNTRUSTED_FIX
        ) from None
    except ssl.SSLError as error:
        raise Refused(f"no TLS with {host} port {port}", why=error.reason or type(error).__name__, fix=FIX) from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ServiceError(f"nobody answers at {host} port {port}", why=why, fix="see: invoke status") from None
