"""Where this machine gets packages from: apt's sources and options, pip's indexes, the CA bundle.  Fetches nothing.

Images are built with these and keep none of them.  Any of them may hold credentials.
"""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from configparser import Error as ConfigError
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

from secrets_quickstart.errors import ImageError, ProcessError
from secrets_quickstart.host import processes
from secrets_quickstart.sensitive import Sensitive

CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
CA_IN_BUILD = "/run/secrets/ca"
ARCHIVE_KEYRING = "debian-archive-"
"""How the keyring files begin that are in every Debian, the images included."""

APT_PASSED_ON = ("Acquire::http::", "Acquire::https::", "Acquire::Check-Date", "Acquire::Check-Valid-Until")
APT_FILES = ("CAInfo", "CAPath", "SslCert", "SslKey", "IssuerCert", "CrlFile")
"""Options of apt's https that name files of this machine."""

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "ftp_proxy", "all_proxy")


@dataclass(frozen=True, slots=True)
class PackageSources:
    """Files for a build, by what they are for."""

    apt_sources: Sensitive
    """deb822."""
    apt_conf: Sensitive
    pip_conf: Sensitive
    uv_toml: Sensitive
    ca: Sensitive
    """A bundle of certificates, PEM; not secret, but as local as the rest.  Empty if there is none."""

    def files(self) -> dict[str, Sensitive]:
        """The files by the names under which builds know them."""
        return {
            "apt_sources": self.apt_sources,
            "apt_conf": self.apt_conf,
            "pip_conf": self.pip_conf,
            "uv_toml": self.uv_toml,
            "ca": self.ca,
        }


def read(environment: Mapping[str, str], suite: str, root: Path = Path("/")) -> PackageSources:
    """What this machine uses for that suite of Debian; raises ImageError when it has no apt source of it."""
    sources = apt_sources(root, suite)
    if not sources:
        raise ImageError(
            f"the images cannot be built: this machine has no package source for Debian {suite}",
            why=f"nothing under {root / 'etc/apt'} names {suite} with the component main",
            fix=f"add one in /etc/apt/sources.list.d, or build on Debian {suite} and take the images along "
            "(invoke images.save, images.load)",
        )
    bundle = Path(environment.get("SSL_CERT_FILE") or root / CA_BUNDLE)
    ca = bundle.read_bytes() if bundle.is_file() else b""
    indexes = pip_settings(environment, root)
    return PackageSources(
        Sensitive(sources),
        Sensitive(apt_options(_apt_config(environment), with_ca=bool(ca))),
        Sensitive(pip_conf(indexes)),
        Sensitive(uv_toml(indexes)),
        Sensitive(ca),
    )


