"""From the configured key algorithm to the arguments of `tls.PrivateKey` and to the key usages that go with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

_EXTENDED_USE = {
    "server": ["server_auth"],
    "client": ["client_auth"],
    "admin": ["client_auth"],
    "peer": ["server_auth", "client_auth"],
}


def private_key_args(algorithm: str) -> dict[str, Any]:
    """Arguments of `tls.PrivateKey` for `ecdsa-p256` and its like, or `rsa-2048` and its like (bits)."""
    kind, _, size = algorithm.partition("-")
    if kind == "ecdsa":
        # The provider's own default curve is P224, which Go's TLS does not offer.
        return {"algorithm": "ECDSA", "ecdsa_curve": size.upper()}
    return {"algorithm": "RSA", "rsa_bits": int(size)}


def leaf_uses(profile: str, algorithm: str) -> list[str]:
    """Key usages of a leaf; an RSA key may also be asked to decrypt a session key (RFC 5246, key encipherment)."""
    rsa = ["key_encipherment"] if algorithm.startswith("rsa") else []
    return ["digital_signature", *rsa, *_EXTENDED_USE[profile]]


AUTHORITY_USES = ["cert_signing", "crl_signing", "digital_signature"]
"""Key usages of an authority (RFC 5280, section 4.2.1.3)."""


def hours(duration: timedelta) -> int:
    """Whole hours of a duration, the tls provider's unit."""
    return duration // timedelta(hours=1)
