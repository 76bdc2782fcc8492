"""Authorities as an organisation would make them, for pages that give one."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)
PARTS = {
    "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
}


def usage(*, signs: bool = True) -> x509.KeyUsage:
    """KeyUsage with or without keyCertSign."""
    false = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("encipher_only", "decipher_only"),
        ),
        False,
    )
    return x509.KeyUsage(digital_signature=True, key_cert_sign=signs, crl_sign=signs, **false)


def name_of(subject: str, *, utf8: bool = False) -> x509.Name:
    """`C=DE,O=Org,CN=x` in the order of the text. Go writes PrintableString, OpenSSL writes UTF8String."""
    kind = _ASN1Type.UTF8String if utf8 else _ASN1Type.PrintableString
    pairs = [part.partition("=") for part in subject.split(",")]
    return x509.Name([x509.NameAttribute(PARTS[short], value, kind) for short, _, value in pairs])


@dataclass(frozen=True)
class Made:
    """A certificate with its key and the certificates of its issuers, up to the root."""

    certificate: x509.Certificate
    key: Key
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> str:
        """The certificate and its issuers in PEM, as a page has them."""
        return "".join(pem(certificate) for certificate in (self.certificate, *self.issuers))

    @property
    def private(self) -> str:
        """The key in PKCS #8."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def on_page(self, generation: int = 1) -> dict[str, object]:
        """An entry of `authorities`."""
        return {"generation": generation, "certificate": self.chain, "privateKey": self.private}


def pem(certificate: x509.Certificate) -> str:
    """A certificate in PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def make(
    subject: str = "O=Org,CN=Org Kubernetes CA",
    by: Made | None = None,
    *,
    key: Key | None = None,
    authority: bool = True,
    path_length: int | None = None,
    signs: bool | None = True,
    begins: timedelta = -DAY,
    ends: timedelta = 3650 * DAY,
    utf8: bool = False,
    key_id: bytes | None = None,
    more: Sequence[x509.ExtensionType] = (),
) -> Made:
    """A certificate signed by `by`, or by itself. `signs`: keyUsage with keyCertSign, without it, or none."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now, name = datetime.now(UTC), name_of(subject, utf8=utf8)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    identifier = own if key_id is None else x509.SubjectKeyIdentifier(key_id)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(authority, path_length), critical=True)
    )
    if signs is not None:
        builder = builder.add_extension(usage(signs=signs), critical=True)
    if key_id != b"":
        builder = builder.add_extension(identifier, critical=False)
    if by:
        theirs = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(theirs), critical=False
        )
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    signer = by.key if by else key
    return Made(builder.sign(signer, hashes.SHA256()), key, (by.certificate, *by.issuers) if by else ())


def root(subject: str = "O=Org,CN=Org Root") -> Made:
    """The root of an organisation, one for each subject."""
    return _once(subject, None)


def intermediate(subject: str = "O=Org,CN=Org Kubernetes CA") -> Made:
    """An intermediate authority as most organisations make it: no authority below it. One for each subject."""
    return _once(subject, root())


@cache
def _once(subject: str, by: Made | None) -> Made:
    return make(subject, by, path_length=0 if by else None)


@cache
def small_rsa() -> rsa.RSAPrivateKey:
    """A key that is too short."""
    return rsa.generate_private_key(65537, 1024)  # noqa: S505 - a test needs a key that is too short


def signed_by_openssl(digest: str, folder: Path, by: Made | None = None) -> Made:
    """A certificate with a signature that the library does not make, such as one with SHA-1."""
    # OpenSSL takes certificates that sign themselves, and keeps their extensions.
    made = make() if by else make("O=Org,CN=Old Root", key=rsa_key())
    signer = by or made
    for name, text in {"own": pem(made.certificate), "signer": pem(signer.certificate), "key": signer.private}.items():
        (folder / name).write_text(text)
    files = ["-in", str(folder / "own"), "-CA", str(folder / "signer"), "-CAkey", str(folder / "key")]
    command = ["openssl", "x509", "-CAcreateserial", f"-{digest}", "-days", "3650", *files]
    done = subprocess.run(command, capture_output=True, timeout=30, check=True)
    return Made(x509.load_pem_x509_certificate(done.stdout), made.key, (by.certificate, *by.issuers) if by else ())


def with_wrong_signature(made: Made) -> Made:
    """The certificate with one bit of its signature changed."""
    data = bytearray(made.certificate.public_bytes(Encoding.DER))
    data[-1] ^= 1
    return Made(x509.load_der_x509_certificate(bytes(data)), made.key, made.issuers)


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """A key that may sign with MD5 as well."""
    return rsa.generate_private_key(65537, 2048)


CLIENTS_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVERS_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
ONE_DOMAIN = x509.NameConstraints([x509.DNSName("example.org")], None)
