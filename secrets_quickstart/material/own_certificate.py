"""The operator's own TLS certificate and key, examined before anything depends on them; nothing is made here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import certificates, keys, names
from secrets_quickstart.material.certificates import CertificateFacts
from secrets_quickstart.sensitive import Sensitive

if TYPE_CHECKING:
    from cryptography import x509

WEAK_HASHES = ("md5", "sha1")  # refused by OpenSSL at its default security level and by every browser


def check_pair(certificate: Sensitive, key: Sensitive, wanted: Sequence[str], now: datetime) -> CertificateFacts:
    """What the certificate says, once it, its chain and its key can serve `wanted` (host names and addresses) now.

    Raises MaterialError for the first thing that is wrong.
    """
    if b"PRIVATE KEY-----" in keys.unwrapped(certificate) and b"BEGIN CERTIFICATE" not in keys.unwrapped(certificate):
        raise _unusable("it is a private key", "give the certificate first and then its key")
    keys.check_tls_key(key)
    chain = certificates.parse(certificate)
    _check_match(chain, key)
    _check_chain(chain)
    for one in chain:
        _check_dates(one, now)
    facts = certificates.facts_of(chain[0])
    _check_purpose(chain[0])
    uncovered = names.missing(wanted, facts.names)
    if uncovered:
        raise _unusable(
            f"it is for {', '.join(facts.names) or 'no name at all'}, and not for {', '.join(uncovered)}",
            "have it issued for these names as subject alternative names",
        )
    return facts


def _unusable(why: str, fix: str) -> MaterialError:
    return MaterialError("the certificate cannot be used", why=why, fix=fix)


def _check_match(chain: Sequence[x509.Certificate], key: Sensitive) -> None:
    public = keys.verification_key(key)
    places = [place for place, one in enumerate(chain) if certificates.public_half(one) == public]
    if not places:
        raise _unusable("it belongs to another key", "give the key with which this certificate was requested")
    if places[0] != 0:
        raise _unusable(
            f"the certificate of this key is the file's number {places[0] + 1}",
            "put it first, and after it each the one that signed it",
        )


def _check_chain(chain: Sequence[x509.Certificate]) -> None:
    for place, (one, issuer) in enumerate(pairwise(chain), start=2):
        if not certificates.signed(one, issuer):
            raise _unusable(
                f"the file's number {place} ({issuer.subject.rfc4514_string()}) did not sign the one before it",
                "put the server's certificate first, and after it each the one that signed it",
            )


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    subject = certificate.subject.rfc4514_string() or "it"
    if now < certificate.not_valid_before_utc:
        raise _unusable(
            f"{subject} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on",
            "wait until then, or check this machine's clock",
        )
    if now > certificate.not_valid_after_utc:
        raise _unusable(f"{subject} expired on {certificate.not_valid_after_utc:%Y-%m-%d}", "have it issued again")


def _check_purpose(certificate: x509.Certificate) -> None:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None  # such as Ed25519's own; clients decide
    if digest is not None and digest.name in WEAK_HASHES:
        raise _unusable(f"it is signed with {digest.name}, which clients refuse", "have it issued with SHA-256")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        raise _unusable("it is not meant for servers", "have it issued with the extended key usage serverAuth")
