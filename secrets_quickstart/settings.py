"""What the operator has set: `.env` and the environment, checked and typed; the only module that reads os.environ.

What can be set, and how each value is read, is in `catalog.variables`.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from secrets_quickstart.catalog.variables import BY_NAME, VARIABLES
from secrets_quickstart.catalog.variables.rules import contradictions, fault_of_name
from secrets_quickstart.catalog.variables.words import Location
from secrets_quickstart.errors import SettingsError

FILE = ".env"
LARGEST_FILE = 1 << 20

CHILD_NAMES = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TMPDIR"),
        *("SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS", "DOCKER_TLS_VERIFY"),
        *("DOCKER_API_VERSION", "DOCKER_BUILDKIT", "DOCKER_DEFAULT_PLATFORM"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    )
)
CHILD_PREFIXES = ("XDG_", "PIP_", "UV_")
"""What programs that we start may see of our environment: Docker's client, and where images get packages from."""

ORDINARY_UID = 1000  # the first account that Debian makes


@dataclass(frozen=True, slots=True)
class Given:
    """One value as it was written, and where: `.env line 3`."""

    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Every variable's value; `settings["FLOWDB_HOST_PORT"]` is of the type that its kind says, None if left open."""

    folder: Path
    """The repository's folder, absolute."""
    base_environment: Mapping[str, str]
    """The whole environment for programs that we start: no variable of ours is in it."""
    account: tuple[int, int]
    """The uid and gid of the person who runs us, through sudo if need be."""
    _given: Mapping[str, Given]
    _values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @property
    def given(self) -> frozenset[str]:
        """The names that the operator set, or a command for them."""
        return frozenset(self._given)

    def where(self, name: str) -> str:
        """Where the operator set it, for people; "" if nowhere."""
        return self._given[name].where if name in self._given else ""

    def text(self, name: str) -> str | None:
        """The value as the services are handed it; None for "leave it unset"."""
        value = self._values[name]
        return None if value is None else BY_NAME[name].kind.text(value)

    def texts(self) -> dict[str, str]:
        """`text` of every variable that is not left unset."""
        texts = {name: self.text(name) for name in self._values}
        return {name: text for name, text in texts.items() if text is not None}

    def with_overrides(self, overrides: Mapping[str, str], where: str = "this command") -> Settings:
        """The same settings but for these, written as in `.env`.  Raises SettingsError as `load` does."""
        given = {**self._given, **{name: Given(text, where) for name, text in overrides.items()}}
        return _settled(self.folder, self.base_environment, self.account, given, [])

    def stack_environment(self, *more: Mapping[str, str]) -> dict[str, str]:
        """What `docker stack deploy` is started with: the variables under all their names, then `more`, later ones win.

        A variable that is left open is not in it, so that the stack file's own default counts.
        """
        variables = {name: text for given, text in self.texts().items() for name in (given, *BY_NAME[given].also)}
        for mapping in more:
            variables |= mapping
        return {**self.base_environment, **variables}

    @property
    def stack(self) -> str:
        return str(self["FLOWKIT_STACK"])

    @property
    def state_dir(self) -> Path:
        """Where this stack's vault and notes are; nothing in it is readable by others."""
        return self.folder / ".flowkit" / self.stack

    @property
    def images(self) -> Literal["auto", "official", "local"]:
        """Where images come from."""
        return self["FLOWKIT_IMAGES"]  # type: ignore[no-any-return]  # the row's kind allows no other

    @property
    def registry(self) -> str:
        """What stands before the official images' names, without a slash at the end; "" for nothing."""
        return str(self["FLOWKIT_REGISTRY"]).rstrip("/")

    @property
    def vault_path(self) -> Path:
        return Path(self["FLOWKIT_VAULT"])

    @property
    def vault_key_file(self) -> Path:
        """Of no use when there is a passphrase."""
        return Path(self["FLOWKIT_VAULT_KEY_FILE"])

    @property
    def vault_passphrase_file(self) -> Path | None:
        path: Path | None = self["FLOWKIT_VAULT_PASSPHRASE_FILE"]
        return path

    @property
    def deadline(self) -> int:
        """Seconds until every service has to be healthy."""
        return int(self["FLOWKIT_DEADLINE"])

    @property
    def password_length(self) -> int:
        return int(self["PASSWORD_LENGTH"])


