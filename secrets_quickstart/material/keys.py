"""Asymmetric keys as PEM: made, halved, and examined when an operator brings one; not the certificates about them."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.sensitive import Sensitive

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

LEAST_RSA_BITS = 2048  # NIST SP 800-131A revision 2: shorter ones are disallowed for signatures
CURVES = ("secp256r1", "secp384r1")  # RFC 8446, 9.1: what TLS clients know; anything else is a gamble


def signing_key(bits: int) -> Sensitive:
    """A new RSA private key, PEM (PKCS #8), in about half a second for 4096 bits; other threads run meanwhile."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return private_pem(rsa.generate_private_key(public_exponent=65537, key_size=bits))


def elliptic_key() -> Sensitive:
    """A new P-256 private key, PEM (PKCS #8)."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return private_pem(ec.generate_private_key(ec.SECP256R1()))


def verification_key(signing: Sensitive) -> Sensitive:
    """The public half of a private key that was made or checked here, PEM (SubjectPublicKeyInfo)."""
    return public_pem(private_key(signing, proven=True).public_key())


def check_signing_key(value: Sensitive) -> Sensitive:
    """An operator's RSA private key, PEM or base64 of PEM, as PEM (PKCS #8); raises MaterialError."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = unwrapped(value)
    if b"PRIVATE KEY" not in pem and (b"PUBLIC KEY" in pem or b"CERTIFICATE" in pem):
        raise MaterialError(
            "the signing key cannot be used",
            why="this is only its public half, which cannot sign",
            fix="import it as PUBLIC_JWT_SIGNING_KEY, or give the private key",
        )
    key = private_key(value)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise not_rsa("signing key")
    _check_bits(key.key_size, "signing key")
    return private_pem(key)


def check_verification_key(value: Sensitive) -> Sensitive:
    """An operator's RSA public key or certificate, PEM or base64 of PEM, as PEM (SubjectPublicKeyInfo).

    A private key is refused: whoever holds it could sign, and this value goes to where only verifying is done.
    Raises MaterialError.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = unwrapped(value)
    if b"PRIVATE KEY" in pem:
        raise MaterialError(
            "the verification key cannot be used",
            why="this is a private key, and FlowAPI must not hold what signs tokens",
            fix="give its public half: openssl pkey -in KEY -pubout",
        )
    key = _public_key(pem)
    if not isinstance(key, rsa.RSAPublicKey):
        raise not_rsa("verification key")
    _check_bits(key.key_size, "verification key")
    return public_pem(key)


def check_tls_key(value: Sensitive) -> Sensitive:
    """An operator's private key for TLS as PEM (PKCS #8): RSA of 2048 bits or more, P-256 or P-384."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key = private_key(value)
    match key:
        case rsa.RSAPrivateKey():
            _check_bits(key.key_size, "TLS key")
        case ec.EllipticCurvePrivateKey() if key.curve.name in CURVES:
            pass
        case _:
            raise MaterialError(
                "the TLS key cannot be used",
                why="not every TLS client knows its kind",
                fix="use an RSA key of 2048 bits or more, or one on the curve P-256 or P-384",
            )
    return private_pem(key)


def private_key(value: Sensitive, *, proven: bool = False) -> PrivateKeyTypes:
    """The key in PEM or base64 of PEM; raises MaterialError for what is no unencrypted private key.

    Proving that the numbers of an RSA-4096 key fit together takes 0.3 s, needless for one that was `proven` before.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = unwrapped(value)
    if b"ENCRYPTED" in pem:  # in the label of PKCS #8, in the Proc-Type line of the older form
        raise MaterialError(
            "the private key cannot be read",
            why="it is encrypted with a passphrase, which no service here could ask for",
            fix="decrypt it first: openssl pkey -in KEY",
        )
    try:
        return load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=proven)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unreadable("private key", pem) from None  # the library's text may quote the input


def public_pem(key: PublicKeyTypes) -> Sensitive:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return Sensitive(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def private_pem(key: PrivateKeyTypes) -> Sensitive:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Sensitive(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def unwrapped(value: Sensitive) -> bytes:
    """The PEM inside base64, as FlowKit's components accept it in environment variables; PEM itself as it is."""
    raw = value.reveal().strip()
    if b"-----BEGIN" in raw:
        return raw
    try:
        inner = base64.b64decode(b"".join(raw.split()), validate=True)
    except (binascii.Error, ValueError):
        return raw
    return inner if b"-----BEGIN" in inner else raw


def _public_key(pem: bytes) -> PublicKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificate

    try:
        if b"BEGIN CERTIFICATE" in pem:
            return load_pem_x509_certificate(pem).public_key()
        return load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidVersion):
        raise _unreadable("verification key", pem) from None


def _unreadable(what: str, pem: bytes) -> MaterialError:
    if pem[:1] == b"\x30":  # an ASN.1 SEQUENCE: the binary form
        return MaterialError(
            f"the {what} cannot be read",
            why="it is DER, not PEM",
            fix="convert it: openssl pkey -inform DER (and -pubin for a public key)",
        )
    why = "it is damaged or of an unknown kind" if b"-----BEGIN" in pem else "it is not PEM"
    return MaterialError(f"the {what} cannot be read", why=why, fix="give a PEM file, from its BEGIN to its END line")


def not_rsa(what: str) -> MaterialError:
    return MaterialError(
        f"the {what} cannot be used", why="it is not RSA, and FlowKit signs with RS256", fix="give an RSA key"
    )


def _check_bits(bits: int, what: str) -> None:
    if bits < LEAST_RSA_BITS:
        raise MaterialError(
            f"the {what} cannot be used",
            why=f"an RSA key of {bits} bits can be broken; {LEAST_RSA_BITS} are the least",
            fix="make a new one: openssl genrsa 4096",
        )
