"""Certificates for tests of scripts, which look at nothing but the times."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding


def self_signed(begins: datetime, ends: datetime) -> str:
    """A certificate in PEM without a subject."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(begins).not_valid_after(ends)
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
