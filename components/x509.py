"""What the rules about given authorities need of certificates and private keys. The library `cryptography` reads them.

Each function imports the library itself: few pages give an authority, and the others would wait for the import.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

SERVER_AUTH, CLIENT_AUTH, ANY_USE = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
_CERTIFICATE = "CERTIFICATE"
_KEYS = ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
"""The forms of private keys that the tls provider and the kube-controller-manager read, and the one that the library
refuses because of its passphrase."""
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_STRONG = {
    "ED25519",
    *(f"{kind}_WITH_SHA{size}" for kind in ("ECDSA", "RSA", "RSASSA_PSS") for size in (256, 384, 512)),
}
"""The signatures that Go's crypto/x509 accepts."""
_ORDER = ("C", "O", "OU", "L", "ST", "CN")
"""The order in which Go's crypto/x509/pkix writes the parts that a request of the tls provider can have."""
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*")
_PRINTABLE_STRING, _UTF8_STRING = 0x13, 0x0C


@dataclass(frozen=True)
class Name:
    """A name: all its bytes, its parts as pairs of short name and value, and one line as in RFC 4514."""

    encoded: bytes
    parts: tuple[tuple[str, str], ...]
    line: str
    is_plain: bool
    """Whether Go writes the same bytes: known parts, each once, in the order of Go, with the types of strings of Go."""

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True)
class PublicKey:
    """A public key. `kind` is `ECDSA P-256` and its like, `RSA`, or object identifiers: algorithm and curve.

    `data` is the key as SubjectPublicKeyInfo (RFC 5280), empty if the library does not know the kind. `size` is the
    number of bits of RSA, else 0.
    """

    kind: str
    data: bytes = b""
    size: int = 0

    @property
    def is_supported(self) -> bool:
        """Whether every component of the cluster can use the key."""
        return self.kind == "RSA" or self.kind.startswith("ECDSA ")


@dataclass(frozen=True)
class Certificate:
    """One certificate. Times are in UTC.

    `path_length` is None if there is no limit. `uses` are the object identifiers of extendedKeyUsage; None: any use.
    `key_id` and `issuer_key_id` are the key identifiers of subject and issuer, empty if there are none.
    """

    pem: str
    """The certificate alone, in PEM."""
    subject: Name
    issuer: Name
    not_before: datetime
    not_after: datetime
    key: PublicKey
    is_authority: bool
    path_length: int | None
    may_sign: bool
    uses: frozenset[str] | None
    key_id: bytes
    has_usual_key_id: bool
    """Whether the key identifier is the SHA-1 of the public key (RFC 5280, section 4.2.1.2), as tls makes it."""
    issuer_key_id: bytes
    has_name_constraints: bool
    signed_with: str
    """The algorithm of the signature, such as `RSA_WITH_SHA256`, or its object identifier."""
    loaded: x509.Certificate = field(repr=False)

    @property
    def identity(self) -> str:
        """What the certificates that this authority signs depend on: key, subject and key identifier, as a digest."""
        parts = (self.key.data, self.subject.encoded, self.key_id)
        return hashlib.sha256(b"".join(len(part).to_bytes(4) + part for part in parts)).hexdigest()

    @property
    def has_strong_signature(self) -> bool:
        """Whether programs accept the signature: none accepts one with MD5 or SHA-1, except of a root by itself."""
        return self.signed_with in _STRONG

    def names_as_issuer(self, other: Certificate) -> bool:
        """Whether this certificate says that `other` signed it."""
        same_key = not self.issuer_key_id or not other.key_id or self.issuer_key_id == other.key_id
        return self.issuer.encoded == other.subject.encoded and same_key

    def is_signed_by(self, other: Certificate) -> bool:
        """Whether the key of `other` made the signature."""
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

        try:
            self.loaded.verify_directly_issued_by(other.loaded)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            return False
        return True


@functools.lru_cache(maxsize=64)
def certificates(text: str) -> tuple[Certificate, ...]:
    """The certificates in a PEM text, in their order, at least one. Text around the blocks counts as a comment.

    Raises ValueError. The message says what is wrong with the text, and has no part of the text.
    """
    blocks = list(_BLOCK.finditer(text))
    others = [block[1] for block in blocks if block[1] != _CERTIFICATE]
    if others:
        raise ValueError(f"has a block {others[0]}")
    if not blocks:
        raise ValueError("has no block CERTIFICATE")
    return tuple(_certificate(block[0], number) for number, block in enumerate(blocks, 1))


def certificates_alone(text: str) -> str:
    """The certificates in a PEM text and nothing else, each line of a block by itself. Raises ValueError.

    Programs written in Go read no block that is indented or on one line, which the page accepts.
    """
    return "".join(certificate.pem for certificate in certificates(text))


