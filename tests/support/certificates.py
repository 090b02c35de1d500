"""Certificates that are made on the spot: an authority, and what it signs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from runtime.clock import SYSTEM_CLOCK

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str


class Authority:
    """Signs for whom it is asked to."""

    def __init__(self, name: str = "test authority") -> None:
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        signed = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.certificate = _text(signed)

    def pair(self, *, password: bytes | None = None) -> Pair:
        """A certificate for whoever is 127.0.0.1, and its key."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        locked = BestAvailableEncryption(password) if password else NoEncryption()
        written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
        return Pair(_text(self._signed(name, key, address)), written.decode())

    def server_context(self, folder: Path, *, asks_clients: bool = False) -> ssl.SSLContext:
        """What a server needs to be believed, and to believe nobody who is not signed for if it `asks_clients`."""
        pair, path = self.pair(), folder / "server.pem"
        path.write_text(pair.certificate + pair.key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=self.certificate)
        context.load_cert_chain(path)
        if asks_clients:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = SYSTEM_CLOCK.now()
        is_authority = isinstance(extension, x509.BasicConstraints)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(extension, critical=is_authority)
            # Newer versions of Python believe none that leaves these out.
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(signer, critical=False)
            .add_extension(_usage(signs=is_authority), critical=True)
            .sign(self._key, hashes.SHA256())
        )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
