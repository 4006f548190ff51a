"""Our own certificate authority and the TLS certificates it signs; not the operator's own (`own_certificate`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import keys, names
from secrets_quickstart.sensitive import Sensitive

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUTHORITY_LIFETIME = timedelta(days=3650)
# Apple's systems refuse TLS certificates valid for more than 825 days, whoever signed them
# (https://support.apple.com/en-us/103769); the 398 days of public authorities do not bind private ones
# (https://support.apple.com/en-us/102028).  mkcert takes two years and three months for the same reason.
LEAF_LIFETIME = timedelta(days=820)
CLOCK_SKEW = timedelta(days=1)  # valid since yesterday: a node whose clock is behind must not refuse it
RENEW_BEFORE = timedelta(days=30)
# A leaf must not outlive its authority, so this one is renewed (with the same key) as long as a whole leaf fits.
RENEW_AUTHORITY_BEFORE = LEAF_LIFETIME + RENEW_BEFORE
COMMON_NAME = "flowkit.api"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says.  Nothing of it is secret."""

    names: tuple[str, ...]
    """Host names and addresses that it speaks for."""
    not_before: datetime
    not_after: datetime
    issuer: str
    serial: str
    """Hexadecimal, as openssl prints it."""
    fingerprint: str
    """SHA-256 as openssl prints it."""
    is_authority: bool


def authority(key: Sensitive, now: datetime) -> Sensitive:
    """The certificate of our own authority, PEM; the same key gives the same subject."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    private = _signer(key)
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    # two deployments' authorities may end up in one trust store, where equal subjects would be confused
    subject = _name(f"FlowKit CA {identifier.digest.hex()[:8]}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now - CLOCK_SKEW + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)  # signs leaves, no further CA
        .add_extension(
            x509.KeyUsage(
                key_cert_sign=True,  # what it is for
                crl_sign=True,  # some clients want it of every CA
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(identifier, critical=False)
        .sign(private, hashes.SHA256())
    )
    return joined([certificate])


def leaf(
    key: Sensitive, authority_pem: Sensitive, authority_key: Sensitive, hosts: tuple[str, ...], now: datetime
) -> Sensitive:
    """The TLS certificate for `hosts` and then its authority's, PEM.

    With both in one file it serves the server as its chain and the client as what to trust.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer = parse(authority_pem)[0]
    signer = _signer(authority_key)
    public = _signer(key).public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(COMMON_NAME))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(min(now - CLOCK_SKEW + LEAF_LIFETIME, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,  # signs the handshake
                key_encipherment=isinstance(public, rsa.RSAPublicKey),  # RSA key exchange of TLS 1.2; EC has none
                content_commitment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return joined([certificate, issuer])


def parse(pem: Sensitive) -> list[x509.Certificate]:
    """All certificates of a PEM text, in their order; raises MaterialError when there is none or one is damaged."""
    from cryptography import x509

    raw = keys.unwrapped(pem)
    if b"-----BEGIN" in raw and b"BEGIN CERTIFICATE" not in raw:
        why = "it holds a key and no certificate" if b"KEY-----" in raw else "it holds no certificate"
        raise MaterialError("the certificate cannot be read", why=why, fix="give the certificate's PEM file")
    try:
        found = x509.load_pem_x509_certificates(raw)
        for one in found:
            _ = one.subject, one.issuer  # taken apart only when they are asked for
    except (ValueError, TypeError, x509.InvalidVersion):
        why = "it is DER, not PEM" if raw[:1] == b"\x30" else "it is damaged or not PEM"
        raise MaterialError(
            "the certificate cannot be read", why=why, fix="convert it: openssl x509 -inform DER, or copy it afresh"
        ) from None
    return found


def joined(chain: Iterable[x509.Certificate]) -> Sensitive:
    """These certificates, and nothing else, as one PEM text."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return Sensitive(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain))


def describe(pem: Sensitive) -> CertificateFacts:
    """What the first certificate of a PEM text says; raises MaterialError."""
    return facts_of(parse(pem)[0])


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """The facts of one certificate; raises MaterialError for extensions that cannot be read."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        extensions = certificate.extensions
        alternatives = [e.value for e in extensions if isinstance(e.value, x509.SubjectAlternativeName)]
        constraints = [e.value for e in extensions if isinstance(e.value, x509.BasicConstraints)]
        spoken_for = tuple(
            str(name.value)
            for value in alternatives
            for name in value
            if isinstance(name, (x509.DNSName, x509.IPAddress))
        )
        issuer = certificate.issuer.rfc4514_string()
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise MaterialError(
            "the certificate cannot be read", why="one of its extensions is malformed", fix="have it issued again"
        ) from error
    return CertificateFacts(
        names=spoken_for,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        issuer=issuer,
        serial=f"{certificate.serial_number:X}",
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        is_authority=any(value.ca for value in constraints),
    )


def public_half(certificate: x509.Certificate) -> Sensitive:
    """The key that a certificate is about, PEM; raises MaterialError for one of an unknown kind."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return keys.public_pem(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise MaterialError(
            "the certificate cannot be used", why="its key is of an unknown kind", fix="have it issued for another key"
        ) from None


def days_left(facts: CertificateFacts, now: datetime) -> int:
    """Whole days until it expires; negative when it has."""
    return (facts.not_after - now).days


def belongs_to(pem: Sensitive, key: Sensitive) -> bool:
    """Whether the first certificate of a PEM text is about the public half of this private key."""
    return public_half(parse(pem)[0]) == keys.verification_key(key)


def is_issued_by(pem: Sensitive, authority_pem: Sensitive) -> bool:
    """Whether this authority signed the first certificate, and its own stands next in the file."""
    chain, issuer = parse(pem), parse(authority_pem)[0]
    return chain[1:] == [issuer] and signed(chain[0], issuer)


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _signer(key: Sensitive) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    private = keys.private_key(key)
    if isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        return private
    raise MaterialError("the TLS key cannot be used", why="it is neither RSA nor on a known curve", fix="use another")


def _name(common_name: str) -> x509.Name:
    from cryptography import x509

    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "FlowKit quickstart"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    address = names.as_address(host)
    return x509.DNSName(host) if address is None else x509.IPAddress(address)
