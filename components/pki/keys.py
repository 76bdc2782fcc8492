"""The arguments of `tls.PrivateKey` and the key usages for the configured algorithm."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

_EXTENDED_USE = {
    "server": ["server_auth"],
    "client": ["client_auth"],
    "admin": ["client_auth"],
    "deployer": ["client_auth"],
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


MADE_ONCE = (
    *("algorithm", "ecdsaCurve", "rsaBits"),
    *("subject", "validityPeriodHours", "earlyRenewalHours", "allowedUses"),
)
"""Inputs of keys and certificates of authorities that never change in an existing generation."""
AUTHORITY_USES = ["cert_signing", "crl_signing", "digital_signature"]
"""Key usages of an authority (RFC 5280, section 4.2.1.3)."""


def key_id(public_key_pem: str) -> str:
    """The id of a key in the headers of tokens (`kid`): the SHA-256 of the public key in DER, in base64url.

    Kubernetes computes this id in pkg/serviceaccount/jwt.go, keyIDFromPublicKey. `public_key_pem` is a PEM text of the
    type PUBLIC KEY.
    """
    der = base64.b64decode("".join(line for line in public_key_pem.splitlines() if not line.startswith("-----")))
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
