"""Certificates for one fleet: an authority that exists only while it signs, and a pair for each
member.

The key of the authority is never written: whoever has a pair is a member, and nobody can be added.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from memnotify.extras import extra
from memnotify.run.executors.protocol import CA, CERT, KEY

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_SKEW = timedelta(hours=1)  # the clock of a host may be behind


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Pair:
    """The files of one member, as PEM: the authority's certificate, its own, and its key."""

    ca: bytes
    cert: bytes
    key: bytes

    def files(self) -> Mapping[str, bytes]:
        """Return the content of each file of the member's folder, by name."""
        return {CA: self.ca, CERT: self.cert, KEY: self.key}

    def write(self, folder: Path) -> None:
        """Write the files into a new folder that only its owner can read. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True)
        for name, data in self.files().items():
            fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(data)


def make_pairs(fleet: str, members: Sequence[str], *, hours: int) -> dict[str, Pair]:
    """Return a pair for each member of a fleet, all signed by one new authority."""
    # Takes a tenth of a second, so only for a fleet.
    with extra("fleet", "memnotify fleet"):
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

    def pem(of: x509.Certificate) -> bytes:
        return of.public_bytes(serialization.Encoding.PEM)

    own = ec.generate_private_key(ec.SECP256R1())
    authority = _begun(f"memnotify fleet {fleet}", own, None, hours, own)
    ca = authority.sign(own, hashes.SHA256())
    pairs = {}
    for member in members:
        key = ec.generate_private_key(ec.SECP256R1())
        cert = _begun(member, key, ca, hours, own).sign(own, hashes.SHA256())
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        pairs[member] = Pair(ca=pem(ca), cert=pem(cert), key=text)
    return pairs


def _begun(
    name: str,
    key: EllipticCurvePrivateKey,
    ca: x509.Certificate | None,
    hours: int,
    signer: EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    """Return a certificate before it is signed; without `ca` it is the authority's own."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if ca is None else ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(hours=hours))
        .add_extension(
            x509.BasicConstraints(ca=ca is None, path_length=0 if ca is None else None),
            critical=True,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=ca is not None,
                key_cert_sign=ca is None,
                crl_sign=ca is None,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )
    if ca is None:
        return made
    # Every member of a Dask cluster both listens and connects.
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return made.add_extension(x509.ExtendedKeyUsage(both), critical=False)