def proxies(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the proxy variables that are set, in either spelling."""
    return tuple(name for name in environment if name.lower() in PROXIES and environment[name])


def apt_sources(root: Path, suite: str) -> str:
    """Debian's own entries of that suite, its updates and security, as deb822; "" if there are none.

    Other archives are left out: what they hold is not wanted in the images, and their keys are not there.
    """
    wanted = {suite, f"{suite}-updates", f"{suite}-security", f"{suite}/updates"}
    folder = root / "etc/apt"
    stanzas: list[str] = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for entry in _stanzas(text) if path.suffix == ".sources" else _lines(text):
            suites = [word for word in entry.get("suites", "").split() if word in wanted]
            off = entry.get("enabled", "yes").lower() in {"no", "false", "0"}
            if off or not suites or "deb" not in entry["types"].split() or "main" not in entry["components"].split():
                continue
            stanzas.append(_stanza(entry | {"types": "deb", "suites": " ".join(suites)}, root))
    return "\n".join(stanzas)


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """The entries of a deb822 file, keys in lower case."""
    entry: dict[str, str] = {}
    key = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if entry:
                yield {"types": "", "components": "", **entry}
            entry, key = {}, ""
        elif line[0].isspace():
            entry[key] = entry.get(key, "") + "\n" + line.strip()
        else:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            entry[key] = value.strip()


def _lines(text: str) -> Iterator[dict[str, str]]:
    """The entries of a one-line file, in deb822's words."""
    for line in text.splitlines():
        kind, _, rest = line.partition("#")[0].strip().partition(" ")
        if kind != "deb":
            continue
        options = {}
        rest = rest.strip()
        if rest.startswith("["):
            inside, _, rest = rest[1:].partition("]")
            options = {name.lower(): value for name, _, value in (word.partition("=") for word in inside.split())}
        uri, suite, *components = [*rest.split(), "", ""][: max(2, len(rest.split()))]
        yield {"types": kind, "uris": uri, "suites": suite, "components": " ".join(components), **options}


def _stanza(entry: Mapping[str, str], root: Path) -> str:
    kept = {"types": "Types", "uris": "URIs", "suites": "Suites", "components": "Components", "trusted": "Trusted"}
    kept |= {"check-valid-until": "Check-Valid-Until", "check-date": "Check-Date"}
    lines = [f"{title}: {' '.join(entry[key].split())}" for key, title in kept.items() if key in entry]
    key = _signing_key(entry.get("signed-by", ""), root)
    if key:
        lines.append("Signed-By:\n" + textwrap.indent(key.strip().replace("\n\n", "\n.\n"), " "))
    return "\n".join(lines) + "\n"


def _signing_key(signed_by: str, root: Path) -> str:
    """The key itself, since its file is not in the image; "" for Debian's own, which is."""
    if "BEGIN PGP" in signed_by:
        return signed_by
    path = root / signed_by.lstrip("/")
    if not signed_by.startswith("/") or path.name.startswith(ARCHIVE_KEYRING) or not path.is_file():
        return ""
    key = path.read_bytes()
    if b"BEGIN PGP" in key:
        return key.decode(errors="replace")
    body = "\n".join(textwrap.wrap(base64.b64encode(key).decode(), 64))
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{body}\n-----END PGP PUBLIC KEY BLOCK-----"


def _apt_config(environment: Mapping[str, str]) -> str:
    try:
        return processes.run(["apt-config", "dump"], env=environment).stdout
    except ProcessError:
        return ""  # another distribution, which has been given sources by hand


def apt_options(dump: str, *, with_ca: bool, ca: str = CA_IN_BUILD) -> str:
    """Of `apt-config dump`, what decides whether a mirror can be reached; `ca` is where the bundle will be."""
    kept = [
        line
        for line in dump.splitlines()
        if line.startswith(APT_PASSED_ON) and not any(f"::{name} " in line for name in APT_FILES)
    ]
    if with_ca:
        kept.append(f'Acquire::https::CAInfo "{ca}";')
    return "".join(f"{line}\n" for line in kept)


PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")


def pip_settings(environment: Mapping[str, str], root: Path = Path("/")) -> dict[str, tuple[str, ...]]:
    """What pip has been told about indexes, by its files and then its variables; places on this machine left out."""
    home = Path(environment.get("HOME", "/nonexistent"))
    files = [
        root / "etc/xdg/pip/pip.conf",
        root / "etc/pip.conf",
        home / ".pip/pip.conf",
        Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf",
    ]
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen:  # pip reads it last of all, and /dev/null means none at all
        files = [] if chosen == "/dev/null" else [*files, Path(chosen)]
    found: dict[str, tuple[str, ...]] = {}
    for path in files:
        if path.is_file():
            found |= _pip_file(path)
    for key in PIP_KEYS:
        value = environment.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            found[key] = _reachable(key, value.split())
    uv = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    if uv and not found.get("index-url"):
        found["index-url"] = (uv.partition("=")[2] if "=" in uv.partition("://")[0] else uv,)
    return {key: value for key, value in found.items() if value}


def _pip_file(path: Path) -> dict[str, tuple[str, ...]]:
    parser = RawConfigParser()
    try:
        parser.read_string(path.read_text(errors="replace"))
    except ConfigError as error:
        raise ImageError(
            f"pip's settings in {path} cannot be read",
            why=type(error).__name__,
            fix="correct the file; `pip config debug` shows what pip makes of it",
        ) from None  # the error quotes the line, which may hold a password
    found: dict[str, tuple[str, ...]] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            given = {key.replace("_", "-"): value for key, value in parser.items(section)}
            found |= {key: _reachable(key, given[key].split()) for key in PIP_KEYS if key in given}
    return found


def _reachable(key: str, values: Iterable[str]) -> tuple[str, ...]:
    if key not in {"index-url", "extra-index-url"}:
        return tuple(values)
    return tuple(value for value in values if value.startswith(("http://", "https://")))


def pip_conf(settings: Mapping[str, tuple[str, ...]]) -> str:
    """pip's configuration file."""
    lines = [f"{key} = " + "\n    ".join(values) for key, values in settings.items()]
    return "\n".join(["[global]", *lines]) + "\n" if lines else ""


def uv_toml(settings: Mapping[str, tuple[str, ...]]) -> str:
    """The same for uv, which does not read pip's."""
    lines = []
    if index := settings.get("index-url"):
        lines.append(f"index-url = {json.dumps(index[0])}")
    if more := settings.get("extra-index-url"):
        lines.append(f"extra-index-url = {json.dumps(list(more))}")
    if hosts := settings.get("trusted-host"):
        lines.append(f"allow-insecure-host = {json.dumps(list(hosts))}")
    return "".join(f"{line}\n" for line in lines)
