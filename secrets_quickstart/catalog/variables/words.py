"""The kinds of values that are words: paths, names, addresses, choices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.catalog.variables.kind import refuse, seen

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_PASSES_FOR_ADDRESS = re.compile(r"[\d.]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Location:
    """A path on this machine; a relative one starts at the repository, `~` is the home directory.

    `parse` only checks: `settings` makes it absolute, because it knows where from.
    """

    @property
    def expects(self) -> str:
        return "a path"

    def parse(self, text: str) -> Path:
        # a colon ends the source of a volume in a stack file
        if ":" in text or not text.isprintable() or len(text.encode(errors="surrogatepass")) > 1024:
            raise ValueError(f"{seen(text)} has a colon or a control character in it, or is too long")
        if text.startswith("~") and text != "~" and not text.startswith("~/"):
            raise ValueError(f"{seen(text)} is another user's home: write the path in full")
        return Path(text)

    def text(self, value: Path) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, in any case."""

    options: tuple[str, ...]
    upper: bool = False
    """True when the service knows them in capitals."""

    @property
    def expects(self) -> str:
        return f"{', '.join(self.options[:-1])} or {self.options[-1]}"

    def parse(self, text: str) -> str:
        for option in self.options:
            if text.lower() == option.lower():
                return option
        raise refuse(text, self)

    def text(self, value: str) -> str:
        return value.upper() if self.upper else value


@dataclass(frozen=True, slots=True)
class Fixed:
    """The only value that works."""

    value: str
    because: str

    @property
    def expects(self) -> str:
        return self.value

    def parse(self, text: str) -> str:
        if text != self.value:
            raise ValueError(f"it has to be {self.value}: {self.because}")
        return text

    def text(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """Any text of one line that fits the pattern; `what` says in words what the pattern wants."""

    what: str
    pattern: str
    hidden: bool = False
    """True when a wrong value is not repeated in the message: it could hold a password."""

    @property
    def expects(self) -> str:
        return self.what

    def parse(self, text: str) -> str:
        if not text.isprintable() or not re.fullmatch(self.pattern, text, re.ASCII):
            raise ValueError(f"it is not {self.what}") if self.hidden else refuse(text, self)
        return text

    def text(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class RoleName:
    """The name of a role in PostgreSQL, which FlowDB's set-up pastes into SQL unquoted."""

    taken: tuple[str, ...] = ("flowdb", "flowmachine", "postgres", "public", "none", "user")

    @property
    def expects(self) -> str:
        return "a new role's name: small letters, digits and underscores, a letter first"

    def parse(self, text: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", text, re.ASCII):
            raise refuse(text, self)
        if text in self.taken or text.startswith("pg_"):
            raise ValueError(f"{seen(text)} is a name that FlowDB or PostgreSQL uses itself")
        return text

    def text(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Names:
    """Host names and IP addresses, between commas or blanks; the value is a tuple of them, in order, each once."""

    @property
    def expects(self) -> str:
        return "a host name or an IP address"

    def parse(self, text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._one(name) for name in re.split(r"[\s,]+", text) if name))

    def _one(self, name: str) -> str:
        import ipaddress

        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            pass
        if _PASSES_FOR_ADDRESS.fullmatch(name) or not _HOST.fullmatch(name) or len(name) > 253:
            raise refuse(name, self)
        return name.lower()

    def text(self, value: tuple[str, ...]) -> str:
        return ",".join(value)


@dataclass(frozen=True, slots=True)
class Address:
    """One IP address."""

    @property
    def expects(self) -> str:
        return "an IP address"

    def parse(self, text: str) -> str:
        import ipaddress

        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise refuse(text, self) from None

    def text(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class AddressPool:
    """A private IPv4 range from which networks of 254 addresses are cut."""

    @property
    def expects(self) -> str:
        return "a private IPv4 range such as 10.88.0.0/16, from /8 to /22"

    def parse(self, text: str) -> str:
        import ipaddress

        try:
            network = ipaddress.IPv4Network(text)
        except ValueError:
            raise refuse(text, self) from None
        if not network.is_private or not 8 <= network.prefixlen <= 22:
            raise refuse(text, self)
        return str(network)

    def text(self, value: str) -> str:
        return value
