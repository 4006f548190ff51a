"""The kinds of values that are counted: sizes, times, ports, numbers, true and false."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from secrets_quickstart.catalog.variables.kind import refuse, seen

KB, MB, GB, TB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
_UNITS = {"B": 1, "KB": KB, "MB": MB, "GB": GB, "TB": TB}
_SPELLED = ((TB, "TB"), (GB, "GB"), (MB, "MB"), (KB, "kB"))  # as PostgreSQL spells them; Docker takes any case
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*(?:([kmgt])i?b?|(b))?", re.IGNORECASE | re.ASCII)
_TIME = re.compile(r"(\d{1,12})\s*([smhd]?)", re.IGNORECASE | re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def size_text(size: int) -> str:
    """Whole kilobytes as PostgreSQL and Docker both read them, with the largest unit that loses nothing: `1536MB`."""
    for unit, name in _SPELLED:
        if size and size % unit == 0:
            return f"{size // unit}{name}"
    return f"{size // KB}kB"


@dataclass(frozen=True, slots=True)
class Size:
    """An amount of memory or disk with its unit (1kB = 1024 bytes); the value is in bytes, of whole kilobytes."""

    low: int = 1
    high: int = 1024 * TB
    plain: bool = False
    """True when the service wants plain bytes: then a number without a unit is read as bytes too."""

    @property
    def expects(self) -> str:
        return "a number of bytes or a size such as 10GB" if self.plain else "a size such as 512MB or 16GB"

    def parse(self, text: str) -> int:
        match = _SIZE.fullmatch(text)
        if match is None:
            raise refuse(text, self)
        prefix, unit = match[2], match[3]
        if prefix is None and unit is None and not self.plain:
            # PostgreSQL would count such a number in blocks of 8 kB, Docker in bytes
            raise ValueError(f"{seen(text)} has no unit: write a size such as 512MB or 16GB")
        size = int(Fraction(match[1]) * _UNITS[f"{prefix or ''}B".upper()])
        if not self.plain:
            size -= size % KB  # not every reader knows the unit B
        if not self.low <= size <= self.high:
            raise ValueError(f"{seen(text)} is not from {size_text(self.low)} to {size_text(self.high)}")
        return size

    def text(self, value: int) -> str:
        return str(value) if self.plain else size_text(value)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number, the limits included."""

    low: int
    high: int
    what: str = "a whole number"

    @property
    def expects(self) -> str:
        return f"{self.what} from {self.low} to {self.high}"

    def parse(self, text: str) -> int:
        if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or not self.low <= int(text) <= self.high:
            raise refuse(text, self)
        return int(text)

    def text(self, value: int) -> str:
        return str(value)


def user_id() -> Integer:
    """A uid of PostgreSQL or Airflow, which both refuse to be root."""
    return Integer(1, 2**31 - 1, "the number of a user other than root,")


def group_id() -> Integer:
    return Integer(0, 2**31 - 1, "the number of a group")


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port."""

    published: bool = False
    """True for one that is taken on the host, so that no two of them may be equal."""

    @property
    def expects(self) -> str:
        return "a port from 1 to 65535"

    def parse(self, text: str) -> int:
        if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
            raise refuse(text, self)
        return int(text)

    def text(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Number:
    """A number above 0, with a fraction if need be."""

    high: float

    @property
    def expects(self) -> str:
        return f"a number above 0 and up to {self.high:.0f}"

    def parse(self, text: str) -> float:
        if not re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text, re.ASCII) or not 0 < float(text) <= self.high:
            raise refuse(text, self)
        return float(text)

    def text(self, value: float) -> str:
        return f"{value:.9f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    unset_when_false: bool = False
    """True when FlowKit takes any value, even `false`, for a yes."""

    @property
    def expects(self) -> str:
        return "true or false"

    def parse(self, text: str) -> bool:
        match text.lower():
            case "true" | "yes" | "on" | "1":
                return True
            case "false" | "no" | "off" | "0":
                return False
            case _:
                raise refuse(text, self)

    def text(self, value: bool) -> str | None:
        if value:
            return "true"
        return None if self.unset_when_false else "false"


@dataclass(frozen=True, slots=True)
class Duration:
    """A time; the value is in whole seconds, and so is what the services get."""

    low: int = 1
    high: int = 10 * 365 * 86400

    @property
    def expects(self) -> str:
        return "a time such as 90s, 10m, 24h or 7d"

    def parse(self, text: str) -> int:
        match = _TIME.fullmatch(text)
        if match is None:
            raise refuse(text, self)
        seconds = int(match[1]) * _SECONDS[match[2].lower()]
        if not self.low <= seconds <= self.high:
            raise ValueError(f"{seen(text)} is not from {self.low} to {self.high} seconds")
        return seconds

    def text(self, value: int) -> str:
        return str(value)
