"""Throttle: how often a password or a code may be tried. Not whether it is right.

Nobody can lock others out for long: a name that is attacked from elsewhere is closed for a minute at a time, and
never to addresses from which its owner has signed in before. The limit on codes is reached only by those who know
the password.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from flowauth.memory import Memory
from flowauth.refusals import Refused


@dataclass(frozen=True, slots=True)
class Rule:
    most: int  # failures
    seconds: int  # from the first of them


BY_NAME_AND_ADDRESS = Rule(10, 300)
BY_ADDRESS = Rule(100, 300)
BY_NAME = Rule(30, 60)
CODES = Rule(20, 3600)
KNOWN_SECONDS = 30 * 86400  # an address from which the name has signed in


class Throttle:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def check(self, name: str, address: str) -> None:
        """Raises Refused (429) when there were too many failures; the same for names that do not exist."""
        keys = _Keys(name, address)
        for key, rule in ((keys.both, BY_NAME_AND_ADDRESS), (keys.address, BY_ADDRESS)):
            self._check(key, rule)
        if self._memory.count(keys.known) == 0:
            self._check(keys.name, BY_NAME)

    def failed(self, name: str, address: str) -> None:
        keys = _Keys(name, address)
        for key, rule in ((keys.both, BY_NAME_AND_ADDRESS), (keys.address, BY_ADDRESS), (keys.name, BY_NAME)):
            self._memory.add(key, rule.seconds)

    def succeeded(self, name: str, address: str) -> None:
        keys = _Keys(name, address)
        self._memory.forget(keys.both)
        self._memory.first(keys.known, KNOWN_SECONDS)

    def check_code(self, user_id: int) -> None:
        self._check(f"codes:{user_id}", CODES)

    def failed_code(self, user_id: int) -> None:
        self._memory.add(f"codes:{user_id}", CODES.seconds)

    def _check(self, key: str, rule: Rule) -> None:
        if self._memory.count(key) >= rule.most:
            raise Refused("Too many attempts. Wait a while, then try again.", 429, retry_after=rule.seconds)


class _Keys:
    def __init__(self, name: str, address: str) -> None:
        network = network_of(address)
        self.both = f"both:{_digest(f'{name} {network}')}"
        self.known = f"known:{_digest(f'{name} {network}')}"
        self.name = f"name:{_digest(name)}"
        self.address = f"address:{_digest(network)}"


def network_of(address: str) -> str:
    """What one customer of a provider has: an IPv4 address, or 64 bits of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)


def _digest(text: str) -> str:
    # A name's length is the client's choice, and its text nobody's business in a cache
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
