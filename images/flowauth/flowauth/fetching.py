"""Fetching: a FlowAPI's own description, from its address. Not what it means.

An admin names an address and this container asks it, so what can be asked is kept narrow: HTTPS with a trusted
certificate, one fixed path, no redirect, nothing in this container, a few seconds, a few megabytes.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import certifi

from flowauth.refusals import Refused

PATH = "/api/0/spec/openapi.json"
LARGEST = 8 * 2**20  # bytes
SECONDS = 10.0  # in all


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


def parse(url: str) -> Address:
    """Only host and port count. Raises Refused (400)."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port or 443
    except ValueError as problem:
        raise Refused("This is not an address like https://flowkit.api:9090.", bad_field="url") from problem
    if parts.scheme != "https" or not host:
        raise Refused("The address must begin with https:// and name a host.", bad_field="url")
    if parts.username is not None or parts.password is not None:
        raise Refused("The address must not hold a user name or password.", bad_field="url")
    return Address(host, port)


def is_forbidden(ip: str) -> bool:
    """This container itself, the cloud's metadata service and the like; private networks are where FlowAPI lives."""
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified


def fetch(address: Address, context: ssl.SSLContext) -> Any:
    """The JSON document there. Raises Refused (400) with a reason that tells an admin what to do."""
    deadline = time.monotonic() + SECONDS
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise Refused(f"No host {address.host} is known here.", bad_field="url") from problem
    allowed = [str(entry[4][0]) for entry in found if not is_forbidden(str(entry[4][0]))]
    if not allowed:
        raise Refused("That address is of this machine or of none; FlowAPI is elsewhere.", bad_field="url")
    # To the address that was examined: the name might mean another one the next time
    connection = _Pinned(address, allowed[0], context, deadline)
    try:
        connection.request("GET", PATH, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise Refused(f"FlowAPI answers {PATH} with status {response.status}.", bad_field="url")
        body = bytearray()
        while chunk := response.read1(65536):
            body += chunk
            if len(body) > LARGEST:
                raise Refused("The answer is larger than any specification.", bad_field="url")
            connection.hurry()
        return json.loads(body)
    except ssl.SSLCertVerificationError as problem:
        raise Refused(
            "FlowAPI's certificate is not trusted here. Give the certificate of its authority as well.",
            bad_field="certificate",
        ) from problem
    except (OSError, HTTPException) as problem:
        raise Refused(f"No FlowAPI answers at {address.host}:{address.port}.", bad_field="url") from problem
    except (ValueError, RecursionError) as problem:
        raise Refused("The answer is not a specification in JSON.", bad_field="url") from problem
    finally:
        connection.close()


def trusting(certificate: str, file: str) -> ssl.SSLContext:
    """Trusts one PEM text if there is one, else the configured file, else the public authorities."""
    try:
        if certificate:
            return ssl.create_default_context(cadata=certificate)
        if file:
            return ssl.create_default_context(cafile=file)
    except (ssl.SSLError, ValueError) as problem:
        raise Refused("This is not a certificate in PEM form.", bad_field="certificate") from problem
    except OSError as problem:
        raise Refused(f"The file FLOWAUTH_FLOWAPI_CA={file} cannot be read.", bad_field="certificate") from problem
    return ssl.create_default_context(cafile=certifi.where())


class _Pinned(HTTPSConnection):
    """A connection to one IP address under the name that the certificate must bear."""

    def __init__(self, address: Address, ip: str, context: ssl.SSLContext, deadline: float) -> None:
        super().__init__(address.host, address.port, context=context)
        self._ip = ip
        self._trust = context
        self._deadline = deadline

    def connect(self) -> None:
        plain = socket.create_connection((self._ip, self.port), timeout=self._left())
        self.sock = self._socket = self._trust.wrap_socket(plain, server_hostname=self.host)

    def hurry(self) -> None:
        # Not self.sock, which is given up when the answer ends with the connection
        self._socket.settimeout(self._left())

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