def public_key_of(text: str) -> PublicKey:
    """The public key of the one private key in a PEM text.

    Raises ValueError. The message has no part of the text.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # OpenSSL writes a block EC PARAMETERS before the key.
    found = [block for block in _BLOCK.finditer(text) if block[1].endswith("PRIVATE KEY")]
    try:
        (block,) = found
        if block[1] not in _KEYS:
            raise ValueError
        return _public_key(load_pem_private_key(block[0].encode(), None).public_key())
    except TypeError:
        raise ValueError("is protected by a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a private key that the program can read") from None


def _certificate(text: str, number: int) -> Certificate:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        # The library reads the fields when they are asked for.
        return _read(x509.load_pem_x509_certificate(text.encode()))
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise ValueError(f"has a block CERTIFICATE (number {number}) that is not a certificate") from None


def _read(loaded: x509.Certificate) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    found = {type(extension.value): extension.value for extension in loaded.extensions}
    constraints: Any = found.get(x509.BasicConstraints)
    usage: Any = found.get(x509.KeyUsage)
    uses: Any = found.get(x509.ExtendedKeyUsage)
    own: Any = found.get(x509.SubjectKeyIdentifier)
    theirs: Any = found.get(x509.AuthorityKeyIdentifier)
    key = _key_of(loaded)
    return Certificate(
        pem=loaded.public_bytes(Encoding.PEM).decode(),
        subject=_name(loaded.subject),
        issuer=_name(loaded.issuer),
        not_before=loaded.not_valid_before_utc,
        not_after=loaded.not_valid_after_utc,
        key=key,
        is_authority=bool(constraints and constraints.ca),
        path_length=constraints.path_length if constraints else None,
        may_sign=bool(usage and usage.key_cert_sign),
        uses=frozenset(use.dotted_string for use in uses) if uses else None,
        key_id=own.digest if own else b"",
        has_usual_key_id=bool(own and key.data)
        and own == x509.SubjectKeyIdentifier.from_public_key(loaded.public_key()),
        issuer_key_id=(theirs.key_identifier if theirs else None) or b"",
        has_name_constraints=x509.NameConstraints in found,
        signed_with=_signed_with(loaded),
        loaded=loaded,
    )


def _key_of(loaded: x509.Certificate) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.oid import PublicKeyAlgorithmOID

    identifier = loaded.public_key_algorithm_oid
    try:
        key = _public_key(loaded.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return PublicKey(identifier.dotted_string)
    # The library reads an RSA key that is for RSASSA-PSS alone as any RSA key. Go does not read such a key.
    known = identifier in (PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5, PublicKeyAlgorithmOID.EC_PUBLIC_KEY)
    return key if known else PublicKey(identifier.dotted_string, key.data)


def _public_key(key: Any) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509.oid import PublicKeyAlgorithmOID

    data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(key, rsa.RSAPublicKey):
        return PublicKey("RSA", data, key.key_size)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return PublicKey("neither ECDSA nor RSA", data)
    if key.curve.name in _CURVES:
        return PublicKey(f"ECDSA {_CURVES[key.curve.name]}", data)
    curve = getattr(ec.EllipticCurveOID, key.curve.name.upper())
    return PublicKey(f"{PublicKeyAlgorithmOID.EC_PUBLIC_KEY.dotted_string} {curve.dotted_string}", data)


def _signed_with(loaded: x509.Certificate) -> str:
    from cryptography.x509.oid import SignatureAlgorithmOID

    identifier = loaded.signature_algorithm_oid
    if identifier == SignatureAlgorithmOID.RSASSA_PSS:
        used = loaded.signature_hash_algorithm
        return f"RSASSA_PSS_WITH_{used.name.upper()}" if used else "RSASSA_PSS"
    known = {value: name for name, value in vars(SignatureAlgorithmOID).items() if not name.startswith("_")}
    return known.get(identifier, identifier.dotted_string)


def _name(name: x509.Name) -> Name:
    parts = tuple((one.rfc4514_attribute_name, _text(one.value)) for one in name)
    shorts = [short for short, _ in parts]
    wanted = [_PRINTABLE_STRING if _PRINTABLE.fullmatch(value) else _UTF8_STRING for _, value in parts]
    is_plain = (
        all(len(list(one)) == 1 for one in name.rdns)
        and shorts == [short for short in _ORDER if short in shorts]
        # The library has no public attribute with the type of the string.
        and [one._type.value for one in name] == wanted
    )
    return Name(name.public_bytes(), parts, _text(name.rfc4514_string()), is_plain)


def _text(value: str | bytes) -> str:
    """A value in one line. Only values that are no text are bytes."""
    return "".join(c if c.isprintable() else "?" for c in value) if isinstance(value, str) else value.hex()
