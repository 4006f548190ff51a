"""Where a secret's value can come from: the kinds of sources; which secret has which is in `secrets`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Password:
    """Letters and digits; the length is the operator's choice (PASSWORD_LENGTH)."""


@dataclass(frozen=True, slots=True)
class FernetKey:
    """32 random bytes in URL-safe base64."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA private key, PEM (PKCS #8)."""

    bits: int = 4096


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """The public half of another secret, PEM; or imported, when the signing key is somewhere else."""

    of: str


@dataclass(frozen=True, slots=True)
class AuthorityKey:
    """The private key of our own certificate authority, PEM."""


@dataclass(frozen=True, slots=True)
class AuthorityCertificate:
    """The certificate of our own certificate authority, PEM."""

    key: str


@dataclass(frozen=True, slots=True)
class LeafKey:
    """The private key of the TLS certificate, PEM."""


@dataclass(frozen=True, slots=True)
class LeafCertificate:
    """The TLS certificate and then its CA's, PEM; or the operator's own, imported."""

    key: str
    authority: str
    authority_key: str
    names: tuple[str, ...]
    """What it is for in any case."""
    variable: str
    """Holds the names that the operator adds."""


@dataclass(frozen=True, slots=True)
class TrustedCertificates:
    """Certificates to trust, PEM: another row's, unless others are imported."""

    of: str


@dataclass(frozen=True, slots=True)
class FromVariable:
    """The value of a variable: not secret, but read by FlowKit as a secret."""

    variable: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A text with other secrets in it: `{NAME}` is that value."""

    text: str
    quoted: bool = True
    """Whether the values are quoted as in a URL."""

    @property
    def needs(self) -> tuple[str, ...]:
        from string import Formatter

        return tuple(field for _, field, _, _ in Formatter().parse(self.text) if field)


@dataclass(frozen=True, slots=True)
class Alias:
    """The value of another row, under a second name."""

    of: str


Source = (
    Password
    | FernetKey
    | SigningKey
    | VerificationKey
    | AuthorityKey
    | AuthorityCertificate
    | LeafKey
    | LeafCertificate
    | TrustedCertificates
    | FromVariable
    | Derived
    | Alias
)