def load(folder: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of `folder`: its `.env` if there is one, and above that the environment (os.environ if None).

    An empty value counts as not set.  Raises SettingsError that lists all mistakes at once.
    """
    surroundings = os.environ if environ is None else environ
    given, mistakes = _read(folder / FILE)
    for name in BY_NAME:
        if surroundings.get(name):
            given[name] = Given(surroundings[name], "environment")
    base = {name: text for name, text in surroundings.items() if name in CHILD_NAMES or name.startswith(CHILD_PREFIXES)}
    return _settled(folder.absolute(), MappingProxyType(base), _account(surroundings), given, mistakes)


def caller(environ: Mapping[str, str] | None = None) -> str:
    """The login name of whoever is at it, behind sudo too."""
    surroundings = os.environ if environ is None else environ
    if os.getuid() == 0 and surroundings.get("SUDO_USER"):
        return surroundings["SUDO_USER"]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account that this machine has no name for
        return str(os.getuid())


def _account(environ: Mapping[str, str]) -> tuple[int, int]:
    """Root is nobody to run a database as: then who called sudo, else the first ordinary account."""
    uid, gid = os.getuid(), os.getgid()
    if uid != 0:
        return uid, gid
    callers = [environ.get(name, "") for name in ("SUDO_UID", "SUDO_GID")]
    numbers = [int(text) if text.isascii() and text.isdigit() and int(text) > 0 else ORDINARY_UID for text in callers]
    return numbers[0], numbers[1]


def _read(path: Path) -> tuple[dict[str, Given], list[str]]:
    """What the file sets, and what is wrong with it.  A file that is not there sets nothing."""
    from io import StringIO

    from dotenv.parser import parse_stream

    given: dict[str, Given] = {}
    lines: dict[str, int] = {}
    mistakes: list[str] = []
    for binding in parse_stream(StringIO(_content(path))):
        written = binding.original.string
        line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
        where = f"{path.name} line {line}"
        if binding.error:
            mistakes.append(f"{where}: it is not of the form NAME=value")
        elif binding.key is None:
            continue
        elif fault := fault_of_name(binding.key):
            mistakes.append(f"{where}: {fault}")
        elif binding.value is None:
            mistakes.append(f"{where}: {binding.key}: there is no = after it")
        elif binding.key in lines:
            mistakes.append(f"{where}: {binding.key}: line {lines[binding.key]} sets it too")
        else:
            lines[binding.key] = line
            if binding.value:
                given[binding.key] = Given(binding.value, where)
    return given, mistakes


def _content(path: Path) -> str:
    fix = f"make {path} a text file such as .env.example, or move it away"
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(f"{path} cannot be read", why=error.strerror or str(error), fix=fix) from error
    if len(raw) > LARGEST_FILE:
        raise SettingsError(f"{path} cannot be read", why="it is larger than a megabyte", fix=fix)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        why = f"line {line} is not UTF-8"
        raise SettingsError(f"{path} cannot be read", why=why, fix=f"save {path} as UTF-8") from None


def _settled(
    folder: Path,
    base: Mapping[str, str],
    account: tuple[int, int],
    given: Mapping[str, Given],
    mistakes: list[str],
) -> Settings:
    """Values from texts: read, completed, and held against each other."""
    values: dict[str, Any] = {}
    mistakes += [f"{given[name].where}: {fault_of_name(name)}" for name in given if name not in BY_NAME]
    for row in VARIABLES:
        source = given.get(row.name) or (Given(row.default, "default") if row.default is not None else None)
        try:
            values[row.name] = None if source is None else row.kind.parse(source.text)
        except ValueError as error:
            mistakes.append(f"{source.where if source else 'default'}: {row.name}: {error}")
            values[row.name] = None
    mistakes += contradictions(values, given.keys())
    if mistakes:
        count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise SettingsError(
            f"the settings hold {count}",
            why="\n  ".join(["", *mistakes]) if len(mistakes) > 1 else mistakes[0],
            fix=f"correct {folder / FILE} or the environment; .env.example explains every variable",
        )
    home = Path(base.get("HOME") or folder)
    state = folder / ".flowkit" / values["FLOWKIT_STACK"]
    values["FLOWKIT_VAULT"] = values["FLOWKIT_VAULT"] or state / "vault"
    configuration = Path(base.get("XDG_CONFIG_HOME") or home / ".config")
    key = configuration / "flowkit" / f"{values['FLOWKIT_STACK']}.key"
    values["FLOWKIT_VAULT_KEY_FILE"] = values["FLOWKIT_VAULT_KEY_FILE"] or key
    for row in VARIABLES:
        if isinstance(row.kind, Location) and values[row.name] is not None:
            values[row.name] = _absolute(values[row.name], folder, home)
    if values["FLOWDB_DATA_DIR"] is not None:
        uid, gid = _owner(values["FLOWDB_DATA_DIR"]) or account
        values["FLOWDB_HOST_USER_ID"] = values["FLOWDB_HOST_USER_ID"] or uid
        if values["FLOWDB_HOST_GROUP_ID"] is None:
            values["FLOWDB_HOST_GROUP_ID"] = gid
    return Settings(folder, base, account, MappingProxyType(dict(given)), MappingProxyType(values))


def _absolute(path: Path, folder: Path, home: Path) -> Path:
    """The path in full, `..` resolved by name alone: symbolic links stay as the operator wrote them."""
    first, *rest = path.parts or (".",)
    start = home.joinpath(*rest) if first == "~" else folder / path
    return Path(os.path.normpath(start))


def _owner(directory: Path) -> tuple[int, int] | None:
    """Who owns it already, so that another person's run does not change the database's user; None for root."""
    try:
        found = directory.stat()
    except OSError:
        return None
    return (found.st_uid, found.st_gid) if found.st_uid != 0 else None
